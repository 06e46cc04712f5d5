"""A store that crashes at a chosen write, as a killed process would."""

from __future__ import annotations

from dataclasses import dataclass

from workhand.core.events import Event
from workhand.core.log import Entry
from workhand.core.ports import Claim, EventStore, SessionRow


class Crashed(BaseException):
    """The process is gone.  Not an ``Exception``: nothing may catch it and go on."""


@dataclass
class CrashingStore:
    """Pass everything on to ``store``, until ``writes_left`` writes to the log have been made.

    The write after those crashes: before anything is written or, if
    ``unacknowledged``, when it is durable and its writer not yet told so.
    """

    store: EventStore
    writes_left: int
    unacknowledged: bool = False

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
        self._before()
        waiting = await self.store.append(claim, after, events, at=at, status=status, originals=originals)
        self._after()
        return waiting

    async def take(self, claim: Claim, after: int, *, at: float, status: str) -> tuple[Event, ...]:
        self._before()
        taken = await self.store.take(claim, after, at=at, status=status)
        self._after()
        return taken

    def _before(self) -> None:
        if self.writes_left <= 0 and not self.unacknowledged:
            raise Crashed

    def _after(self) -> None:
        if self.writes_left <= 0:
            raise Crashed
        self.writes_left -= 1

    async def create(self, session: str, *, title: str, at: float) -> None:
        await self.store.create(session, title=title, at=at)

    async def adopt(self, session: str, entries: tuple[Entry, ...], *, title: str, at: float, status: str) -> None:
        await self.store.adopt(session, entries, title=title, at=at, status=status)

    async def claim(self, session: str, *, owner: str) -> Claim:
        return await self.store.claim(session, owner=owner)

    async def read(self, session: str) -> tuple[Entry, ...]:
        return await self.store.read(session)

    async def post(self, session: str, event: Event) -> None:
        await self.store.post(session, event)

    async def peek(self, session: str) -> tuple[Event, ...]:
        return await self.store.peek(session)

    async def fork(self, parent: str, position: int, session: str, *, title: str, at: float) -> None:
        await self.store.fork(parent, position, session, title=title, at=at)

    async def sessions(self) -> tuple[SessionRow, ...]:
        return await self.store.sessions()

    async def delete(self, session: str) -> None:
        await self.store.delete(session)
