"""A session in memory, ready to be woken."""

from __future__ import annotations

from dataclasses import dataclass, field

from workhand.core.events import Event, SessionStarted, UserSaid
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy
from workhand.core.ports import BlobStore, Delta, EventStore, Model, Toolbox
from workhand.runtime.wake import Runtime
from workhand.store.memory import MemoryStore
from workhand.testing.clock import StepClock

BEGUN_AT = 1_700_000_000.0  # a second of the clock's, which the first waking follows at once


@dataclass
class World:
    """A store with one session in it, and what a viewer has seen of it."""

    policy: Policy
    model: Model
    toolbox: Toolbox
    store: MemoryStore = field(default_factory=MemoryStore)
    seen: list[Entry | Delta] = field(default_factory=list)

    async def begin(self, *events: Event) -> None:
        """Make the session, with a first task or with other events."""
        await self.store.create("s", title="a task", at=BEGUN_AT)
        claim = await self.store.claim("s", owner="maker")
        started = (SessionStarted(self.policy), *(events or (UserSaid("Write a report."),)))
        await self.store.append(claim, 0, started, at=BEGUN_AT, status="runnable")

    async def wake(
        self,
        *,
        store: EventStore | None = None,
        blobs: BlobStore | None = None,
        session: str = "s",
        owner: str = "test",
    ) -> Log:
        runtime = Runtime(
            store or self.store, blobs or self.store, self.model, self.toolbox, StepClock(), self.seen.append
        )
        return await runtime.wake(session, owner=owner)

    async def recorded(self) -> tuple[Event, ...]:
        return tuple(entry.event for entry in await self.store.read("s"))

    async def status(self) -> str:
        (row,) = await self.store.sessions()
        return row.status


def last(log: Log, count: int) -> tuple[Event, ...]:
    return log.events[-count:]


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [event.kind for event in events]
