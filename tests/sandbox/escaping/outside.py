"""What is seen of a machine from outside while and after something is tried in it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from workhand.sandbox.client import DaemonSandbox

BOOT = "/proc/sys/kernel/random/boot_id"
SETTINGS = (
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory"),
    *("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/net/ipv4/ip_forward"),
)


def settings() -> dict[str, str]:
    """Read what an attempt would have changed on the host, as far as this kernel has it."""
    return {path: Path(path).read_text() for path in SETTINGS if os.path.exists(path)}


async def is_another_kernel(machine: DaemonSandbox) -> bool:
    """Say whether a machine has a kernel of its own, which all that was asked of a kernel inside has reached."""
    done = await machine.execute(("cat", BOOT), timeout_s=30, output_bytes_max=100)
    return done.stdout.decode() != Path(BOOT).read_text()


def planted(workspace: Path) -> list[str]:
    """List what no workspace may have outside: devices, and files that run as somebody else."""
    found = []
    for path in workspace.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode) or (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)):
            found.append(path.name)
    return found


def processes(pid: int) -> list[int]:
    """List a process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            for task in os.listdir(f"/proc/{found[-1]}/task"):
                children = Path(f"/proc/{found[-1]}/task/{task}/children").read_text()
                waiting += [int(child) for child in children.split()]
    return found
