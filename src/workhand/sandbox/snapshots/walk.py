"""See everything in a directory that somebody else controls, and may be changing.

Every step is one name, relative to an open directory, and never through a link: whatever is planted
or exchanged meanwhile, the worst that is seen is something else of the same workspace.  What is
mounted in it belongs to others and is passed over.  Width, depth and length have bounds, because
whoever makes the tree would otherwise choose how long we work and how many descriptors that takes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from workhand.errors import LimitReached
from workhand.sandbox.snapshots.manifest import ROOT

UNFINISHED = ".workhand-restoring-"  # a name that a restoration began with, and was killed before it ended
DEPTH_MAX = 100
PATH_BYTES_MAX = 2_000  # of a path in a workspace: with a store's own before it, it is still one that the kernel takes
NOTES_MAX = 20
DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True, slots=True)
class Found:
    """Something in a workspace, while the directory that it is in is open."""

    path: str
    name: str
    directory: int
    status: os.stat_result


@dataclass(slots=True)
class Notes:
    """What a person should know about a snapshot; only so many, since a workspace could give any number."""

    texts: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, text: str) -> None:
        if len(self.texts) < NOTES_MAX:
            self.texts.append(text)
        else:
            self.left_out += 1

    def all(self) -> tuple[str, ...]:
        more = (f"There are {self.left_out} notes more.",) if self.left_out else ()
        return (*self.texts, *more)


@dataclass(slots=True)
class _Open:
    directory: int
    path: str
    entries: Iterator[os.DirEntry[str]]


def walk(root: int, notes: Notes, *, nodes_max: int, skip: Collection[str] = ()) -> Iterator[Found]:
    """Give every directory, file and link below an open directory, each directory before what is in it.

    Names in ``skip`` are passed over at the top.  Raises ``LimitReached``.
    """
    device = os.fstat(root).st_dev
    pending = [_Open(os.dup(root), ROOT, _entries(root))]
    nodes = 0
    try:
        while pending:
            top = pending[-1]
            entry = next(top.entries, None)
            if entry is None:
                os.close(pending.pop().directory)
                continue
            if entry.name.startswith(UNFINISHED) or (top.path == ROOT and entry.name in skip):
                continue
            nodes += 1
            if nodes > nodes_max:
                raise LimitReached("files in a workspace", nodes, nodes_max)
            found = _look(top, entry.name, notes)
            if found is None:
                continue
            if not stat.S_ISDIR(found.status.st_mode):
                yield found
            elif (below := _enter(found, device, notes)) is not None:
                pending.append(below)
                if len(pending) > DEPTH_MAX:
                    raise LimitReached("directories in one another", len(pending), DEPTH_MAX)
                yield found
    finally:
        for each in pending:
            os.close(each.directory)


def _entries(directory: int) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        yield from entries


def _look(top: _Open, name: str, notes: Notes) -> Found | None:
    path = f"{top.path}/{name}" if top.path else name
    if (length := len(os.fsencode(path))) > PATH_BYTES_MAX:
        raise LimitReached("bytes in a path", length, PATH_BYTES_MAX)
    try:
        status = os.stat(name, dir_fd=top.directory, follow_symlinks=False)
    except FileNotFoundError:  # It went while we looked.
        return None
    special = SPECIAL.get(stat.S_IFMT(status.st_mode))
    if special is not None:
        notes.add(f"{path!r} is {special} and is not kept.")
        return None
    return Found(path, name, top.directory, status)


def _enter(found: Found, device: int, notes: Notes) -> _Open | None:
    if found.status.st_dev != device:
        notes.add(f"{found.path!r} is mounted from elsewhere and is not kept.")
        return None
    try:
        directory = os.open(found.name, DIRECTORY_FLAGS, dir_fd=found.directory)
    except (FileNotFoundError, NotADirectoryError):  # It went, or something else took its place.
        notes.add(f"{found.path!r} changed while it was read.")
        return None
    return _Open(directory, found.path, _entries(directory))
