"""Make a directory hold what a manifest says, changing no more than differs.

The directory may be in the hands of somebody who plants links in it, so every step is one name relative
to an open directory, nothing is followed, and no file that is there is ever written: a file is made
beside its place, filled, given its owner and mode while only its descriptor counts, and renamed onto it.
Killed at any instant, it has only to be repeated.  What cannot be a directory of ours is removed
without recursion, since whoever made it chose its depth.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from workhand.errors import SandboxError
from workhand.sandbox.snapshots import content
from workhand.sandbox.snapshots.index import Index, mark_of
from workhand.sandbox.snapshots.layers import BYTES_MAX
from workhand.sandbox.snapshots.manifest import MODE_MASK, ROOT, Manifest, Node, parent_of
from workhand.sandbox.snapshots.taking import node_of
from workhand.sandbox.snapshots.walk import DIRECTORY_FLAGS, FILE_FLAGS, UNFINISHED

Owner: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Restoring:
    """What is to be there, and where its content is."""

    manifest: Manifest
    source: Callable[[str], Path]
    owner: Owner | None
    index: Index
    skip: Collection[str]
    children: Mapping[str, list[str]] = field(init=False)
    root: int = -1
    device: int = 0
    changed: int = 0

    def __post_init__(self) -> None:
        children: dict[str, list[str]] = {path: [] for path, node in self.manifest.items() if node.kind == "directory"}
        for path in self.manifest:
            if path != ROOT:
                children[parent_of(path)].append(path)
        self.children = children

    def unfinished(self) -> str:
        """Give a name that nobody can have put something under."""
        return UNFINISHED + os.urandom(12).hex()


def restore(workspace: int, wanted: Restoring) -> int:
    """Make an open directory hold what is wanted, and give how many things were changed or removed."""
    wanted.root, wanted.device = workspace, os.fstat(workspace).st_dev
    _directory(wanted, workspace, ROOT)
    return wanted.changed


def _directory(wanted: Restoring, directory: int, path: str) -> None:
    status = os.fstat(directory)
    if os.geteuid() != 0 and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(directory, status.st_mode & MODE_MASK | stat.S_IRWXU)
    _clear(wanted, directory, path)
    for child in wanted.children[path]:
        node, name = wanted.manifest[child], child.rpartition("/")[2]
        match node.kind:
            case "directory":
                _enter(wanted, directory, name, child)
            case "file":
                _file(wanted, directory, name, child, node)
            case "link":
                _link(wanted, directory, name, node)
    if wanted.owner is not None and (status.st_uid, status.st_gid) != wanted.owner:
        os.fchown(directory, *wanted.owner)
    if os.fstat(directory).st_mode & MODE_MASK != wanted.manifest[path].mode:
        os.fchmod(directory, wanted.manifest[path].mode)


def _clear(wanted: Restoring, directory: int, path: str) -> None:
    """Remove what is not to be there, or is of another kind."""
    keep = {child.rpartition("/")[2]: wanted.manifest[child].kind for child in wanted.children[path]}
    for name in os.listdir(directory):
        if path == ROOT and name in wanted.skip:
            continue
        status = _status(directory, name)
        if status is None or (stat.S_ISDIR(status.st_mode) and status.st_dev != wanted.device):
            continue
        if keep.get(name) != _kind(status) and not (
            keep.get(name) in ("file", "link") and _kind(status) != "directory"
        ):
            _remove(wanted, directory, name)
            wanted.changed += 1


def _kind(status: os.stat_result) -> str:
    for test, kind in ((stat.S_ISDIR, "directory"), (stat.S_ISREG, "file"), (stat.S_ISLNK, "link")):
        if test(status.st_mode):
            return kind
    return "special"


def _status(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _enter(wanted: Restoring, directory: int, name: str, path: str) -> None:
    if _status(directory, name) is None:
        os.mkdir(name, 0o700, dir_fd=directory)
        wanted.changed += 1
    _open_up(directory, name)
    below = os.open(name, DIRECTORY_FLAGS, dir_fd=directory)
    try:
        if os.fstat(below).st_dev != wanted.device:
            raise SandboxError(f"Something is mounted at {path!r} in the workspace; unmount it, and restore again.")
        _directory(wanted, below, path)
    finally:
        os.close(below)


def _open_up(directory: int, name: str) -> None:
    """Let ourselves into a directory that its owner, if that is us, has closed; a link in its place is let alone."""
    if os.geteuid() == 0:
        return
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        mode = os.fstat(place).st_mode
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(f"/proc/self/fd/{place}", mode & MODE_MASK | stat.S_IRWXU)
    finally:
        os.close(place)


def _file(wanted: Restoring, directory: int, name: str, path: str, node: Node) -> None:
    status = _status(directory, name)
    if status is not None and _is_held(wanted, directory, name, path, status, node):
        if wanted.owner is not None and (status.st_uid, status.st_gid) != wanted.owner:
            os.chown(name, *wanted.owner, dir_fd=directory, follow_symlinks=False)
        return
    part = wanted.unfinished()
    target = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        with wanted.source(path).open("rb", buffering=0) as source:
            if content.copy(source.fileno(), target, bytes_max=BYTES_MAX) != (node.content, node.size):
                raise SandboxError(f"The kept copy of {path!r} is damaged; `check` says which snapshots are.")
        if wanted.owner is not None:
            os.fchown(target, *wanted.owner)
        os.fchmod(target, node.mode)
        os.utime(target, ns=(node.mtime_ns, node.mtime_ns))
    finally:
        os.close(target)
    os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
    wanted.changed += 1


def _is_held(wanted: Restoring, directory: int, name: str, path: str, status: os.stat_result, node: Node) -> bool:
    """Say whether a file is as wanted: by the index, else by reading it if all else agrees."""
    if not stat.S_ISREG(status.st_mode) or node_of(status, node.content) != node:
        return False
    known = wanted.index.get(path)
    if known is not None and known.mark == mark_of(status):
        return known.content == node.content
    try:
        live = os.open(name, FILE_FLAGS, dir_fd=directory)
    except OSError:  # Exchanged, gone or closed to us: whatever it is, it is replaced.
        return False
    try:
        return mark_of(os.fstat(live)) == mark_of(status) and content.digest(live, bytes_max=node.size) == (
            node.content,
            node.size,
        )
    finally:
        os.close(live)


def _link(wanted: Restoring, directory: int, name: str, node: Node) -> None:
    status = _status(directory, name)
    if status is None or not stat.S_ISLNK(status.st_mode) or os.readlink(name, dir_fd=directory) != node.content:
        part = wanted.unfinished()
        os.symlink(node.content, part, dir_fd=directory)
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
        wanted.changed += 1
    if wanted.owner is not None:
        os.chown(name, *wanted.owner, dir_fd=directory, follow_symlinks=False)


def _remove(wanted: Restoring, directory: int, name: str) -> None:
    """Remove whatever has a name; directories below are first moved to the top, so no depth is too great."""
    status = _status(directory, name)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    pending = [_move_up(wanted, directory, name)]
    while pending:
        top = pending[-1]
        below = os.open(top, DIRECTORY_FLAGS, dir_fd=wanted.root)
        try:
            moved = _empty(wanted, below)
        finally:
            os.close(below)
        if moved:
            pending += moved
        else:
            os.rmdir(pending.pop(), dir_fd=wanted.root)


def _empty(wanted: Restoring, directory: int) -> list[str]:
    """Remove the files in a directory, and move the directories in it up; give the names that they have there."""
    moved = []
    for name in os.listdir(directory):
        status = _status(directory, name)
        if status is not None and stat.S_ISDIR(status.st_mode):
            moved.append(_move_up(wanted, directory, name))
        elif status is not None:
            os.unlink(name, dir_fd=directory)
    return moved


def _move_up(wanted: Restoring, directory: int, name: str) -> str:
    _open_up(directory, name)
    moved = wanted.unfinished()
    os.rename(name, moved, src_dir_fd=directory, dst_dir_fd=wanted.root)
    return moved
