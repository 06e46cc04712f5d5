"""A session as steps whose sizes are known, and what any schedule of compactions of it costs.

The cache is ideal: a call reads what it shares with the prompt before it from
the first token on, and writes the rest.  A compaction just before a call writes
again everything behind the first result that it changes; at a cold call it is
free, because everything is written anyway.  Sizes are tokens, costs are tokens
of uncached input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from workhand.core.policy import Prices
from workhand.errors import ConfigError
from workhand.lab.request import Billed


class Result(NamedTuple):
    full: int
    compact: int  # the size of the pointer; a result that may never be compacted is as large as its full form
    penalty: float = 0.0  # the expected price of reading it again, charged once if it is compacted


class Event(NamedTuple):
    """One compaction."""

    step: int  # takes place just before the call of this step
    results: tuple[int, ...]  # counted from 0 over the whole session


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model, in wire order: what is said before it, its answer, and what its tools return."""

    answer_tokens: int  # billed as output, and read by every later call
    results: tuple[Result, ...] = ()
    said_tokens: int = 0  # said before the call, and read by it and every later one
    dropped_tokens: int = 0  # billed as output, and read by no later call
    cold: bool = False  # the cache had expired


@dataclass(frozen=True, slots=True)
class Instance:
    """A session and its rules: a result may be compacted once it was sent in full and is not among the newest."""

    steps: tuple[Step, ...]
    prices: Prices = Prices()  # noqa: RUF009 - a frozen value
    prefix_tokens: int = 0
    keep: int = 3  # the newest results that are always full
    limit_tokens: int | None = None  # on every prompt, prefix included

    def __post_init__(self) -> None:
        if self.prices.read > self.prices.write:
            raise ConfigError(
                f"Reading at {self.prices.read!r} is dearer than writing at {self.prices.write!r}; exchange them."
            )
        if self.keep < 0:
            raise ConfigError(f"The newest {self.keep!r} results cannot stay full; give 0 or more.")

    @property
    def results(self) -> tuple[Result, ...]:
        """Give all results in the order of their numbers."""
        return tuple(result for step in self.steps for result in step.results)

    def eligible(self) -> tuple[int, ...]:
        """Say for each step how many of the oldest results may be compact there."""
        returned = (0, *accumulate(len(step.results) for step in self.steps))
        return tuple(
            max(0, min(returned[max(0, step - 1)], returned[step] - self.keep)) for step in range(len(self.steps))
        )

    def within(self, prompts: Iterable[int]) -> tuple[int, ...]:
        """Say for each step how long its prompt may be: within the limit, or as short as compaction can make it."""
        eligible, saved = self.eligible(), (0, *accumulate(max(0, each.full - each.compact) for each in self.results))
        limit = self.limit_tokens
        return tuple(
            full if limit is None else max(limit, full - saved[count])
            for full, count in zip(prompts, eligible, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    cost: float
    events: tuple[Event, ...] = ()
    gap: float = 0.0  # no schedule is cheaper by more than this: 0 if this one is the cheapest


def cost(instance: Instance, events: Iterable[Event]) -> float:
    """Price any schedule; a limit is not checked.

    Raises ``ConfigError`` for a result that may not be compacted there, or not again.
    """
    output = [step.answer_tokens + step.dropped_tokens for step in instance.steps]
    billed = bills(instance, events)
    paid = (each.cost(instance.prices, tokens) for each, tokens in zip(billed, output, strict=True))
    return sum(paid) + penalties(instance, events)


def bills(instance: Instance, events: Iterable[Event]) -> tuple[Billed, ...]:
    """Give what each call reads and writes under a schedule."""
    due = {event.step: event.results for event in events}
    eligible, results = instance.eligible(), instance.results
    pieces, places = [instance.prefix_tokens], list[int]()  # tokens in wire order; where each result is among them
    compacted: set[int] = set()
    billed: list[Billed] = []
    for number, step in enumerate(instance.steps):
        shared = billed[-1].input if billed else 0
        if changed := due.get(number, ()):
            _check(number, changed, eligible[number], compacted)
            compacted.update(changed)
            shared = sum(pieces[: min(places[each] for each in changed)])
            for each in changed:
                pieces[places[each]] = results[each].compact
        pieces.append(step.said_tokens)
        read = 0 if step.cold else shared
        billed.append(Billed(read, sum(pieces) - read))
        pieces.append(step.answer_tokens)
        places.extend(range(len(pieces), len(pieces) + len(step.results)))
        pieces.extend(result.full for result in step.results)
    return tuple(billed)


def penalties(instance: Instance, events: Iterable[Event]) -> float:
    results = instance.results
    return sum(results[each].penalty for event in events for each in event.results)


def _check(step: int, changed: tuple[int, ...], eligible: int, compacted: set[int]) -> None:
    for each in changed:
        if not 0 <= each < eligible or each in compacted:
            raise ConfigError(f"Result {each!r} cannot be compacted at step {step!r}; leave it out there.")
