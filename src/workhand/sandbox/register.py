"""The machines that are open on this host: one file each, in the directory of our state.

A record is made when a machine has opened and goes when it closes.  It names the process that holds
the machine, with its start time, so that what a killed process left behind is told from what lives;
``sweep`` ends and removes that.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from workhand.core.ports import Capabilities
from workhand.sandbox.limits import sweep_groups
from workhand.sandbox.slots import state_directory

RECORDS = "machine-*.json"


@dataclass(frozen=True, slots=True)
class OpenMachine:
    session: str
    workspace: str
    backend: str
    isolation: str
    network: str
    pid: int  # the process on the host that the machine ends with
    pid_started: str
    holder: int  # the process that opened it
    holder_started: str

    @property
    def record(self) -> Path:
        return state_directory() / f"machine-{self.pid}.json"

    @property
    def terminal(self) -> Path:
        """Where the holder lets a person into the machine."""
        return terminal_of(self.session)

    @property
    def held(self) -> bool:
        return self.holder_started == started(self.holder) != ""

    @property
    def runs(self) -> bool:
        return self.pid_started == started(self.pid) != ""


def terminal_of(session: str) -> Path:
    return state_directory() / f"terminal-{session}.sock"


def browser_of(session: str) -> Path:
    """Where the holder lets a person drive the session's browser."""
    return state_directory() / f"browser-{session}.sock"


def started(pid: int) -> str:
    """Give the start time of a process, which tells it from a later one with the same pid; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def enter(session: str, workspace: Path, given: Capabilities, pid: int) -> OpenMachine:
    """Put a machine that this process has opened on the list."""
    own = os.getpid()
    machine = OpenMachine(
        session,
        str(workspace),
        given.backend,
        given.isolation,
        given.network,
        pid=pid,
        pid_started=started(pid),
        holder=own,
        holder_started=started(own),
    )
    part = machine.record.with_suffix(".part")
    part.write_text(json.dumps(asdict(machine)))
    part.replace(machine.record)
    return machine


def leave(machine: OpenMachine) -> None:
    machine.record.unlink(missing_ok=True)


def machines() -> tuple[OpenMachine, ...]:
    """Give the machines on the list, those that nobody holds any longer included."""
    return tuple(found for path in sorted(state_directory().glob(RECORDS)) if (found := _read(path)))


def _read(path: Path) -> OpenMachine | None:
    try:
        return OpenMachine(**json.loads(path.read_text()))
    except FileNotFoundError:  # It was closed while we looked.
        return None
    except (ValueError, TypeError):  # Not one of ours, or of another version: nothing that it says can be relied on.
        path.unlink(missing_ok=True)
        return None


def end(machine: OpenMachine) -> None:
    """Kill a machine; who holds it finds it lost."""
    if machine.runs:
        os.kill(machine.pid, signal.SIGKILL)
    if not machine.held:
        leave(machine)
        machine.terminal.unlink(missing_ok=True)
        browser_of(machine.session).unlink(missing_ok=True)


def sweep() -> tuple[OpenMachine, ...]:
    """End and remove what killed processes have left behind, and say what it was."""
    from workhand.sandbox.gvisor import sweep_bundles

    left = tuple(machine for machine in machines() if not machine.held)
    for machine in left:
        end(machine)
    sweep_groups(state_directory())
    sweep_bundles(state_directory())
    return left
