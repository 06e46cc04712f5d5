"""Choose whether a virtual machine uses the host's processor, by KVM, or has its own emulated, by TCG.

That the device is there, or opens, means nothing: on some hosts it does, and no kernel gets past its first
instructions.  So the first machine is the trial.  If it does not start by KVM and then does without, that is
remembered until the host restarts.  Emulation is slow, and the authors of QEMU promise isolation with KVM only:
without it, the wall that bubblewrap and the session's own user make around QEMU counts for more.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, TypeAlias

Acceleration: TypeAlias = Literal["kvm", "tcg"]

DEVICE = "/dev/kvm"
READY_S: dict[Acceleration, float] = {"kvm": 20.0, "tcg": 90.0}
OPTIONS: dict[Acceleration, tuple[str, ...]] = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    "tcg": ("-accel", "tcg,thread=multi,tb-size=64", "-cpu", "max"),
}
CLOCK: dict[Acceleration, str] = {  # of an emulated processor the cycles cannot be timed: it is not always running
    "kvm": "",
    "tcg": "tsc=unstable clocksource=hpet",
}
USED = "The processor is the host's, by KVM."
EMULATED = "programs run slowly, and QEMU's authors promise isolation only with KVM."
NOT_OFFERED = f"The processor is emulated, because the host offers no virtualisation: {EMULATED}"
NOT_WORKING = f"The processor is emulated, because a machine did not start by KVM: {EMULATED}"
RECORD = "vm-emulated"


def reason_to_emulate(state: Path, *, device: str = DEVICE, system: Path = Path("/proc")) -> str | None:
    """Say, in a sentence, why KVM is of no use here; ``None`` if it is worth a trial."""
    flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", (system / "cpuinfo").read_text(), re.MULTILINE)
    if flags is None or not os.access(device, os.R_OK | os.W_OK):
        return NOT_OFFERED
    record = state / RECORD
    return NOT_WORKING if record.exists() and record.read_text() == _boot(system) else None


def remember(state: Path, *, system: Path = Path("/proc")) -> None:
    """Let no machine try KVM until the host restarts."""
    part = state / f"{RECORD}.{os.getpid()}"
    part.write_text(_boot(system))
    part.replace(state / RECORD)


def _boot(system: Path) -> str:
    return (system / "sys/kernel/random/boot_id").read_text()
