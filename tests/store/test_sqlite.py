"""What only the SQLite store has to answer for: groups, other processes, kills and damage."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event as Flag

import anyio
import apsw
import pytest

from workhand.core.events import Observation, Paused, ToolReturned, UserSaid
from workhand.core.log import Entry
from workhand.core.ports import Claim
from workhand.errors import Conflict, SessionUnknown, StoreError
from workhand.store import checkpoints
from workhand.store.chain import FORKS_DEEP_MAX
from workhand.store.sqlite import SqliteStore
from workhand.store.writer import Writer

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO session VALUES (NULL, ?, '', '', 0, 0, 0, x'', 0, NULL, NULL, NULL)"

APPENDER = """
import asyncio, os, sys
from pathlib import Path
from workhand.core.events import UserSaid
from workhand.store.sqlite import SqliteStore

async def appends(store, session, count):
    claim = await store.claim(session, owner="child")
    for position in range(count):
        await store.append(claim, position, (UserSaid(f"{session} {position}"),), at=1.0, status="running")
        os.write(1, f"{session} {position}\\n".encode())

async def main(path, prefix, count):
    store = SqliteStore(Path(path))
    for number in range(4):
        await store.create(f"{prefix}{number}", title="", at=0.0)
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(appends(store, f"{prefix}{number}", int(count)))
    await store.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def watched(watch: Callable[[apsw.Connection], None]) -> Iterator[None]:
    """Show every connection that is opened meanwhile to ``watch``."""
    apsw.connection_hooks.append(watch)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(watch)


@contextmanager
def counted_commits() -> Iterator[list[None]]:
    """Count the commits of every connection that is opened meanwhile."""
    commits: list[None] = []

    def committed() -> bool:
        commits.append(None)
        return False  # or it would be rolled back

    with watched(lambda connection: connection.set_commit_hook(committed)):
        yield commits


async def filled(path: Path) -> tuple[Entry, ...]:
    """Make a closed database of some two hundred pages, and give the entries of its session "a"."""
    store = SqliteStore(path)
    await store.create("a", title="A", at=1.0)
    claim = await store.claim("a", owner="one")
    noise = random.Random(1)
    events = tuple(UserSaid(f"{position} {noise.randbytes(1_500).hex()}") for position in range(200))
    await store.append(claim, 0, events, at=2.0, status="waiting")
    entries = await store.read("a")
    await store.aclose()
    return entries


async def test_a_hundred_appends_at_once_share_their_commits(tmp_path: Path) -> None:
    with counted_commits() as commits:
        store = SqliteStore(tmp_path / "sessions.db")
        claims = []
        for number in range(100):
            await store.create(f"s{number}", title="", at=0.0)
            claims.append(await store.claim(f"s{number}", owner="one"))
        commits.clear()

        async def append(claim: Claim) -> None:
            for position in range(5):
                await store.append(claim, position, (UserSaid(claim.session),), at=1.0, status="running")

        async with anyio.create_task_group() as group:
            for claim in claims:
                group.start_soon(append, claim)
        count = len(commits)
        logs = [await store.read(claim.session) for claim in claims]
        await store.aclose()
    assert [[entry.event for entry in log] for log in logs] == [[UserSaid(claim.session)] * 5 for claim in claims]
    assert 5 <= count < 250


