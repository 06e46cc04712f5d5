"""Sessions and blobs in one SQLite file.

What changes goes through the one writer thread (``writer``), which commits in
groups; what only reads goes to other connections, in threads.  Appending is
compare-and-swap on the claim's epoch and the session's head, decided inside
the transaction, so it holds between processes as well.

``put`` is durable when it returns, and so is everything else that returns.
``status`` is stored as it was given, but a session that waits or has ended and
has something in its inbox is listed as runnable: that is what it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, to_thread

from workhand.core.events import Event
from workhand.core.log import Entry
from workhand.core.ports import Claim, SessionRow
from workhand.errors import Conflict, SessionUnknown, StoreError
from workhand.store import blobs, chain
from workhand.store.codec import decode, encode
from workhand.store.database import Readers, reporting
from workhand.store.writer import Writer

if TYPE_CHECKING:
    from apsw import Connection

_DIRECT_BYTES_MAX = 256_000
"""Content up to this size is hashed and packed on the event loop: a thread would cost more."""

_LISTING = """
SELECT id, CASE WHEN status IN ('waiting', 'ended') AND EXISTS (SELECT 1 FROM inbox WHERE inbox.session = session.id)
    THEN 'runnable' ELSE status END, title, created_at, updated_at, head, epoch, owner, parent, parent_head
FROM session ORDER BY created_at DESC, number DESC
"""


class SqliteStore:
    """An ``EventStore`` and a ``BlobStore`` in the file at ``path``; several processes may share it."""

    def __init__(self, path: Path) -> None:
        """Open the store, making the file if there is none.  Raises ``StoreError`` if it cannot be used."""
        self.path = path
        self._folder = path.with_name(path.name + ".blobs")
        self._readers = Readers(path)
        self._writer = Writer(path)

    async def aclose(self) -> None:
        """Finish what is being written, and close the file."""
        self._readers.close()  # first: the last connection to close empties the write-ahead log, and must be able to
        with CancelScope(shield=True):
            await to_thread.run_sync(self._writer.close)

    async def create(self, session: str, *, title: str, at: float) -> None:
        await self._writer.run(partial(_create, session=session, title=title, at=at))

    async def claim(self, session: str, *, owner: str) -> Claim:
        return await self._writer.run(partial(_claim, session=session, owner=owner))

    async def read(self, session: str) -> tuple[Entry, ...]:
        return await self._readers.run(partial(chain.read, session=session))

    async def append(
        self,
        claim: Claim,
        after: int,
        events: tuple[Event, ...],
        *,
        at: float,
        status: str,
        originals: tuple[bytes, ...] = (),
    ) -> bool:
        bodies = tuple(map(encode, events))
        packed = [await self._packed(original) for original in originals]

        def write(db: Connection) -> bool:
            waiting = _append(db, claim, after, bodies, at, status)
            for blob in packed:
                blobs.write(db, blob, self._folder)
            return waiting

        return await self._writer.run(write)

    async def post(self, session: str, event: Event) -> None:
        await self._writer.run(partial(_post, session=session, body=encode(event)))

    async def peek(self, session: str) -> tuple[Event, ...]:
        return await self._readers.run(partial(_inbox, session=session))

    async def take(self, claim: Claim, after: int, *, at: float, status: str) -> tuple[Event, ...]:
        return await self._writer.run(partial(_take, claim=claim, after=after, at=at, status=status))

    async def fork(self, parent: str, position: int, session: str, *, title: str, at: float) -> None:
        await self._writer.run(partial(_fork, parent=parent, position=position, session=session, title=title, at=at))

    async def adopt(self, session: str, entries: tuple[Entry, ...], *, title: str, at: float, status: str) -> None:
        """Make a session with all its entries at once, or raise ``Conflict`` if the id is taken."""
        bodies = tuple((entry.at, encode(entry.event)) for entry in entries)
        await self._writer.run(partial(_adopt, session=session, bodies=bodies, title=title, at=at, status=status))

    async def sessions(self) -> tuple[SessionRow, ...]:
        return await self._readers.run(_sessions)

    async def delete(self, session: str) -> None:
        await self._writer.run(partial(_delete, session=session))

    async def put(self, content: bytes) -> str:
        blob = await self._packed(content)
        return await self._writer.run(partial(blobs.write, blob=blob, folder=self._folder))

    async def get(self, digest: str) -> bytes:
        return await self._readers.run(partial(blobs.read, digest=digest, folder=self._folder))

    async def sweep(self, *, at: float, grace_s: float) -> int:
        """Delete the blobs that no event names and none named ``grace_s`` ago; give how many.

        A blob goes at the second sweep that finds it unnamed, at the earliest.
        """
        orphans = await self._readers.run(blobs.unnamed)
        gone = await self._writer.run(partial(blobs.drop, orphans=orphans, at=at, grace_s=grace_s))
        await self._writer.run(partial(blobs.remove_files, folder=self._folder, at=at, grace_s=grace_s))
        return gone

    async def check(self) -> tuple[str, ...]:
        """Look at every page and at every session's chain; give what is wrong, a sentence each."""
        try:
            return await self._readers.run(_check)
        except StoreError as error:
            return (str(error),)

    async def _packed(self, content: bytes) -> blobs.Blob:
        if len(content) <= _DIRECT_BYTES_MAX:
            return self._pack(content)
        return await to_thread.run_sync(self._pack, content)

    def _pack(self, content: bytes) -> blobs.Blob:
        with reporting(self.path):
            return blobs.prepare(content, self._folder)


