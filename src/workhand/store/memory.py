"""Sessions and blobs in memory, for tests and for use as a library.

The rules are those of the SQLite store and one test suite runs over both; only
durability is missing.  Events are encoded once, to refuse here what no store
could keep, and then kept as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workhand.core.canonical import digest as digest_of
from workhand.core.events import Event
from workhand.core.log import Entry
from workhand.core.ports import Claim, SessionRow
from workhand.errors import Conflict, SessionUnknown, StoreError
from workhand.store.codec import encode


@dataclass(slots=True)
class _Session:
    title: str
    status: str
    created_at: float
    updated_at: float
    epoch: int = 0
    owner: str | None = None
    parent: str | None = None
    parent_head: int | None = None
    entries: list[Entry] = field(default_factory=list)  # a fork's parent's too
    inbox: list[Event] = field(default_factory=list)


class MemoryStore:
    """An ``EventStore`` and a ``BlobStore`` that end with the process."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._blobs: dict[str, bytes] = {}

    async def create(self, session: str, *, title: str, at: float) -> None:
        self._add(session, _Session(title, "waiting", at, at))

    async def claim(self, session: str, *, owner: str) -> Claim:
        found = self._find(session)
        found.epoch += 1
        found.owner = owner
        return Claim(session, found.epoch)

    async def read(self, session: str) -> tuple[Entry, ...]:
        return tuple(self._find(session).entries)

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
        for event in events:
            encode(event)
        session = self._swap(claim, after)
        for original in originals:
            await self.put(original)
        self._extend(session, events, at, status)
        return bool(session.inbox)

    async def post(self, session: str, event: Event) -> None:
        encode(event)
        self._find(session).inbox.append(event)

    async def peek(self, session: str) -> tuple[Event, ...]:
        return tuple(self._find(session).inbox)

    async def take(self, claim: Claim, after: int, *, at: float, status: str) -> tuple[Event, ...]:
        session = self._swap(claim, after)
        events = tuple(session.inbox)
        if events or status != session.status:
            session.inbox.clear()
            self._extend(session, events, at, status)
        return events

    async def fork(self, parent: str, position: int, session: str, *, title: str, at: float) -> None:
        entries = self._find(parent).entries
        if not 0 <= position <= len(entries):
            raise StoreError(
                f"Session {parent!r} cannot be forked at {position}; give a position from 0 to {len(entries)}."
            )
        fork = _Session(title, "waiting", at, at, parent=parent, parent_head=position, entries=entries[:position])
        self._add(session, fork)

    async def adopt(self, session: str, entries: tuple[Entry, ...], *, title: str, at: float, status: str) -> None:
        """Make a session with all its entries at once, or raise ``Conflict`` if the id is taken."""
        self._add(session, _Session(title, status, at, at, entries=list(entries)))

    async def sessions(self) -> tuple[SessionRow, ...]:
        newest = sorted(reversed(self._sessions.items()), key=lambda pair: pair[1].created_at, reverse=True)
        return tuple(_row(id, session) for id, session in newest)

    async def delete(self, session: str) -> None:
        self._find(session)
        forks = [id for id, each in self._sessions.items() if each.parent == session]
        if forks:
            raise Conflict(
                f"Session {session!r} cannot be deleted while {', '.join(forks)} are forks of it; delete those first."
            )
        del self._sessions[session]

    async def put(self, content: bytes) -> str:
        digest = digest_of(content)
        self._blobs[digest] = content
        return digest

    async def get(self, digest: str) -> bytes:
        try:
            return self._blobs[digest]
        except KeyError:
            raise StoreError(f"There is no blob {digest!r} in this store; it was never put there.") from None

    def _add(self, id: str, session: _Session) -> None:
        if id in self._sessions:
            raise Conflict(f"There is a session {id!r} already; give another id.")
        self._sessions[id] = session

    def _find(self, id: str) -> _Session:
        try:
            return self._sessions[id]
        except KeyError:
            raise SessionUnknown(id) from None

    def _swap(self, claim: Claim, after: int) -> _Session:
        session = self._find(claim.session)
        if (session.epoch, len(session.entries)) != (claim.epoch, after):
            raise Conflict(
                f"Session {claim.session!r} is at position {len(session.entries)} and was last claimed by "
                f"{session.owner!r} (claim {session.epoch}), so claim {claim.epoch} cannot write at position {after}; "
                "drop this work and wake the session again."
            )
        return session

    def _extend(self, session: _Session, events: tuple[Event, ...], at: float, status: str) -> None:
        for event in events:
            session.entries.append(Entry(len(session.entries), at, event))
        session.status = status
        session.updated_at = at


def _row(id: str, session: _Session) -> SessionRow:
    runnable = session.inbox and session.status in ("waiting", "ended")
    return SessionRow(
        id=id,
        status="runnable" if runnable else session.status,
        title=session.title,
        created_at=session.created_at,
        updated_at=session.updated_at,
        head=len(session.entries),
        epoch=session.epoch,
        owner=session.owner,
        parent=session.parent,
        parent_head=session.parent_head,
    )
