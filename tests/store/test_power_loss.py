"""Pull the plug at any moment: what was acknowledged is there afterwards.

SQLite writes through a file system of ours that remembers which writes were
flushed.  At a random write or flush it draws what a disk could hold if power
failed just then: everything flushed, and of the rest any part, in any order,
torn anywhere.  Opening that must give every acknowledged event.

Such a file system has no shared memory, so SQLite is told to keep the file to
one connection, which suffices for what writes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import apsw
import pytest

from workhand.core.events import Observation, ToolReturned, UserSaid
from workhand.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

SESSIONS = 3
APPENDS = 6
OPERATIONS = 190  # of a run like the one below there are a few more


@dataclass
class Platter:
    """What one file holds for certain, and what was written to it since."""

    flushed: bytearray = field(default_factory=bytearray)
    unflushed: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut there

    def flush(self) -> None:
        for offset, content in self.unflushed:
            apply(self.flushed, offset, content)
        self.unflushed.clear()


@dataclass
class Disk:
    chance: random.Random
    fails_at: int  # the operation before which power fails
    beneath: str = field(default_factory=lambda: apsw.vfs_names()[0])  # the files that SQLite uses otherwise
    platters: dict[str, Platter] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    operations: int = 0
    left: dict[str, bytes] | None = None  # the files after the power loss
    promised: dict[str, int] | None = None  # what was acknowledged before it

    def turn(self) -> None:
        if self.operations == self.fails_at:
            self.promised = dict(self.acknowledged)
            self.left = {name: self.draw(platter) for name, platter in self.platters.items()}
        self.operations += 1

    def draw(self, platter: Platter) -> bytes:
        image = bytearray(platter.flushed)
        survivors = [write for write in platter.unflushed if self.chance.random() < 0.5]
        self.chance.shuffle(survivors)
        for offset, content in survivors:
            torn = content and content[: self.chance.choice([len(content), self.chance.randrange(len(content))])]
            apply(image, offset, torn)
        return bytes(image)


class LossyFile(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename, flags: list[int], disk: Disk) -> None:
        super().__init__(disk.beneath, name, flags)
        path = name if isinstance(name, str) else name.filename()
        self.disk = disk
        self.platter = disk.platters.setdefault(Path(path).name, Platter())

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.turn()
        self.platter.unflushed.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self.disk.turn()
        self.platter.unflushed.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self.disk.turn()
        self.platter.flush()


class LossyFiles(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("lossy", disk.beneath, makedefault=True)
        self.disk = disk

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        assert name is not None
        return LossyFile(name, flags, self.disk)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.disk.turn()
        del self.disk.platters[Path(filename).name]
        super().xDelete(filename, syncdir)


def apply(image: bytearray, offset: int, content: bytes | None) -> None:
    if content is None:
        del image[offset:]
        return
    image.extend(bytes(max(0, offset - len(image))))
    image[offset : offset + len(content)] = content


@contextmanager
def running_on(disk: Disk) -> Iterator[None]:
    files = LossyFiles(disk)
    alone = lambda connection: connection.pragma("locking_mode", "exclusive")  # noqa: E731
    apsw.connection_hooks.append(alone)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(alone)
        files.unregister()


async def run(store: SqliteStore, session: str, disk: Disk) -> None:
    await store.create(session, title="", at=0.0)
    claim = await store.claim(session, owner="one")
    disk.acknowledged[session] = 0
    for position in range(0, 2 * APPENDS, 2):
        text = f"{session} {position} " * disk.chance.randrange(1, 400)
        blob = await store.put(text.encode())
        events = (UserSaid(text), ToolReturned(text, Observation("", "", blob=blob)))
        await store.append(claim, position, events, at=0.0, status="running")
        disk.acknowledged[session] = position + 2


@pytest.mark.parametrize("seed", range(30))
async def test_no_acknowledged_event_is_lost_with_the_power(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    disk = Disk(chance, fails_at=chance.randrange(OPERATIONS))
    with running_on(disk):
        (tmp_path / "before").mkdir()
        store = SqliteStore(tmp_path / "before" / "sessions.db")
        async with anyio.create_task_group() as group:
            for number in range(SESSIONS):
                group.start_soon(run, store, f"s{number}", disk)
        await store.aclose()
    assert disk.left is not None and disk.promised is not None

    (tmp_path / "after").mkdir()
    for name, content in disk.left.items():
        (tmp_path / "after" / name).write_bytes(content)
    store = SqliteStore(tmp_path / "after" / "sessions.db")
    heads = {row.id: row.head for row in await store.sessions()}
    for session, head in disk.promised.items():
        entries = await store.read(session)
        assert len(entries) == heads[session] >= head
        for entry in entries[1::2]:
            assert isinstance(entry.event, ToolReturned) and entry.event.observation.blob is not None
            assert await store.get(entry.event.observation.blob) == entry.event.call_id.encode()
    assert await store.check() == ()
    await store.aclose()