def _create(
    db: Connection,
    session: str,
    title: str,
    at: float,
    *,
    parent: tuple[str, int] | tuple[None, None] = (None, None),
    hash: bytes = chain.ROOT,
) -> None:
    if db.execute("SELECT 1 FROM session WHERE id = ?", (session,)).fetchone():
        raise Conflict(f"There is a session {session!r} already; give another id.")
    db.execute(
        "INSERT INTO session (id, title, status, created_at, updated_at, head, hash, epoch, parent, parent_head) "
        "VALUES (?, ?, 'waiting', ?, ?, ?, ?, 0, ?, ?)",
        (session, title, at, at, parent[1] or 0, hash, *parent),
    )


def _claim(db: Connection, session: str, owner: str) -> Claim:
    statement = "UPDATE session SET epoch = epoch + 1, owner = ? WHERE id = ? RETURNING epoch"
    row = db.execute(statement, (owner, session)).fetchone()
    if row is None:
        raise SessionUnknown(session)
    return Claim(session, row[0])


def _append(db: Connection, claim: Claim, after: int, bodies: tuple[bytes, ...], at: float, status: str) -> bool:
    previous, _ = _swap(db, claim, after)
    _extend(db, claim.session, after, previous, tuple((at, body) for body in bodies), at=at, status=status)
    return db.execute("SELECT 1 FROM inbox WHERE session = ? LIMIT 1", (claim.session,)).fetchone() is not None


def _post(db: Connection, session: str, body: bytes) -> None:
    _head(db, session)
    db.execute("INSERT INTO inbox (session, body) VALUES (?, ?)", (session, body))


def _inbox(db: Connection, session: str) -> tuple[Event, ...]:
    head = _head(db, session)
    rows: Any = db.execute("SELECT body FROM inbox WHERE session = ? ORDER BY number", (session,))
    return tuple(decode(body, session, head + index) for index, (body,) in enumerate(rows))


def _take(db: Connection, claim: Claim, after: int, at: float, status: str) -> tuple[Event, ...]:
    previous, unchanged = _swap(db, claim, after)
    posted = _inbox(db, claim.session)
    if posted or status != unchanged:  # most often there is nothing, and then there is no need for a commit
        db.execute("DELETE FROM inbox WHERE session = ?", (claim.session,))
        bodies = tuple((at, encode(event)) for event in posted)
        _extend(db, claim.session, after, previous, bodies, at=at, status=status)
    return posted


def _fork(db: Connection, parent: str, position: int, session: str, title: str, at: float) -> None:
    head = _head(db, parent)
    if not 0 <= position <= head:
        raise StoreError(f"Session {parent!r} cannot be forked at {position}; give a position from 0 to {head}.")
    if chain.ancestors(db, parent) >= chain.FORKS_DEEP_MAX:
        raise StoreError(
            f"Session {parent!r} is a fork of a fork, {chain.FORKS_DEEP_MAX} times; export and import it to fork it."
        )
    hash = chain.hash_before(db, parent, position)
    _create(db, session, title, at, parent=(parent, position), hash=hash)


def _adopt(
    db: Connection, session: str, bodies: tuple[tuple[float, bytes], ...], title: str, at: float, status: str
) -> None:
    _create(db, session, title, at)
    _extend(db, session, 0, chain.ROOT, bodies, at=at, status=status)


def _sessions(db: Connection) -> tuple[SessionRow, ...]:
    return tuple(SessionRow(*row) for row in db.execute(_LISTING))


def _delete(db: Connection, session: str) -> None:
    _head(db, session)
    forks = [id for (id,) in db.execute("SELECT id FROM session WHERE parent = ?", (session,))]
    if forks:
        raise Conflict(
            f"Session {session!r} cannot be deleted while {', '.join(forks)} are forks of it; delete those first."
        )
    db.execute("DELETE FROM event WHERE session = ?", (session,))
    db.execute("DELETE FROM inbox WHERE session = ?", (session,))
    db.execute("DELETE FROM session WHERE id = ?", (session,))


def _check(db: Connection) -> tuple[str, ...]:
    problems = [str(row[0]) for row in db.execute("PRAGMA quick_check(20)") if row[0] != "ok"]
    sessions: Any = db.execute("SELECT id FROM session").fetchall()
    for (session,) in sessions:
        try:
            chain.read(db, session)
        except StoreError as error:
            problems.append(str(error))
    return tuple(problems)


def _head(db: Connection, session: str) -> int:
    row = db.execute("SELECT head FROM session WHERE id = ?", (session,)).fetchone()
    if row is None:
        raise SessionUnknown(session)
    return int(row[0])


def _swap(db: Connection, claim: Claim, after: int) -> tuple[bytes, str]:
    """Compare before the swap: give the last hash and the status, or raise ``Conflict``."""
    statement = "SELECT head, epoch, owner, hash, status FROM session WHERE id = ?"
    row = db.execute(statement, (claim.session,)).fetchone()
    if row is None:
        raise SessionUnknown(claim.session)
    head, epoch, owner, hash, status = row
    if (epoch, head) != (claim.epoch, after):
        raise Conflict(
            f"Session {claim.session!r} is at position {head} and was last claimed by {owner!r} (claim {epoch}), so "
            f"claim {claim.epoch} cannot write at position {after}; drop this work and wake the session again."
        )
    return hash, status


def _extend(
    db: Connection,
    session: str,
    after: int,
    previous: bytes,
    bodies: tuple[tuple[float, bytes], ...],
    *,
    at: float,
    status: str,
) -> None:
    head, hash = chain.write(db, session, after, previous, bodies)
    statement = "UPDATE session SET head = ?, hash = ?, status = ?, updated_at = ? WHERE id = ?"
    db.execute(statement, (head, hash, status, at, session))
