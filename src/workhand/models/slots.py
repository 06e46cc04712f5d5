"""Which session's keys and values stand in which slot of the local server.

A slot holds the computed state of one prompt.  Two sessions in one slot would
undo each other's cache, so each gets a slot of its own for as long as there
are enough, and the least recently used one is taken otherwise.

What a slot held can be kept in a file and brought back, by this process or a
later one.  Such files are only a cache: the server compares the restored
tokens with the prompt, so a missing or outdated file costs time, never truth.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from workhand.core.canonical import digest


class Slots:
    """The idle slots, least recently used first, and whose state each holds."""

    def __init__(self, count: int) -> None:
        self._idle: dict[int, str | None] = dict.fromkeys(range(count))

    def take(self, session: str) -> tuple[int, str | None]:
        """Take an idle slot: the session's own, else an empty one, else the oldest.

        Gives the slot and the session whose state is in it.  There must be an idle one.
        """
        slot = self.of(session)
        if slot is None:
            slot = next((slot for slot, held in self._idle.items() if held is None), next(iter(self._idle)))
        return slot, self._idle.pop(slot)

    def give_back(self, slot: int, session: str | None) -> None:
        """Make a slot idle again; ``session`` is whose state it holds."""
        for other, held in self._idle.items():
            if held == session:
                self._idle[other] = None
        self._idle[slot] = session

    def of(self, session: str) -> int | None:
        return next((slot for slot, held in self._idle.items() if held == session), None)

    def sessions(self) -> tuple[str, ...]:
        return tuple(held for held in self._idle.values() if held is not None)


def file_name(session: str) -> str:
    """Name a session's file; any text may be a session's id, so the name is its digest."""
    return f"{digest(session.encode())[:32]}.kv"


def copy(directory: Path, parent: str, child: str) -> None:
    """Let ``child`` start with the saved state of ``parent``, if there is any."""
    source, target = directory / file_name(parent), directory / file_name(child)
    if source.is_file():
        partial = target.with_suffix(".partial")
        shutil.copyfile(source, partial)
        os.replace(partial, target)


def prune(directory: Path, bytes_max: int) -> None:
    """Delete the files that were saved longest ago until the others fit into ``bytes_max``."""
    files = sorted(directory.glob("*.kv"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > bytes_max:
            file.unlink(missing_ok=True)
