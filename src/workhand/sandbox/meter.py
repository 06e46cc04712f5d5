"""Tell which of its limits a machine has run into, as the host counts it.

The kernel refuses or kills, and a program inside only sees that something failed.  So the counters of the
machine's control group are read after each action, and what they say goes with the result.  How much a workspace
holds has no counter: it is measured while something runs, and a machine that writes past its limit is ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from workhand.errors import LimitReached, SandboxError
from workhand.sandbox.limits import MIB, SandboxLimits
from workhand.sandbox.snapshots.store import opened
from workhand.sandbox.snapshots.walk import Notes, walk

COUNTERS = {
    "memory.events": re.compile(r"^oom_kill (\d+)$", re.M),
    "memory.oom_control": re.compile(r"^oom_kill (\d+)$", re.M),
    "pids.events": re.compile(r"^max (\d+)$", re.M),
}
FILES_MAX = 1_000_000
BLOCK_BYTES = 512
MEASURE_EVERY_S = 2.0
MEASURE_SHARE = 0.05  # of the time, at most, is spent on measuring


@dataclass(slots=True)
class Meter:
    """The counters of one machine, and what was last told of them."""

    limits: SandboxLimits
    groups: tuple[Path, ...] = ()
    told: dict[str, int] = field(default_factory=dict)

    def hits(self) -> tuple[str, ...]:
        """Give a sentence for each limit that was run into since the last time."""
        found = []
        for name in COUNTERS:
            count = self._count(name)
            fresh, self.told[name] = count - self.told.get(name, 0), count
            if fresh > 0:
                found.append(self._said(name, fresh))
        return tuple(found)

    def _count(self, name: str) -> int:
        for group in self.groups:
            try:
                stated = COUNTERS[name].search((group / name).read_text())
            except OSError:  # It counts other things, or is gone with its machine.
                continue
            if stated is not None:
                return int(stated[1])
        return 0

    def _said(self, name: str, count: int) -> str:
        if name == "pids.events":
            return f"{count:,} times a process could not be started: at most {self.limits.processes:,} may run at once"
        memory = f"{self.limits.memory_bytes // MIB:,} MiB"
        return f"{count:,} processes were killed: together they wanted more than the {memory} of memory that there are"


def held_bytes(workspace: Path) -> int:
    """Say how much of the disk a workspace takes.  Raises ``LimitReached`` for more files than can be counted."""
    with opened(workspace) as root:
        return sum(found.status.st_blocks * BLOCK_BYTES for found in walk(root, Notes(), nodes_max=FILES_MAX))


async def watch_disk(
    workspace: Path, bytes_max: int, end: Callable[[str], None], *, every_s: float = MEASURE_EVERY_S
) -> None:
    """Measure a workspace again and again, and ``end`` what writes to it when it holds too much and has grown.

    What holds too much from the start, or shrinks, is let alone: there must be a way to make room.
    """
    most: int | None = None
    while True:
        began = time.monotonic()
        try:
            held = await anyio.to_thread.run_sync(held_bytes, workspace)
        except (LimitReached, SandboxError, OSError):  # Deeper, wider or faster than we look: its size is not known.
            held = 0
        if most is not None and held > most:
            end(f"the workspace holds {held // MIB:,} MiB, and {bytes_max // MIB:,} MiB are allowed; remove files")
        most = max(bytes_max, held)
        spent_s = time.monotonic() - began
        await anyio.sleep(max(every_s, spent_s / MEASURE_SHARE))