async def test_what_fails_in_a_group_concerns_nobody_else_in_it(tmp_path: Path) -> None:
    begun, go = Flag(), Flag()

    def first(db: apsw.Connection) -> None:
        db.execute(INSERT, ("first",))
        begun.set()
        go.wait(10)

    def conflicted(db: apsw.Connection) -> None:
        db.execute(INSERT, ("lost",))
        raise Conflict("another was first")

    def refused(db: apsw.Connection) -> None:
        db.execute(INSERT, ("lost",))
        db.execute(INSERT, ("lost",))

    with counted_commits() as commits:
        writer = Writer(tmp_path / "sessions.db")
        commits.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(writer.run(first))
            await anyio.to_thread.run_sync(begun.wait)  # the rest gathers behind it
            group.create_task(writer.run(lambda db: db.execute(INSERT, ("a",))))
            lost = [group.create_task(_outcome(writer, operation)) for operation in (conflicted, refused)]
            group.create_task(writer.run(lambda db: db.execute(INSERT, ("b",))))
            await asyncio.sleep(0)
            go.set()
        count = len(commits)
        ids = await writer.run(lambda db: {id for (id,) in db.execute("SELECT id FROM session")})
        await anyio.to_thread.run_sync(writer.close)
    assert ids == {"first", "a", "b"}
    assert isinstance(lost[0].result(), Conflict)
    assert "UNIQUE" in str(lost[1].result())
    assert count == 2


async def _outcome(writer: Writer, operation: object) -> StoreError | None:
    try:
        await writer.run(operation)  # type: ignore[arg-type]  # any operation will do
    except StoreError as error:
        return error
    return None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_nobody_waits_for_ever_when_the_writer_has_a_fault(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "sessions.db")
    with pytest.raises(StoreError, match="is closed"):
        await writer.run(lambda db: int("x"))
    with pytest.raises(StoreError, match="is closed"):
        await writer.run(lambda db: None)
    await anyio.to_thread.run_sync(writer.close)


async def test_a_closed_store_says_so_and_can_be_closed_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreError, match="is closed"):
        await store.create("a", title="A", at=0.0)


async def test_a_cancelled_append_leaves_the_store_usable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    await store.create("a", title="A", at=0.0)
    claim = await store.claim("a", owner="one")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.append(claim, 0, (Paused(),), at=0.0, status="running")
    again = await store.claim("a", owner="one")
    head = len(await store.read("a"))
    await store.append(again, head, (UserSaid("on"),), at=0.0, status="running")
    assert (await store.read("a"))[-1].event == UserSaid("on")
    await store.aclose()


async def test_text_that_is_not_unicode_fails_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    with pytest.raises(StoreError, match="not Unicode"):
        await store.create("a", title="\ud800", at=0.0)
    await store.create("a", title="A", at=0.0)
    await store.aclose()


