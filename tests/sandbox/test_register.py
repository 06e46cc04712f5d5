"""Open machines are listed, and what a killed process left behind is ended and removed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from workhand.core.ports import Capabilities
from workhand.errors import SandboxLost, SandboxUnavailable
from workhand.sandbox import register
from workhand.sandbox.slots import state_directory
from workhand.sandbox.spec import MachineSpec
from workhand.sandbox.tiers import kinds_for, open_machine

pytestmark = pytest.mark.anyio
GIVEN = Capabilities("unsafe", "none", "rlimits", "host")


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def of(session: str) -> list[register.OpenMachine]:
    return [each for each in register.machines() if each.session == session]


async def test_a_machine_is_listed_while_it_is_open(tmp_path: Path) -> None:
    spec = MachineSpec(session="listed", workspace=tmp_path, owned=True)
    async with await open_machine("none", spec) as sandbox:
        (machine,) = of("listed")
        assert (machine.backend, machine.pid, machine.workspace) == ("unsafe", sandbox.pid, str(tmp_path))
        assert machine.held and machine.runs
    assert of("listed") == []


async def test_a_machine_can_be_ended_from_elsewhere(tmp_path: Path) -> None:
    async with await open_machine("none", MachineSpec(session="ended", workspace=tmp_path, owned=True)) as sandbox:
        (machine,) = of("ended")
        register.end(machine)
        with pytest.raises(SandboxLost):
            await sandbox.execute(("sleep", "9"), timeout_s=9, output_bytes_max=1)
    assert of("ended") == []


def test_what_nobody_holds_is_ended_and_removed() -> None:
    left = sleeper()
    machine = register.enter("left", Path("/tmp"), GIVEN, left.pid)
    machine.record.write_text(json.dumps(asdict(replace(machine, holder_started="1"))))  # another process's, long ago
    machine.terminal.touch()
    assert machine.session in [each.session for each in register.sweep()]
    assert left.wait() == -signal.SIGKILL
    assert not machine.record.exists() and not machine.terminal.exists()
    left.communicate()


def test_a_process_that_only_has_the_number_is_left_alone() -> None:
    other = sleeper()
    machine = register.enter("number", Path("/tmp"), GIVEN, other.pid)
    stale = replace(machine, pid_started="1", holder_started="1")
    machine.record.write_text(json.dumps(asdict(stale)))
    register.sweep()
    assert other.poll() is None
    other.communicate(b"\n")


def test_a_record_that_cannot_be_read_is_removed() -> None:
    record = state_directory() / "machine-0.json"
    record.write_text("{")
    register.machines()
    assert not record.exists()


def test_what_isolates_less_is_never_tried() -> None:
    assert kinds_for("none") == ("unsafe",)
    assert "unsafe" not in kinds_for("namespace")
    assert set(kinds_for("vm")) <= set(kinds_for("kernel")) < set(kinds_for("namespace"))


async def test_where_nothing_opens_each_kind_says_why(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="not a directory"):
        await open_machine("namespace", MachineSpec(session="x", workspace=tmp_path / "none", owned=True))
