"""A session as one file: nothing is lost on the way, and nothing is believed."""

from __future__ import annotations

import json
import random
import stat
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.store.golden_v1 import AT, BLOB, EVENTS, SESSION, TITLE, WORKSPACE
from workhand.core.events import FORMAT, Event, Forked, Observation, Paused, SessionEnded, ToolReturned, UserSaid
from workhand.core.log import Entry
from workhand.errors import Conflict, SessionUnknown, StoreError
from workhand.store.archive import export_session, import_session
from workhand.store.memory import MemoryStore
from workhand.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
Store = MemoryStore | SqliteStore
Placed = list[tuple[str, bytes, int]]
Members = dict[str, bytes]

GOLDEN = Path(__file__).parent / "golden" / "v1.whd"
ORIGINAL = b"all of the output\n" * 1_000


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    sqlite = SqliteStore(tmp_path / "sessions.db")
    yield sqlite
    await sqlite.aclose()


async def worked(store: Store) -> str:
    """Make a session "a" of three events, one of which names a blob."""
    await store.create("a", title="A task", at=1.0)
    blob = await store.put(ORIGINAL)
    events: tuple[Event, ...] = (
        UserSaid("é\n" * 2_000),
        ToolReturned("1", Observation("x", "y", blob=blob)),
        Paused(),
    )
    await store.append(await store.claim("a", owner="one"), 0, events, at=2.5, status="waiting")
    return blob


async def archived(tmp_path: Path) -> Members:
    """Give the members of a sound archive."""
    origin = MemoryStore()
    await worked(origin)
    await export_session(origin, "a", tmp_path / "a.whd", workspace=[("notes.md", b"hello", 0o644)])
    return members(tmp_path / "a.whd")


def members(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, contents: Members) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


async def test_a_session_comes_back_with_its_blobs_and_files(store: Store, tmp_path: Path) -> None:
    blob = await worked(store)
    files = [("src/run.sh", b"#!/bin/sh\n", 0o755), ("Screenshot\u202fone.png", bytes(range(256)), 0o644)]
    await export_session(store, "a", tmp_path / "a.whd", workspace=files)
    other = MemoryStore()
    placed: Placed = []
    id = await import_session(other, tmp_path / "a.whd", at=9.0, place=lambda *file: placed.append(file))
    assert id == "a"
    assert await other.read("a") == await store.read("a")
    assert await other.get(blob) == ORIGINAL
    assert placed == sorted(files)
    (row,) = await other.sessions()
    assert (row.title, row.status, row.created_at) == ("A task", "waiting", 9.0)


async def test_a_fork_is_archived_without_its_parent(store: Store, tmp_path: Path) -> None:
    await worked(store)
    await store.fork("a", 2, "b", title="B", at=3.0)
    claim = await store.claim("b", owner="one")
    await store.append(claim, 2, (Forked("a", 2), SessionEnded("answered")), at=4.0, status="ended")
    await export_session(store, "b", tmp_path / "b.whd")
    other = MemoryStore()
    await import_session(other, tmp_path / "b.whd", at=9.0)
    assert await other.read("b") == await store.read("b")
    (row,) = await other.sessions()
    assert (row.parent, row.status) == (None, "ended")


async def test_a_session_whose_id_is_taken_needs_another(store: Store, tmp_path: Path) -> None:
    await worked(store)
    await export_session(store, "a", tmp_path / "a.whd")
    with pytest.raises(Conflict, match="give another id"):
        await import_session(store, tmp_path / "a.whd", at=9.0)
    assert await import_session(store, tmp_path / "a.whd", at=9.0, session="b") == "b"
    assert await store.read("b") == await store.read("a")


async def test_the_same_session_gives_the_same_file(store: Store, tmp_path: Path) -> None:
    await worked(store)
    files = [("b", b"2", 0o644), ("a", b"1", 0o644)]
    await export_session(store, "a", tmp_path / "one.whd", workspace=files)
    await export_session(store, "a", tmp_path / "two.whd", workspace=reversed(files))
    assert (tmp_path / "one.whd").read_bytes() == (tmp_path / "two.whd").read_bytes()


async def test_a_failed_export_leaves_what_was_there(tmp_path: Path) -> None:
    store = MemoryStore()
    await worked(store)
    target = tmp_path / "a.whd"
    target.write_bytes(b"precious")
    with pytest.raises(StoreError, match="rename it"):
        await export_session(store, "a", target, workspace=[("../a", b"", 0o644)])
    with pytest.raises(SessionUnknown):
        await export_session(store, "b", target)
    with pytest.raises(StoreError, match="cannot be written"):
        await export_session(store, "a", tmp_path / "nowhere" / "a.whd")
    await store.append(
        await store.claim("a", owner="one"),
        3,
        (ToolReturned("2", Observation("", "", blob="0" * 64)),),
        at=3.0,
        status="waiting",
    )
    with pytest.raises(StoreError, match="There is no blob"):
        await export_session(store, "a", target)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.whd", b"precious")]


def without(name: str) -> Callable[[Members], Members]:
    return lambda sound: {each: content for each, content in sound.items() if not each.startswith(name)}


def having(name: str, content: bytes) -> Callable[[Members], Members]:
    return lambda sound: {**sound, name: content}


