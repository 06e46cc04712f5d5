"""The ordered record of a session, and the view of it that counts.

Every entry has a position in its session that never changes.  A fork starts
with its parent's entries; a rewind takes entries out of view, not out of the
record, and what they cost stays spent.  A ``Log`` is a value: ``then`` gives
the next one.  ``last``, ``spent`` and whatever ``fold`` has been asked for are
folds over the entries, carried along so that a step takes the same time in a
long session as in a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from workhand.core.events import Event, Rewound, SessionStarted
from workhand.core.policy import Policy
from workhand.core.spent import NOTHING, Spent

E = TypeVar("E")


class Fold(Protocol):
    """Something that is built from entries, one after the other."""

    def take(self, entry: Entry) -> None: ...


F = TypeVar("F", bound=Fold)


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
    folds: dict[object, _Folded] = field(default_factory=dict, compare=False, repr=False)

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
        return self.followed_by(Entry(self.head, at, event))

    def followed_by(self, entry: Entry) -> Log:
        """Give the log with one more entry, as a store or another log gives it."""
        event = entry.event
        spent = self.spent.plus(event, entry.at - self.entries[-1].at if self.entries else 0.0)
        if isinstance(event, Rewound):
            kept = (*(each for each in self.entries if each.position < event.to), entry)
            return Log(kept, entry.position + 1, spent, _last(kept))
        last = {**self.last, type(event): len(self.entries)}
        return Log((*self.entries, entry), entry.position + 1, spent, last, self.folds)

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

    def fold(self, key: object, begin: Callable[[], F], version: object = None) -> F:
        """Give what ``begin`` begins with all entries taken, taking only those that it has not seen.

        The fold is kept under ``key`` and begun anew where the log has gone another way, or for another ``version``.
        """
        known = self.folds.get(key)
        if known is None or known.version != version or not known.is_of(self):
            known = self.folds[key] = _Folded(begin(), version)
        for entry in self.entries[known.count :]:
            known.fold.take(entry)
            known.latest = entry
        known.count = len(self.entries)
        return known.fold  # type: ignore[return-value]  # what ``begin`` of this key gave

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


@dataclass(slots=True)
class _Folded:
    """A fold, and how far it has come."""

    fold: Fold
    version: object
    count: int = 0
    latest: Entry | None = None

    def is_of(self, log: Log) -> bool:
        """Say whether what was taken is how the log begins."""
        return self.count <= len(log.entries) and (not self.count or log.entries[self.count - 1] is self.latest)


def _last(entries: Iterable[Entry]) -> dict[type, int]:
    return {type(entry.event): index for index, entry in enumerate(entries)}