async def test_forks_have_a_greatest_depth(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    await store.create("s0", title="", at=0.0)
    await store.append(await store.claim("s0", owner="one"), 0, (Paused(),), at=0.0, status="running")
    for depth in range(FORKS_DEEP_MAX):
        await store.fork(f"s{depth}", 1, f"s{depth + 1}", title="", at=0.0)
    with pytest.raises(StoreError, match="export and import it"):
        await store.fork(f"s{FORKS_DEEP_MAX}", 1, "more", title="", at=0.0)
    assert len(await store.read(f"s{FORKS_DEEP_MAX}")) == 1
    await store.aclose()


async def test_a_large_blob_is_a_file_and_goes_with_its_last_session(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    folder = tmp_path / "sessions.db.blobs"
    large = random.Random(1).randbytes(8_100_000)
    digests = [await store.put(large), await store.put(large), await store.put(b"small")]
    assert [file.name for file in folder.iterdir()] == [digests[0]]
    assert await store.get(digests[0]) == large
    for session in "ab":
        await store.create(session, title="", at=0.0)
        returned = tuple(ToolReturned("1", Observation("", "", blob=digest)) for digest in digests)
        await store.append(await store.claim(session, owner="one"), 0, returned, at=0.0, status="ended")
    await store.delete("a")
    assert [await store.sweep(at=at, grace_s=10.0) for at in (0.0, 100.0)] == [0, 0]
    await store.delete("b")
    assert [await store.sweep(at=at, grace_s=10.0) for at in (200.0, 205.0, 211.0)] == [0, 0, 2]
    assert list(folder.iterdir()) == []
    await store.aclose()


async def test_storing_a_blob_again_saves_it_from_the_sweep(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    digest = await store.put(b"small")
    await store.sweep(at=0.0, grace_s=0.0)
    await store.put(b"small")
    assert await store.sweep(at=1.0, grace_s=0.0) == 0
    assert await store.get(digest) == b"small"
    assert await store.sweep(at=2.0, grace_s=0.0) == 1
    await store.aclose()


async def test_the_write_ahead_log_is_moved_into_the_database_meanwhile(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    content = random.Random(1).randbytes(4_000_000)
    before = (tmp_path / "sessions.db").stat().st_size
    for number in range(2 * checkpoints.PASSIVE_PAGES * 4_096 // len(content)):
        await store.put(content + bytes([number]))
    with anyio.fail_after(10):
        while (tmp_path / "sessions.db").stat().st_size == before:  # noqa: ASYNC110  # another thread's work
            await anyio.sleep(0.01)
    await store.aclose()


async def test_two_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    children = [_child(path, prefix, 25) for prefix in ("a", "b")]  # both also make the file
    assert [child.communicate(timeout=60)[0].count(b"\n") for child in children] == [100, 100]
    store = SqliteStore(path)
    logs = {row.id: await store.read(row.id) for row in await store.sessions()}
    assert await store.check() == ()
    await store.aclose()
    assert {id: [entry.event for entry in log] for id, log in logs.items()} == {
        f"{prefix}{number}": [UserSaid(f"{prefix}{number} {position}") for position in range(25)]
        for prefix in "ab"
        for number in range(4)
    }


@pytest.mark.parametrize("pragma", ["application_id", "user_version"])
async def test_a_file_that_another_process_makes_meanwhile_is_no_foreign_one(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / "sessions.db"
    await filled(tmp_path / "made.db")
    intrusions: list[bool] = []  # whether each could be made, or was told to wait

    def intrude(cursor: apsw.Cursor, statement: str, _: object) -> bool:
        if pragma in statement and not intrusions:
            intrusions.append(False)
            with suppress(apsw.BusyError):
                copy(tmp_path / "made.db", path)
                intrusions[0] = True
        return True

    def watch(connection: apsw.Connection) -> None:
        connection.exec_trace = intrude

    with watched(watch):
        store = SqliteStore(path)
    await store.create("b", title="B", at=0.0)
    await store.aclose()
    assert intrusions == [False]


def copy(source: Path, target: Path) -> None:
    """Make a database at once, as another process would, without waiting for anybody."""
    from_, to = apsw.Connection(str(source)), apsw.Connection(str(target))
    try:
        with to.backup("main", from_, "main") as backup:
            backup.step()
    finally:
        to.close()
        from_.close()


async def test_a_claim_by_another_process_fences_this_one(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    here, there = SqliteStore(path), SqliteStore(path)
    await here.create("a", title="A", at=0.0)
    stale = await here.claim("a", owner="here")
    claim = await there.claim("a", owner="there")
    with pytest.raises(Conflict, match="'there'"):
        await here.append(stale, 0, (Paused(),), at=0.0, status="running")
    await there.append(claim, 0, (Paused(),), at=0.0, status="running")
    assert len(await here.read("a")) == 1
    await here.aclose()
    await there.aclose()


@pytest.mark.parametrize("acknowledged", [1, 40, 150])
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "sessions.db"
    child = _child(path, "s", 100_000)
    assert child.stdout is not None
    acks = [child.stdout.readline() for _ in range(acknowledged)]
    child.kill()
    acks += child.stdout.readlines()
    child.wait(10)
    child.stdout.close()
    store = SqliteStore(path)
    logs = {row.id: await store.read(row.id) for row in await store.sessions()}
    assert await store.check() == ()
    await store.aclose()
    for ack in acks:
        if ack.endswith(b"\n"):  # the kill may have cut the last one
            session, position = ack.decode().split()
            assert logs[session][int(position)].event == UserSaid(f"{session} {position}")


def _child(path: Path, prefix: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", APPENDER, str(path), prefix, str(count)], stdout=subprocess.PIPE)


async def test_flipped_bytes_are_found_and_never_read(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    entries = await filled(path)
    sound = path.read_bytes()
    for seed in range(60):
        chance = random.Random(seed)
        damaged = bytearray(sound)
        for _ in range(chance.choice([1, 4, 64])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        assert await _read(path) in (entries, None), seed


async def test_a_damaged_page_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    await filled(path)
    content = path.read_bytes()
    path.write_bytes(content[:40_960] + bytes(40_960) + content[81_920:])
    store = SqliteStore(path)
    assert await store.check() != ()
    await store.aclose()


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9, 0.9999])
async def test_a_file_that_was_cut_is_found(tmp_path: Path, part: float) -> None:
    path = tmp_path / "sessions.db"
    await filled(path)
    os.truncate(path, int(path.stat().st_size * part))
    assert await _read(path) is None


async def _read(path: Path) -> tuple[Entry, ...] | None:
    """Give the entries of session "a", or nothing if the store says that it cannot."""
    try:
        store = SqliteStore(path)
    except StoreError:
        return None
    try:
        return await store.read("a")
    except StoreError:
        return None
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DELETE FROM event WHERE position = 5", "damaged at position 5"),
        ("DELETE FROM event WHERE position = 199", "damaged at position 199"),
        ("UPDATE event SET at = 3.0 WHERE position = 7", "damaged at position 7"),
        ("UPDATE event SET body = CAST('{\"kind\":\"Paused\"}' AS BLOB), codec = 'raw' WHERE position = 7", "7"),
        ("UPDATE event SET codec = 'lzma' WHERE position = 7", "unknown codec 'lzma'"),
        ("UPDATE event SET body = x'00' WHERE position = 7", "cannot be decompressed"),
        ("UPDATE session SET head = 201", "damaged at position 200"),
        ("UPDATE session SET parent = id, parent_head = 5", "damaged at position 5"),
    ],
)
async def test_a_log_that_was_changed_is_refused_and_reported(tmp_path: Path, statement: str, complaint: str) -> None:
    path = tmp_path / "sessions.db"
    await filled(path)
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()
    store = SqliteStore(path)
    with pytest.raises(StoreError, match=complaint):
        await store.read("a")
    (problem,) = await store.check()
    assert complaint in problem
    await store.aclose()


async def test_a_blob_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = SqliteStore(path)
    digest = await store.put(b"small")
    large = await store.put(random.Random(1).randbytes(8_100_000))
    (tmp_path / "sessions.db.blobs" / large).write_bytes(b"")
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE blob SET content = x'00' WHERE digest = ?", (digest,))
    connection.close()
    for name in (digest, large):
        with pytest.raises(StoreError, match="is damaged"):
            await store.get(name)
    (tmp_path / "sessions.db.blobs" / large).unlink()
    with pytest.raises(StoreError, match="cannot be used"):
        await store.get(large)
    await store.aclose()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("PRAGMA application_id = 1", "not a workhand database"),
        ("PRAGMA user_version = 99", "a newer version made it"),
        ("DROP TABLE session", "cannot be used"),
    ],
)
async def test_a_database_that_is_not_ours_is_refused(tmp_path: Path, statement: str, complaint: str) -> None:
    path = tmp_path / "sessions.db"
    await filled(path)
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()
    with pytest.raises(StoreError, match=complaint):
        await SqliteStore(path).read("a")


async def test_another_programs_database_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a workhand database"):
        SqliteStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"Dear diary, " * 500, b"x", bytes(5_000)])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sessions.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not a workhand database"):
        SqliteStore(path)
    assert path.read_bytes() == content


async def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteStore(tmp_path / "nowhere" / "sessions.db")
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteStore(tmp_path)


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "sessions.db")
    with pytest.raises(SessionUnknown):
        await store.read("a")
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
    await store.aclose()
