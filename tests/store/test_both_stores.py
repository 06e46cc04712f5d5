"""What holds for every store: one suite, run over SQLite and over memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workhand.core.events import Forked, Paused, Resumed, UserSaid
from workhand.core.log import Entry
from workhand.core.ports import BlobStore, Claim, EventStore, SessionRow
from workhand.errors import Conflict, SessionUnknown, StoreError
from workhand.store.memory import MemoryStore
from workhand.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio
Store = MemoryStore | SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    sqlite = SqliteStore(tmp_path / "sessions.db")
    yield sqlite
    await sqlite.aclose()


async def started(store: EventStore, session: str = "a") -> Claim:
    """Make a session of three events."""
    await store.create(session, title="A task", at=1.0)
    claim = await store.claim(session, owner="one")
    await store.append(claim, 0, (UserSaid("zero"), UserSaid("one" * 2_000), Paused()), at=2.0, status="running")
    return claim


async def test_entries_are_read_as_they_were_appended(store: Store) -> None:
    claim = await started(store)
    await store.append(claim, 3, (Resumed(),), at=3.0, status="waiting")
    assert await store.read("a") == (
        Entry(0, 2.0, UserSaid("zero")),
        Entry(1, 2.0, UserSaid("one" * 2_000)),
        Entry(2, 2.0, Paused()),
        Entry(3, 3.0, Resumed()),
    )


async def test_a_listing_shows_the_newest_session_first(store: Store) -> None:
    await started(store)
    await store.create("b", title="B", at=1.0)
    await store.fork("a", 2, "c", title="C", at=0.5)
    assert await store.sessions() == (
        SessionRow("b", "waiting", "B", 1.0, 1.0, 0, 0, None, None, None),
        SessionRow("a", "running", "A task", 1.0, 2.0, 3, 1, "one", None, None),
        SessionRow("c", "waiting", "C", 0.5, 0.5, 2, 0, None, "a", 2),
    )


async def test_a_claim_fences_every_earlier_one(store: Store) -> None:
    first = await started(store)
    second = await store.claim("a", owner="two")
    with pytest.raises(Conflict, match="last claimed by 'two'"):
        await store.append(first, 3, (Resumed(),), at=3.0, status="running")
    with pytest.raises(Conflict):
        await store.take(first, 3, at=3.0, status="running")
    await store.append(second, 3, (Resumed(),), at=3.0, status="running")
    assert len(await store.read("a")) == 4


@pytest.mark.parametrize("after", [-1, 0, 2, 4, 2**70])
async def test_an_append_at_another_position_than_the_head_is_refused(store: Store, after: int) -> None:
    claim = await started(store)
    with pytest.raises(Conflict):
        await store.append(claim, after, (Resumed(),), at=3.0, status="running")
    assert len(await store.read("a")) == 3


async def test_an_append_of_nothing_changes_the_status(store: Store) -> None:
    claim = await started(store)
    await store.append(claim, 3, (), at=4.0, status="ended")
    (row,) = await store.sessions()
    assert (row.status, row.head, row.updated_at) == ("ended", 3, 4.0)


async def test_what_was_posted_is_taken_once_and_in_order(store: Store) -> None:
    claim = await started(store)
    await store.post("a", UserSaid("first"))
    await store.post("a", UserSaid("second"))
    assert await store.peek("a") == (UserSaid("first"), UserSaid("second"))
    assert await store.take(claim, 3, at=5.0, status="running") == (UserSaid("first"), UserSaid("second"))
    assert await store.peek("a") == await store.take(claim, 5, at=6.0, status="running") == ()
    assert (await store.read("a"))[3:] == (Entry(3, 5.0, UserSaid("first")), Entry(4, 5.0, UserSaid("second")))


@pytest.mark.parametrize(
    ("status", "listed"),
    [("waiting", "runnable"), ("ended", "runnable"), ("running", "running"), ("runnable", "runnable")],
)
async def test_a_session_with_something_in_its_inbox_is_runnable(store: Store, status: str, listed: str) -> None:
    claim = await started(store)
    await store.append(claim, 3, (), at=3.0, status=status)
    await store.post("a", Resumed())
    (row,) = await store.sessions()
    assert row.status == listed


async def test_a_fork_has_its_own_future_and_leaves_its_parent_alone(store: Store) -> None:
    parent = await started(store)
    await store.fork("a", 2, "b", title="B", at=3.0)
    fork = await store.claim("b", owner="one")
    await store.append(fork, 2, (Forked("a", 2), UserSaid("else")), at=4.0, status="running")
    await store.append(parent, 3, (UserSaid("on"),), at=4.0, status="running")
    assert [entry.event for entry in await store.read("b")][1:] == [
        UserSaid("one" * 2_000),
        Forked("a", 2),
        UserSaid("else"),
    ]
    assert [entry.event for entry in await store.read("a")][2:] == [Paused(), UserSaid("on")]


async def test_a_fork_of_a_fork_may_reach_back_before_the_first_fork(store: Store) -> None:
    await started(store)
    await store.fork("a", 2, "b", title="B", at=3.0)
    await store.fork("b", 1, "c", title="C", at=3.0)
    await store.fork("c", 0, "d", title="D", at=3.0)
    claim = await store.claim("c", owner="one")
    await store.append(claim, 1, (Resumed(),), at=4.0, status="running")
    assert [entry.event for entry in await store.read("c")] == [UserSaid("zero"), Resumed()]
    assert await store.read("d") == ()


@pytest.mark.parametrize("position", [-1, 4, 2**70])
async def test_a_fork_at_a_position_that_is_not_there_is_refused(store: Store, position: int) -> None:
    await started(store)
    with pytest.raises(StoreError, match="give a position from 0 to 3"):
        await store.fork("a", position, "b", title="B", at=3.0)
    assert len(await store.sessions()) == 1


async def test_a_session_with_forks_cannot_be_deleted(store: Store) -> None:
    await started(store)
    await store.fork("a", 2, "b", title="B", at=3.0)
    with pytest.raises(Conflict, match="while b are forks of it"):
        await store.delete("a")
    await store.delete("b")
    await store.delete("a")
    assert await store.sessions() == ()


async def test_what_was_deleted_does_not_come_back_with_its_id(store: Store) -> None:
    await started(store)
    await store.post("a", Resumed())
    await store.delete("a")
    await store.create("a", title="Again", at=5.0)
    claim = await store.claim("a", owner="one")
    assert await store.take(claim, 0, at=5.0, status="waiting") == ()
    assert await store.read("a") == ()


async def test_an_id_can_be_used_once(store: Store) -> None:
    await started(store)
    await store.create("b", title="B", at=2.0)
    with pytest.raises(Conflict, match="'a' already"):
        await store.create("a", title="A", at=2.0)
    with pytest.raises(Conflict, match="'b' already"):
        await store.fork("a", 1, "b", title="B", at=2.0)
    with pytest.raises(Conflict, match="'b' already"):
        await store.adopt("b", (), title="B", at=2.0, status="ended")
    assert len(await store.read("a")) == 3


async def test_an_adopted_session_keeps_the_times_of_its_entries(store: Store) -> None:
    entries = (Entry(0, 1.5, UserSaid("x")), Entry(1, 2.5, Paused()))
    await store.adopt("a", entries, title="A", at=9.0, status="ended")
    assert await store.read("a") == entries
    assert await store.sessions() == (SessionRow("a", "ended", "A", 9.0, 9.0, 2, 0, None, None, None),)


async def test_a_session_that_is_not_there_is_unknown(store: Store) -> None:
    nowhere = Claim("nowhere", 1)
    with pytest.raises(SessionUnknown):
        await store.read("nowhere")
    with pytest.raises(SessionUnknown):
        await store.claim("nowhere", owner="one")
    with pytest.raises(SessionUnknown):
        await store.append(nowhere, 0, (Paused(),), at=1.0, status="running")
    with pytest.raises(SessionUnknown):
        await store.take(nowhere, 0, at=1.0, status="running")
    with pytest.raises(SessionUnknown):
        await store.post("nowhere", Paused())
    with pytest.raises(SessionUnknown):
        await store.peek("nowhere")
    with pytest.raises(SessionUnknown):
        await store.fork("nowhere", 0, "b", title="B", at=1.0)
    with pytest.raises(SessionUnknown):
        await store.delete("nowhere")


async def test_text_that_is_not_unicode_is_refused_before_anything_is_kept(store: Store) -> None:
    claim = await started(store)
    with pytest.raises(UnicodeEncodeError):
        await store.append(claim, 3, (Paused(), UserSaid("\ud800")), at=3.0, status="running")
    with pytest.raises(UnicodeEncodeError):
        await store.post("a", UserSaid("\ud800"))
    assert await store.take(claim, 3, at=3.0, status="running") == ()


@pytest.mark.parametrize("content", [b"", b"x", b"text " * 1_000, bytes(range(256)) * 1_200])
async def test_a_blob_is_named_by_its_digest_and_kept_once(store: BlobStore, content: bytes) -> None:
    digest = await store.put(content)
    assert await store.put(content) == digest
    assert await store.get(digest) == content


async def test_a_blob_that_was_never_stored_is_missing(store: BlobStore) -> None:
    with pytest.raises(StoreError, match="There is no blob 'abc'"):
        await store.get("abc")