def header(**changes: object) -> bytes:
    return json.dumps({"archive": 1, "format": FORMAT, "session": "a", "title": "A", **changes}).encode()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without("format.json"), "no 'format.json'"),
        (without("events.jsonl"), "no 'events.jsonl'"),
        (without("blobs/"), "name 1 blobs that it does not have"),
        (having("format.json", b"{"), "not JSON"),
        (having("format.json", b"[]"), "does not say what it is"),
        (having("format.json", header(session="")), "does not say what it is"),
        (having("format.json", header(title=None)), "does not say what it is"),
        (having("format.json", header(archive=2)), "upgrade workhand"),
        (having("format.json", header(format=FORMAT + 1)), "upgrade workhand"),
        (having("events.jsonl", b'{"at":1,"event":{"kind":"Paused"},"position":0}'), "is cut"),
        (having("events.jsonl", b'{"at":1,"event":{"kind":"Paused"},"position":1}\n'), "Event 0"),
        (having("events.jsonl", b'{"at":1,"event":{"kind":"Levitated"},"position":0}\n'), "unknown kind"),
        (having("blobs/" + "0" * 64, b"x"), "another digest"),
        (having("blobs/short", b"x"), "no place in an archive"),
        (having("readme.txt", b"x"), "no place in an archive"),
        (having("/etc/passwd", b"x"), "no place in an archive"),
        (having("../up", b"x"), "no place in an archive"),
        (having("workspace/../../up", b"x"), "no place in an archive"),
        (having("workspace//etc/passwd", b"x"), "no place in an archive"),
        (having("workspace/./a", b"x"), "no place in an archive"),
        (having("workspace/a/", b""), "no place in an archive"),
        (having("workspace/", b""), "no place in an archive"),
    ],
)
async def test_what_is_not_sound_is_refused_and_leaves_nothing(
    store: Store, tmp_path: Path, change: Callable[[Members], Members], complaint: str
) -> None:
    path = tmp_path / "bad.whd"
    pack(path, change(await archived(tmp_path)))
    placed: Placed = []
    with pytest.raises(StoreError, match=complaint):
        await import_session(store, path, at=9.0, place=lambda *file: placed.append(file))
    assert await store.sessions() == ()
    assert placed == []


async def test_what_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    contents = await archived(tmp_path)
    link = zipfile.ZipInfo("workspace/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    rare = zipfile.ZipInfo("workspace/rare")
    rare.compress_type = zipfile.ZIP_BZIP2
    for number, member in enumerate((link, rare)):
        path = tmp_path / f"{number}.whd"
        pack(path, contents)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, "/etc/passwd")
        with pytest.raises(StoreError, match=member.filename):
            await import_session(MemoryStore(), path, at=9.0)


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "a.whd", await archived(tmp_path))
    with zipfile.ZipFile(tmp_path / "a.whd", "a") as archive:
        archive.writestr("events.jsonl", b"")
    with pytest.raises(StoreError, match="differ in name"):
        await import_session(MemoryStore(), tmp_path / "a.whd", at=9.0)


@pytest.mark.parametrize("content", [b"", b"Dear diary", b"PK\x03\x04" + bytes(100)])
async def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.whd").write_bytes(content)
    with pytest.raises(StoreError, match="get another copy"):
        await import_session(MemoryStore(), tmp_path / "a.whd", at=9.0)
    with pytest.raises(StoreError, match="cannot be read"):
        await import_session(MemoryStore(), tmp_path / "nowhere.whd", at=9.0)


async def test_a_damaged_archive_is_refused_or_gives_the_same_session(tmp_path: Path) -> None:
    await archived(tmp_path)
    sound = (tmp_path / "a.whd").read_bytes()
    origin = MemoryStore()
    await import_session(origin, tmp_path / "a.whd", at=9.0, session="a")
    entries = await origin.read("a")
    for seed in range(300):
        chance = random.Random(seed)
        damaged = bytearray(sound)
        for _ in range(chance.choice([1, 4, 16])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (tmp_path / "a.whd").write_bytes(damaged[: chance.choice([len(sound), chance.randrange(len(sound))])])
        assert await _imported(tmp_path / "a.whd") in (entries, None), seed


async def _imported(path: Path) -> tuple[Entry, ...] | None:
    store = MemoryStore()
    try:
        await import_session(store, path, at=9.0, session="a")
    except StoreError:
        return None
    return await store.read("a")


async def test_an_archive_of_version_1_is_read_for_ever(store: Store) -> None:
    placed: Placed = []
    assert await import_session(store, GOLDEN, at=9.0, place=lambda *file: placed.append(file)) == SESSION
    assert await store.read(SESSION) == tuple(
        Entry(position, AT + position, event) for position, event in enumerate(EVENTS)
    )
    assert await store.get(EVENTS_BLOB) == BLOB
    assert placed == list(WORKSPACE)
    assert [row.title for row in await store.sessions()] == [TITLE]


async def test_an_archive_of_version_1_is_written_as_it_was(store: Store, tmp_path: Path) -> None:
    placed: Placed = []
    await import_session(store, GOLDEN, at=9.0, place=lambda *file: placed.append(file))
    await export_session(store, SESSION, tmp_path / "again.whd", workspace=placed)
    with zipfile.ZipFile(GOLDEN) as golden, zipfile.ZipFile(tmp_path / "again.whd") as again:
        assert [_described(member) for member in again.infolist()] == [
            _described(member) for member in golden.infolist()
        ]
    assert members(tmp_path / "again.whd") == members(GOLDEN)


def _described(member: zipfile.ZipInfo) -> tuple[object, ...]:
    return member.filename, member.date_time, member.external_attr, member.create_system, member.compress_type


EVENTS_BLOB = next(
    event.observation.blob for event in EVENTS if isinstance(event, ToolReturned) and event.observation.blob
)
