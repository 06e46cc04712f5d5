"""Hold a sandbox to its share of the machine: control groups where we may make them, else rlimits.

Control groups count a whole sandbox.  Version 1 has one tree per controller,
version 2 one tree in which a parent must pass controllers on; we use the
nearest group above our own process that we may write to and that does so, and
never move a process that is not ours.  Rlimits count per process or per user,
which is weaker; ``Capabilities`` says which of them is at work.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workhand.sandbox.slots import Slot, group_name, try_slot

MIB = 1 << 20
CPU_PERIOD_US = 100_000
REMOVE_S = 3.0
REMOVE_STEP_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What a sandbox may use.  ``None`` means no limit."""

    processes: int = 512
    memory_bytes: int = 2_048 * MIB
    cpus: float | None = None
    cpu_seconds: int | None = None  # of one process
    open_files: int = 4_096  # of one process
    tmp_bytes: int = 256 * MIB
    disk_bytes: int | None = 10_240 * MIB  # of the workspace


@dataclass(frozen=True, slots=True)
class Groups:
    """Where control groups can be made: for each controller the parent directory."""

    version: Literal[1, 2]
    parents: tuple[tuple[str, Path], ...]

    def directories(self, name: str) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(parent / name for _, parent in self.parents))


def find_groups(*, mounts: str | None = None, own: str | None = None) -> Groups | None:
    """Find out where this process may make control groups; ``None`` if nowhere.

    ``mounts`` and ``own`` are the text of ``/proc/self/mountinfo`` and ``/proc/self/cgroup``.
    """
    mounts = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
    own = Path("/proc/self/cgroup").read_text() if own is None else own
    paths = {name: path for line in own.splitlines() for name, path in _own_paths(line)}
    parents: dict[str, Path] = {}
    for line in mounts.splitlines():
        fields, _, source = line.partition(" - ")
        kind, _, options = source.split(" ", 2)
        root, point = (_unescape(field) for field in fields.split()[3:5])
        if kind == "cgroup2" and (groups := _unified(Path(point), _below(paths.get(""), root))):
            return groups
        for controller in {"pids", "memory", "cpu"} & set(options.split(",")) if kind == "cgroup" else ():
            parent = Path(point, _below(paths.get(controller), root))
            if os.access(parent, os.W_OK):
                parents[controller] = parent
    return Groups(1, tuple(sorted(parents.items()))) if {"pids", "memory"} <= set(parents) else None


def _own_paths(line: str) -> Iterable[tuple[str, str]]:
    _, controllers, path = line.split(":", 2)
    return ((name, path) for name in controllers.split(","))


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _below(path: str | None, root: str) -> str:
    """Give a group's path below its mount point; a container may be shown a subtree as the root."""
    inside = path or "/"
    return os.path.relpath(inside, root) if inside.startswith(root) else "."


def _unified(point: Path, own: str) -> Groups | None:
    directory = Path(os.path.normpath(point / own))
    for parent in (directory, *directory.parents):
        control = parent / "cgroup.subtree_control"
        passed_on = set(control.read_text().split()) if control.exists() else set()
        writable = os.access(parent, os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK)
        if {"pids", "memory"} <= passed_on and writable:
            return Groups(2, tuple((name, parent) for name in sorted({"pids", "memory", "cpu"} & passed_on)))
        if parent == point:
            return None
    return None


def enforcer(groups: Groups | None) -> str:
    return "rlimits" if groups is None else f"cgroup v{groups.version}"


def join_group(
    resources: AsyncExitStack, state: Path, slot: Slot, limits: SandboxLimits
) -> tuple[Groups | None, tuple[Path, ...]]:
    """Make the control group of a slot where that is possible; give the files to join it by.

    Its removal is pushed onto ``resources``.
    """
    groups = find_groups()
    sweep_groups(state)
    record = state / slot.name
    remove_recorded(record)
    if groups is None:
        return None, ()
    directories = groups.directories(slot.name)
    record.write_text("\n".join(map(str, directories)))
    resources.push_async_callback(remove_group, record)
    make_group(groups, slot.name, limits)
    return groups, tuple(directory / "cgroup.procs" for directory in directories)


def make_group(groups: Groups, name: str, limits: SandboxLimits) -> None:
    """Make a sandbox's control group and set its limits."""
    for controller, parent in groups.parents:
        directory = parent / name
        directory.mkdir(exist_ok=True)
        for file, value in _settings(groups.version, controller, limits):
            (directory / file).write_text(value)


def _settings(version: Literal[1, 2], controller: str, limits: SandboxLimits) -> list[tuple[str, str]]:
    quota = None if limits.cpus is None else max(1_000, int(limits.cpus * CPU_PERIOD_US))
    if controller == "pids":
        return [("pids.max", str(limits.processes))]
    if controller == "memory":
        return [("memory.limit_in_bytes" if version == 1 else "memory.max", str(limits.memory_bytes))]
    if quota is None:
        return []
    if version == 2:
        return [("cpu.max", f"{quota} {CPU_PERIOD_US}")]
    return [("cpu.cfs_period_us", str(CPU_PERIOD_US)), ("cpu.cfs_quota_us", str(quota))]


async def remove_group(record: Path) -> None:
    """Kill what is left in a group and remove it, within a bounded time; the next sweep takes what resists."""
    for _ in range(int(REMOVE_S / REMOVE_STEP_S)):
        if remove_recorded(record):
            return
        await asyncio.sleep(REMOVE_STEP_S)


def sweep_groups(state: Path) -> None:
    """Remove the groups of sandboxes that died without closing.

    The records say where they are: another host process of ours may sit in another
    part of the tree, and have made its groups there.
    """
    for record in state.glob(group_name("*")):
        slot = try_slot(state, int(record.name.rpartition("-")[2]))
        if slot is not None:
            remove_recorded(record)
            os.close(slot.fd)


def remove_recorded(record: Path) -> bool:
    """Remove the directories that a record names, then the record.  Only for who holds its slot."""
    if not record.exists():
        return True
    gone = True
    for directory in map(Path, record.read_text().splitlines()):
        try:
            for pid in (directory / "cgroup.procs").read_text().split():
                _kill(int(pid))
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            gone = False  # Busy: something in it is still dying.
    if gone:
        record.unlink()
    return gone


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # It ended between the reading and the killing, which is what we want.


def rlimits(limits: SandboxLimits, *, grouped: bool, own_user: bool) -> dict[str, int]:
    """Give the rlimits a daemon sets for itself and its children.

    Without control groups they also stand in for them, the process count only where
    the sandbox has a user (or a user namespace) to itself.
    """
    wanted = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": limits.open_files}
    if limits.disk_bytes is not None:
        wanted["RLIMIT_FSIZE"] = limits.disk_bytes
    if limits.cpu_seconds is not None:
        wanted["RLIMIT_CPU"] = limits.cpu_seconds
    if not grouped:
        wanted["RLIMIT_DATA"] = limits.memory_bytes
        if own_user:
            wanted["RLIMIT_NPROC"] = limits.processes
    return wanted


def weaknesses(limits: SandboxLimits, groups: Groups | None, *, own_user: bool) -> tuple[str, ...]:
    """Say what the limits do not hold, a sentence each."""
    notes = []
    if groups is None:
        notes.append("No control group can be made here: memory is limited per process, not for the sandbox.")
        if not own_user:
            notes.append("The number of processes is not limited.")
    if limits.cpus is not None and (groups is None or "cpu" not in dict(groups.parents)):
        notes.append("The share of the processors is not limited.")
    return tuple(notes)
