"""Play a history of edits, snapshots, restorations and forks, and compare with what was seen when.

What a snapshot should hold is what a plain reading of the workspace gave when it was taken.  After each step the
directory that was worked on is read, and at the end all directories and all snapshots are compared, so that
what leaks from one into another is found.  It needs the standard library only, so that an ordinary user's
Python can run it:

    python world.py SOURCE_DIRECTORY DIRECTORY SEED HISTORIES
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workhand.sandbox.snapshots.store import Store

Step = tuple[str, int, int, int]
Seen = dict[str, tuple[str, int, int, str]]

NAMES = ("a", "b", "c", "\udcff\n:,")
PATHS = (*NAMES, *(f"{one}/{two}" for one in NAMES[:2] for two in NAMES), "a/b/a", "a/b/c/d")
TARGETS = ("a", "/etc/passwd", "..", "../../b", "nowhere", "\udcff")
FILE_MODES = (0o600, 0o644, 0o755, 0o400, 0o1604)
DIRECTORY_MODES = (0o700, 0o755, 0o500, 0o1777)
EDITS = ("write", "append", "write", "mkdir", "link", "remove", "rename", "chmod", "touch", "hardlink")
ACTS = ("take", "take", "restore", "fork", "squash", "collect")
DIRECTORIES_MAX = 5
GRAINS_NS = 40_000_000


class World:
    """A store, some directories, and what should be in them."""

    def __init__(self, store: Store, directory: Path, *, overlay: bool) -> None:
        self.store, self.directory, self.overlay = store, directory, overlay
        first = directory / "workspace-0"
        first.mkdir()
        self.directories = [first]
        self.parents: list[str | None] = [None]
        self.expected: list[Seen] = [read(first)]
        self.snapshots: dict[str, Seen] = {}

    def play(self, steps: list[Step]) -> None:
        for name, where, what, how in steps:
            at = where % len(self.directories)
            if name in ACTS:
                getattr(self, name)(at, what, how)
            else:
                edit(name, self.directories[at], what, how)
                self.expected[at] = read(self.directories[at])

    def take(self, at: int, what: int, how: int) -> None:
        taken = self.store.take(self.directories[at], self.parents[at])
        identifier: str = getattr(taken, "id")  # noqa: B009 - the class is not known to an ordinary user's Python
        assert self.snapshots.setdefault(identifier, self.expected[at]) == self.expected[at]
        self.parents[at] = identifier
        self.compare()

    def restore(self, at: int, what: int, how: int) -> None:
        if (snapshot := self.pick(what)) is not None:
            self.store.restore(self.directories[at], snapshot)
            self.parents[at] = snapshot if how % 2 else self.parents[at]
            self.expected[at] = self.snapshots[snapshot]
            self.compare()

    def fork(self, at: int, what: int, how: int) -> None:
        if (snapshot := self.pick(what)) is not None and len(self.directories) < DIRECTORIES_MAX:
            target = self.directory / f"workspace-{len(self.directories)}"
            uid = 300_000 + at if os.geteuid() == 0 else None
            done = self.store.fork(snapshot, target, uid=uid, overlay=None if self.overlay else False)
            assert done.way == ("overlay" if self.overlay else "copy"), done
            self.directories.append(target)
            self.parents.append(snapshot)
            self.expected.append(self.snapshots[snapshot])
            self.compare()

    def squash(self, at: int, what: int, how: int) -> None:
        if (snapshot := self.pick(what)) is not None:
            self.store.squash(snapshot)

    def collect(self, at: int, what: int, how: int) -> None:
        kept = {name for number, name in enumerate(sorted(self.snapshots)) if how >> number % 8 & 1}
        kept |= {parent for parent in self.parents if parent is not None}
        self.store.collect(kept, young_s=-1)
        self.snapshots = {name: seen for name, seen in self.snapshots.items() if name in kept}
        assert set(self.store.snapshots()) == set(self.snapshots)

    def pick(self, what: int) -> str | None:
        return sorted(self.snapshots)[what % len(self.snapshots)] if self.snapshots else None

    def compare(self) -> None:
        for place, expected in zip(self.directories, self.expected, strict=True):
            assert read(place) == expected, place

    def end(self) -> None:
        """Compare everything, and restore every snapshot to where nothing was."""
        self.compare()
        assert self.store.check() == ()
        for snapshot, expected in self.snapshots.items():
            fresh = self.directory / "fresh"
            fresh.mkdir()
            self.store.restore(fresh, snapshot)
            assert read(fresh) == expected
            remove(fresh)

    def close(self) -> None:
        for place in self.directories[1:]:
            self.store.discard(place)


def read(root: Path) -> Seen:
    """Read a directory plainly: kind, mode, time and content of everything."""
    found: Seen = {}
    pending = [""]
    while pending:
        path = pending.pop()
        place = root / path if path else root
        status = place.lstat()
        mode = status.st_mode & 0o1777
        if stat.S_ISDIR(status.st_mode):
            found[path] = ("directory", mode, 0, "")
            pending += [f"{path}/{name}" if path else name for name in os.listdir(place)]
        elif stat.S_ISLNK(status.st_mode):
            found[path] = ("link", 0, 0, os.readlink(place))
        else:
            found[path] = ("file", mode, status.st_mtime_ns, place.read_bytes().hex())
    return found


def wait_for_grain() -> None:
    """Let the clock pass the grain of times, after which the index remembers what it has read."""
    until_ns = time.time_ns() + GRAINS_NS
    while time.time_ns() < until_ns:
        os.sched_yield()


def edit(name: str, root: Path, what: int, how: int) -> None:
    """Change something; what cannot be done is not."""
    place, other = root / PATHS[what % len(PATHS)], root / PATHS[how % len(PATHS)]
    acts: dict[str, Callable[[], object]] = {
        "write": lambda: write(place, "wb", how),
        "append": lambda: write(place, "ab", how),
        "mkdir": lambda: place.mkdir(parents=True),
        "link": lambda: os.symlink(TARGETS[how % len(TARGETS)], place),
        "remove": lambda: remove(place),
        "rename": lambda: place.rename(other),
        "chmod": lambda: change_mode(place, how),
        "touch": lambda: os.utime(place, ns=(how, 1_000_000_007 * how), follow_symlinks=False),
        "hardlink": lambda: os.link(place, other, follow_symlinks=False),
    }
    try:
        acts[name]()
    except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError):
        return
    except OSError as error:
        if error.errno not in (22, 39, 40):  # into itself, not empty, a loop of links
            raise


def write(place: Path, way: str, how: int) -> None:
    if not place.is_symlink():  # It would be written through.
        with place.open(way) as file:
            file.write(bytes([how % 256]) * (how % 5_000))


def change_mode(place: Path, how: int) -> None:
    if not place.is_symlink():
        place.chmod((DIRECTORY_MODES if place.is_dir() else FILE_MODES)[how % 4])


def remove(place: Path) -> None:
    if place.is_symlink() or not place.is_dir():
        place.unlink()
        return
    for above, directories, _ in os.walk(place):
        for each in directories:
            if not os.path.islink(os.path.join(above, each)):
                os.chmod(os.path.join(above, each), 0o700)
    shutil.rmtree(place)


def histories(seed: int, count: int) -> Iterator[list[Step]]:
    chance = random.Random(seed)
    for _ in range(count):
        names = chance.choices((*EDITS, *ACTS), k=40)
        yield [(name, chance.randrange(8), chance.randrange(64), chance.randrange(10_000)) for name in names]


def close_and_restore(store: Store, directory: Path) -> None:
    """Restore over directories that their owner has closed, and be refused what he has closed."""
    directory.mkdir()
    empty = store.take(directory)
    (directory / "a" / "b").mkdir(parents=True)
    held = store.take(directory)
    (directory / "a" / "b" / "file").touch(0o000)
    assert type(store.take(directory)).__name__ == "Refused"
    for mode in (0o000, 0o500, 0o300):
        for snapshot in (held, empty):
            (directory / "a" / "b").mkdir(parents=True, exist_ok=True)
            (directory / "a" / "b").chmod(mode)
            (directory / "a").chmod(mode)
            store.restore(directory, getattr(snapshot, "id"))  # noqa: B009
            assert store.take(directory) == snapshot


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    from workhand.sandbox.snapshots.store import Store

    close_and_restore(Store(Path(sys.argv[2], "store")), Path(sys.argv[2], "closed"))
    for number, steps in enumerate(histories(int(sys.argv[3]), int(sys.argv[4]))):
        directory = Path(sys.argv[2], str(number))
        directory.mkdir()
        world = World(Store(directory / "store"), directory, overlay=False)
        world.play(steps)
        world.end()
    sys.stdout.write(f"as {os.geteuid()}\n")


if __name__ == "__main__":
    main()
