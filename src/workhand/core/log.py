"""The ordered record of a session, and the view of it that counts.

Every entry has a position in its session that never changes.  A fork starts
with its parent's entries; a rewind takes entries out of view, not out of the
record, and what they cost stays spent.  A ``Log`` is a value: ``then`` gives
the next one.  ``last`` and ``spent`` are folds over the entries, carried along
so that deciding takes the same time in a long session as in a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from workhand.core.events import Event, Rewound, SessionStarted
from workhand.core.policy import Policy
from workhand.core.spent import NOTHING, Spent

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Entry:
    position: int
    at: float  # seconds since the Unix epoch, stamped by the runtime
    event: Event
    pieces: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    # ``pieces`` memoises what ``render`` makes of the event, by form: an event never changes.


@dataclass(frozen=True, slots=True)
class Log:
    entries: tuple[Entry, ...] = ()  # in view
    head: int = 0  # the position that the next event gets
    spent: Spent = NOTHING  # by everything on record, in view or not
    last: Mapping[type, int] = field(default_factory=dict, compare=False, repr=False)
    # ``last`` gives the index in ``entries`` of the latest event of each kind.
    views: dict[object, object] = field(default_factory=dict, compare=False, repr=False)
    # ``views`` memoises what ``render`` has built from these entries so far, by policy.

    @classmethod
    def of(cls, record: Iterable[Entry]) -> Log:
        """View a whole record, as a store gives it."""
        entries: list[Entry] = []
        spent = NOTHING
        head = 0
        for entry in record:
            spent = spent.plus(entry.event, entry.at - entries[-1].at if entries else 0.0)
            if isinstance(entry.event, Rewound):
                while entries and entries[-1].position >= entry.event.to:
                    entries.pop()
            entries.append(entry)
            head = entry.position + 1
        return cls(tuple(entries), head, spent, _last(entries))

    def then(self, event: Event, at: float = 0.0) -> Log:
        """Give the log in which ``event`` has happened next."""
        entry = Entry(self.head, at, event)
        spent = self.spent.plus(event, at - self.entries[-1].at if self.entries else 0.0)
        if isinstance(event, Rewound):
            kept = (*(each for each in self.entries if each.position < event.to), entry)
            return Log(kept, self.head + 1, spent, _last(kept))
        last = {**self.last, type(event): len(self.entries)}
        return Log((*self.entries, entry), self.head + 1, spent, last, self.views)

    def upto(self, index: int) -> Log:
        """Give the log as it was before the entry in view at ``index``; what it spent is left out."""
        last = {kind: at for kind, at in self.last.items() if at < index}
        gone = self.last.keys() - last.keys()  # their latest before ``index`` is most often close to it
        for at in range(index - 1, -1, -1):
            if not gone:
                break
            kind = type(self.entries[at].event)
            if kind in gone:
                last[kind] = at
                gone.remove(kind)
        return Log(self.entries[:index], self.entries[index].position, NOTHING, last)

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(entry.event for entry in self.entries)

    @property
    def policy(self) -> Policy:
        """The policy that the session was started with."""
        started = self.latest(SessionStarted)
        if started is None:
            raise ValueError("a log without SessionStarted has no policy")
        return started.policy

    def latest(self, kind: type[E]) -> E | None:
        """Give the last event in view of one kind."""
        event = self.entries[self.last[kind]].event if kind in self.last else None
        return event if isinstance(event, kind) else None

    def index(self, *kinds: type) -> int:
        """Give where in view the last event of any of ``kinds`` is; -1 if there is none."""
        if len(kinds) == 1:
            return self.last.get(kinds[0], -1)
        return max([self.last.get(kind, -1) for kind in kinds])

    def since(self, *kinds: type) -> Iterator[Event]:
        """Give the events after the last one of any of ``kinds``, oldest first."""
        start = self.index(*kinds) + 1
        return (entry.event for entry in self.entries[start:])

    def newest_first(self) -> Iterator[Event]:
        return (entry.event for entry in reversed(self.entries))


def _last(entries: Iterable[Entry]) -> dict[type, int]:
    return {type(entry.event): index for index, entry in enumerate(entries)}
