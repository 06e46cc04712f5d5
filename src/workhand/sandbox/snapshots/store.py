"""Keep snapshots of workspaces: take, restore, fork, and let go of them.

A snapshot is a name of what a workspace held, and a chain of layers that together hold it.  It never
changes; only the layers that it stands on may be merged.  A workspace is any directory of the host,
whoever's processes write to it meanwhile: callers freeze them if they can.  All functions block, and are
for a thread.  A store belongs to one user of the host, and nobody else can look into it.

What was taken survives the death of any process.  Nothing here waits for the disk, so a loss of power may cost
the latest snapshots; a copy is checked against its name when it is restored, and ``check`` reads them all.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workhand.errors import LimitReached, SandboxError
from workhand.sandbox.snapshots import archive, forks, index, layers, manifest, overlay, probe, restoring, taking
from workhand.sandbox.snapshots.forks import Fork
from workhand.sandbox.snapshots.manifest import EMPTY, Manifest
from workhand.sandbox.snapshots.restoring import Owner
from workhand.sandbox.snapshots.shelf import Shelf
from workhand.sandbox.snapshots.walk import DIRECTORY_FLAGS

SKIP = (".workhand",)
CHAIN_MAX = 24
YOUNG_S = 3_600.0
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class SnapshotLimits:
    """How much of a workspace is kept."""

    quota_bytes: int = 4 * GIB  # of all snapshots that a caller counts together
    nodes_max: int = 200_000  # files, directories and links in one workspace


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot holds the workspace."""

    id: str
    changed_files: int
    changed_bytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The workspace cannot be kept as it is; nothing was."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forked:
    """A directory of its own that began as a snapshot; ``why`` says what stood in the way of an overlay."""

    way: Literal["overlay", "copy"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    snapshots: int
    layers: int


DEFAULT_LIMITS = SnapshotLimits()


class Store:
    """All snapshots of one installation."""

    def __init__(self, directory: Path) -> None:
        self._shelf = Shelf(directory.absolute())
        self._overlay: str | None = None  # what stands in the way of overlays, once it is known
        with _told("open", directory):
            self._shelf.open()

    def take(
        self,
        workspace: Path,
        parent: str | None = None,
        *,
        held: Collection[str] = (),
        skip: Collection[str] = SKIP,
        limits: SnapshotLimits = DEFAULT_LIMITS,
    ) -> Taken | Refused:
        """Keep what a workspace holds; what the parent holds is not kept again, and an equal parent is the answer.

        ``held`` are the other snapshots that count against the quota.  Names in ``skip`` are left out at the top.
        """
        with _told("take a snapshot of", workspace), self._shelf.shared(), opened(workspace) as root:
            chain = self._shelf.chain(parent) if parent else []
            place = index.place(self._shelf.indexes, workspace.absolute())
            known = index.read(place)
            room = max(0, limits.quota_bytes - self._usage({*held, *([parent] if parent else [])}))
            wanted = taking.Wanted(layers.folded(chain), known, room, limits.nodes_max, skip)
            with self._shelf.staged() as staged:
                try:
                    reading = taking.take(root, wanted, staged)
                except LimitReached as error:
                    return Refused(f"{error} Remove what need not be kept from the workspace, or raise the limit.")
                except (PermissionError, BlockingIOError) as error:  # The latter of a file that is leased.
                    return Refused(f"We cannot read all of it: {error}. Change the permissions, or remove it.")
                if reading.index != known:
                    index.write(place, reading.index, workspace.absolute())
                return self._keep(reading, chain, parent, staged)

    def _keep(self, reading: taking.Reading, chain: list[Path], parent: str | None, staged: Path) -> Taken:
        change = manifest.difference(reading.wanted.parent, reading.manifest)
        notes = reading.notes.all()
        if parent is not None and not change.put and not change.gone:
            self._shelf.renew(parent)
            return Taken(parent, 0, 0, notes)
        name = manifest.name_of(reading.manifest)
        if self._shelf.has(name):
            self._shelf.renew(name)
        else:
            layer = layers.complete(staged, change, reading.manifest, reading.fill)
            self._shelf.write(name, [self._publish(staged, layer), *self._short(chain)])
        files = [node for node in change.put.values() if node.kind != "directory"]
        gone = [path for path in change.gone if reading.wanted.parent[path].kind != "directory"]
        return Taken(name, len(files) + len(gone), sum(node.size for node in files), notes)

    def restore(
        self, workspace: Path, snapshot: str, *, owner: Owner | None = None, skip: Collection[str] = SKIP
    ) -> int:
        """Make a workspace hold what a snapshot does, and give how much had to change.

        Killed midway, it is repeated.  With an owner, everything comes to belong to it.
        """
        with _told("restore", workspace), self._shelf.shared(), opened(workspace) as root:
            place = index.place(self._shelf.indexes, workspace.absolute())
            return self._restore(root, snapshot, owner, skip, index.read(place))

    def _restore(self, root: int, snapshot: str, owner: Owner | None, skip: Collection[str], known: index.Index) -> int:
        chain = self._shelf.chain(snapshot)
        wanted = restoring.Restoring(layers.folded(chain), lambda path: layers.locate(chain, path), owner, known, skip)
        return restoring.restore(root, wanted)

    def fork(self, snapshot: str, target: Path, *, uid: int | None = None, overlay: bool | None = None) -> Forked:
        """Make a directory that begins as a snapshot does and shares nothing with it that can be changed.

        The files are the user's with this uid, or ours.  An overlay is mounted where it can be, or must be if
        ``overlay`` is true; what is not there yet is made, and the target must be empty.  Killed midway, it is repeated
        unless ``is_mounted`` says that it is there; a copy is removed first.
        """
        target = real(target)
        with _told("fork to", target), self._shelf.shared():
            chain = self._shelf.chain(snapshot)
            target.mkdir(mode=0o700, exist_ok=True)
            if self.is_mounted(target) or any(target.iterdir()):
                raise SandboxError(f"{str(target)!r} is not empty; fork to a directory that is not there.")
            why = "A copy was asked for." if overlay is False else self._obstacle(chain)
            why = why or self._stack(Fork(str(target), snapshot, tuple(layer.name for layer in chain), uid), chain)
            if not why:
                return Forked("overlay")
            if overlay:
                raise SandboxError(f"{str(target)!r} cannot be an overlay: {why}")
            with opened(target) as root:
                self._restore(root, snapshot, None if uid is None else (uid, uid), (), {})
            return Forked("copy", why)

    def _stack(self, fork: Fork, chain: list[Path]) -> str:
        """Make an overlay, or say what stands in the way."""
        place = forks.place(self._shelf.forks, Path(fork.target))
        if forks.is_written(place):
            raise SandboxError(f"{fork.target!r} is a fork already; `remount` shows it, `discard` removes it.")
        if place.exists():  # Whoever made it was killed before it was mounted.
            self._shelf.drop(place)
        with self._shelf.staged() as staged:
            forks.make(staged, fork, stat.S_IMODE((chain[0] / layers.TREE).stat().st_mode), place)
        try:
            forks.show(place, fork, self._shelf.layers)
        except SandboxError as error:
            self._shelf.drop(place)
            return str(error)
        return ""

    def _obstacle(self, chain: list[Path]) -> str:
        """Say what stands in the way of an overlay of these layers, or nothing."""
        if os.geteuid() != 0:
            return "Only root can mount overlays where the host sees them."
        if not all(layers.about(layer).stackable for layer in chain):
            return "A layer was made by somebody who could not hide files in it."
        if self._overlay is None:
            with self._shelf.staged() as staged:
                self._overlay = probe.obstacle(staged)
        return self._overlay

    def remount(self, target: Path, *, uid: int | None = None) -> None:
        """Mount a fork again, after a restart of the host or for another user; one that is mounted is left alone."""
        target = real(target)
        with _told("mount", target), self._shelf.shared():
            place, fork = self._find(target)
            if uid is not None and uid != fork.uid:
                if self.is_mounted(target):
                    overlay.unmount(target)
                fork = forks.hand_over(place, fork, uid)
            if not self.is_mounted(target):
                forks.show(place, fork, self._shelf.layers)

    def unmount(self, target: Path) -> None:
        """Take a fork out of sight; ``remount`` shows it again as it was."""
        target = real(target)
        with _told("unmount", target):
            if self.is_mounted(target):
                overlay.unmount(target)

    def discard(self, target: Path) -> None:
        """Unmount a fork and remove what was written to it; the target stays, empty."""
        target = real(target)
        self.unmount(target)
        with _told("remove the fork", target), self._shelf.shared():
            place = forks.place(self._shelf.forks, target)
            if place.exists():
                self._shelf.drop(place)

    def is_mounted(self, target: Path) -> bool:
        target = real(target)
        return overlay.is_mounted(target, forks.place(self._shelf.forks, target).name)

    def forks(self) -> tuple[Fork, ...]:
        """Give every fork that is an overlay, mounted or not."""
        return tuple(forks.every(self._shelf.forks))

    def _find(self, target: Path) -> tuple[Path, Fork]:
        place = forks.place(self._shelf.forks, target)
        fork = forks.read(place)
        if fork is None:
            raise SandboxError(f"{str(target)!r} is not a fork of this store; `forks` gives those that are.")
        return place, fork

    def manifest(self, snapshot: str) -> Manifest:
        """Give what a snapshot holds, without its content."""
        with self._shelf.shared():
            return layers.folded(self._shelf.chain(snapshot))

    def has(self, snapshot: str) -> bool:
        return self._shelf.has(snapshot)

    def snapshots(self) -> tuple[str, ...]:
        return tuple(self._shelf.names())

    def usage(self, snapshots: Collection[str]) -> int:
        """Give the bytes that these snapshots keep on the disk; those that are not there keep none."""
        with self._shelf.shared():
            return self._usage(snapshots)

    def _usage(self, snapshots: Collection[str]) -> int:
        needed = {layer for each in snapshots if self._shelf.has(each) for layer in self._shelf.chain(each)}
        names = {layer.name for layer in needed}
        known = [layers.about(layer) for layer in needed]
        return sum(each.size for each in known if not each.merged or not names.issuperset(each.merged))

    def squash(self, snapshot: str) -> None:
        """Let a snapshot stand on one layer; its id and its content stay, and other snapshots keep their layers."""
        with _told("squash", self._shelf.directory), self._shelf.shared():
            chain = self._shelf.chain(snapshot)
            if len(chain) > 1:
                self._shelf.write(snapshot, [self._merged(chain)])

    def _short(self, chain: list[Path]) -> list[Path]:
        """Merge a chain that has become too long for one more."""
        return chain if len(chain) < CHAIN_MAX else [self._merged(chain)]

    def _merged(self, chain: list[Path]) -> Path:
        with self._shelf.staged() as staged:
            return self._publish(staged, layers.merge(staged, chain, layers.folded(chain)))

    def _publish(self, staged: Path, layer: str) -> Path:
        return layers.publish(staged, self._shelf.layers, layer)

    def collect(self, keep: Collection[str], *, young_s: float = YOUNG_S) -> Collected:
        """Remove the snapshots that are not to be kept, and the layers that neither they nor a fork needs.

        Young ones are kept, since whoever has just taken them may not have written it down yet.
        """
        with _told("collect", self._shelf.directory), self._shelf.alone():
            oldest_s = time.time() - young_s
            names = self._shelf.names()
            old = [each for each in names if each not in keep and self._shelf.written_s(each) <= oldest_s]
            for each in old:
                self._shelf.forget(each)
            needed = {layer.name for each in self._shelf.names() for layer in self._shelf.chain(each)}
            needed.update(name for fork in forks.every(self._shelf.forks) for name in fork.layers)
            unused = [layer for layer in self._shelf.layers.iterdir() if layer.name not in needed]
            for layer in unused:
                self._shelf.drop(layer)
            index.collect(self._shelf.indexes)
            return Collected(len(old), len(unused))

    def check(self) -> tuple[str, ...]:
        """Read everything, and say what is not as it was made; nothing is repaired."""
        with _told("check", self._shelf.directory), self._shelf.shared():
            found = [fault for layer in sorted(self._shelf.layers.iterdir()) for fault in layers.faults(layer)]
            for name in self._shelf.names():
                try:
                    held = manifest.name_of(layers.folded(self._shelf.chain(name)))
                except SandboxError as error:
                    found.append(str(error))
                    continue
                if held != name:
                    found.append(f"The snapshot {name!r} holds {held!r}.")
            for fork in forks.every(self._shelf.forks):
                missing = [layer for layer in fork.layers if not (self._shelf.layers / layer).is_dir()]
                found += [f"The fork {fork.target!r} stands on {layer!r}, which is missing." for layer in missing]
            return tuple(found)

    def archive(self, snapshot: str, file: Path) -> None:
        """Write one snapshot to a file that needs no other; it is a tar, compressed with Zstandard."""
        with _told("archive to", file), self._shelf.shared():
            chain = self._shelf.chain(snapshot)
            archive.write(file, layers.folded(chain), lambda path: layers.locate(chain, path))

    def unarchive(self, file: Path, *, limits: SnapshotLimits = DEFAULT_LIMITS) -> str:
        """Take in an archive, which anybody may have made, and give the id of its snapshot."""
        with _told("read the archive", file), self._shelf.shared(), self._shelf.staged() as staged:
            held, fill = archive.read(file, staged, bytes_max=limits.quota_bytes, nodes_max=limits.nodes_max)
            name = manifest.name_of(held)
            if self._shelf.has(name):
                self._shelf.renew(name)
            else:
                layer = layers.complete(staged, manifest.difference(EMPTY, held), held, fill)
                self._shelf.write(name, [self._publish(staged, layer)])
            return name


def real(target: Path) -> Path:
    """Give a path without links in what is above it: the kernel lists mounts like that."""
    return target.parent.resolve() / target.name


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, DIRECTORY_FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _told(purpose: str, place: Path) -> Iterator[None]:
    """Say of a failing disk, or of a directory that is not as it must be, what could not be done."""
    try:
        yield
    except OSError as error:
        raise SandboxError(f"We could not {purpose} {str(place)!r}: {error.strerror or error}.") from error
