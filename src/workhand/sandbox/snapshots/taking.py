"""Read a workspace into a layer in the making: what it holds, and a copy of what the parent did not.

The workspace may be in use.  A file that changes while it is read is read once more, and is then
kept as it was read and noted as torn.  Nothing is copied that the parent holds already, and
nothing is read that the index knows.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from workhand.errors import LimitReached
from workhand.sandbox.snapshots import content, layers
from workhand.sandbox.snapshots.index import Index, Known, is_settled, mark_of
from workhand.sandbox.snapshots.manifest import MODE_MASK, ROOT, Manifest, Node
from workhand.sandbox.snapshots.walk import FILE_FLAGS, Found, Notes, walk

READINGS = 2
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENODEV}  # or something else by now


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known before a workspace is read, and how much may be kept of it."""

    parent: Manifest
    index: Index
    bytes_max: int
    nodes_max: int
    skip: Collection[str]


@dataclass(slots=True)
class Reading:
    """What has been read of a workspace so far."""

    wanted: Wanted
    staged: Path
    manifest: dict[str, Node] = field(default_factory=dict)
    index: dict[str, Known] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    copies: dict[str, Path] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # of the copies
    copied_bytes: int = 0

    def fill(self, path: str, target: Path) -> None:
        """Put what was copied of a path where it is to be kept."""
        self.copies[path].rename(target)
        layers.finish(target, self.manifest[path])


def take(workspace: int, wanted: Wanted, staged: Path) -> Reading:
    """Read an open workspace; content that the parent has not got is copied into ``staged``.

    Raises ``LimitReached``, and ``PermissionError`` where we may not read.
    """
    reading = Reading(wanted, staged)
    reading.manifest[ROOT] = Node("directory", os.fstat(workspace).st_mode & MODE_MASK)
    for found in walk(workspace, reading.notes, nodes_max=wanted.nodes_max, skip=wanted.skip):
        if (node := _read(reading, found)) is not None:
            reading.manifest[found.path] = node
    return reading


def _read(reading: Reading, found: Found) -> Node | None:
    mode = found.status.st_mode
    if stat.S_ISDIR(mode):
        return Node("directory", mode & MODE_MASK)
    try:
        if stat.S_ISLNK(mode):
            return Node("link", content=os.readlink(found.name, dir_fd=found.directory))
        return _known(reading, found) or _read_file(reading, found)
    except PermissionError:
        raise
    except OSError as error:
        if error.errno not in GONE:
            raise
        reading.notes.add(f"{found.path!r} changed while it was read.")
        return None


def _known(reading: Reading, found: Found) -> Node | None:
    """Say what a file holds without opening it, if the parent's copy of it will do."""
    known = reading.wanted.index.get(found.path)
    if known is None or known.mark != mark_of(found.status):
        return None
    node = node_of(found.status, known.content)
    if reading.wanted.parent.get(found.path) != node:
        return None
    reading.index[found.path] = known
    return node


def _read_file(reading: Reading, found: Found) -> Node | None:
    for attempt in range(READINGS):
        source = os.open(found.name, FILE_FLAGS, dir_fd=found.directory)
        try:
            before = os.fstat(source)
            if not stat.S_ISREG(before.st_mode):
                reading.notes.add(f"{found.path!r} changed while it was read.")
                return None
            settled = is_settled(before.st_ctime_ns, time.time_ns())
            content.settle(source)
            named, size = _keep(reading, found.path, source, before)
            after = os.fstat(source)
        finally:
            os.close(source)
        whole = mark_of(before) == mark_of(after) and size == after.st_size
        if whole or attempt == READINGS - 1:
            break
    if not whole:
        reading.notes.add(f"{found.path!r} is torn: it changed while it was read, {READINGS} times.")
    elif settled:
        reading.index[found.path] = Known(mark_of(after), named)
    return Node("file", after.st_mode & MODE_MASK, size, after.st_mtime_ns, named)


def _keep(reading: Reading, path: str, source: int, status: os.stat_result) -> tuple[str, int]:
    """Name the content of an open file, and copy it if the parent holds something else there."""
    old = reading.wanted.parent.get(path)
    if old is not None and old == node_of(status, old.content):
        named, size = content.digest(source, bytes_max=status.st_size)
        if named == old.content:
            return named, size
    reading.copied_bytes -= reading.sizes.pop(path, 0)  # It may be the second reading.
    left = reading.wanted.bytes_max - reading.copied_bytes
    if status.st_size > left:
        raise LimitReached("bytes left for snapshots", reading.copied_bytes + status.st_size, reading.wanted.bytes_max)
    copy = reading.copies.setdefault(path, reading.staged / str(len(reading.copies)))
    target = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        named, size = content.copy(source, target, bytes_max=left)
    finally:
        os.close(target)
    reading.sizes[path] = size
    reading.copied_bytes += size
    return named, size


def node_of(status: os.stat_result, named: str) -> Node:
    return Node("file", status.st_mode & MODE_MASK, status.st_size, status.st_mtime_ns, named)
