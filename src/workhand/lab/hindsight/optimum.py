"""The cheapest compactions of a session in hindsight, and what no compaction can go below.

This is the yardstick for policies, which cannot see what comes.  ``docs/lab.md``
says what is assumed, why the search is exact, and how that was checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import inf
from typing import TypeAlias

from workhand.lab.hindsight.compactions import Event, Instance, Result, Schedule, Step, bills, cost
from workhand.lab.hindsight.limited import Limits, best_within
from workhand.lab.hindsight.stretch import Plan, Stretch, best

__all__ = ["Event", "Instance", "Result", "Schedule", "Step", "cost", "lower_bound", "optimum"]

SHARES = (0.25, 0.5, 1.0)  # of what a result can save: where its penalty is more, it may be spared

Worth: TypeAlias = Callable[[int, int], float]  # what a call saves that makes a result compact, there and later


def optimum(instance: Instance, *, width: int = 200) -> Schedule:
    """Give the cheapest schedule, or, if its ``gap`` is not 0, one that is dearer by at most that.

    Where even compacting everything exceeds the limit, the prompt is to be as short as it can be.  Without a limit
    the gap is 0.  With one, it is 0 if no more than ``width`` plans had to be followed at once, which is the rule
    where pointers are small.  With a limit that binds and penalties too, choosing what to spare is a knapsack: results
    whose penalty exceeds some share of what they can save stay full, all others become compact whenever something
    before them does, and the cheapest of a few such shares is taken.
    """
    free = _free(instance)
    if instance.limit_tokens is None or _fits(instance, free):
        return free
    found = [_limited(instance, spared, width) for spared in _sparing(instance)]
    cheapest = min((schedule for schedule in found if schedule), key=lambda schedule: schedule.cost)
    if not any(result.penalty for result in instance.results):
        return cheapest
    return replace(cheapest, gap=cheapest.cost - free.cost)


def lower_bound(instance: Instance) -> float:
    """Give a cost that no policy can go below that sends every result in full once and then only compacts.

    The policy may keep more results full than ``instance.keep``, not fewer.  Limit, penalties and a price cliff are
    left out, as they only add to the cost.
    """
    steps = tuple(map(_without_penalties, instance.steps))
    return _free(
        replace(instance, steps=steps, prices=replace(instance.prices, cliff_tokens=None), limit_tokens=None)
    ).cost


def _without_penalties(step: Step) -> Step:
    return replace(step, results=tuple(result._replace(penalty=0.0) for result in step.results))


def _fits(instance: Instance, schedule: Schedule) -> bool:
    most = instance.within(_Lengths.of(instance).prompts)
    return all(billed.input <= each for billed, each in zip(bills(instance, schedule.events), most, strict=True))


def _sparing(instance: Instance) -> Iterator[frozenset[int]]:
    """Give sets of results that may be worth keeping full, each once; the first is empty."""
    lengths = _Lengths.of(instance)
    saved = [0.0] * len(lengths.saved)  # what each result saves if it becomes compact as early as it can
    for call, count in reversed(tuple(enumerate(lengths.eligible))):
        for result in range(count):
            saved[result] = lengths.worth(call, result) + lengths.penalties[result]
    shares = (inf, *SHARES)
    sets = (
        frozenset(result for result, most in enumerate(saved) if lengths.penalties[result] > share * most)
        for share in shares
    )
    yield from dict.fromkeys(sets)


def _free(instance: Instance) -> Schedule:
    """Give the cheapest schedule where nothing limits the prompts: each result is compacted only if that pays."""
    lengths = _Lengths.of(instance)

    def worth(call: int, result: int) -> float:
        return max(0.0, lengths.worth(call, result))

    plans = [(stretch, best(stretch)) for stretch in lengths.stretches(worth)]
    return _scheduled(instance, plans, lambda call, result: worth(call, result) > 0)


def _limited(instance: Instance, spared: frozenset[int], width: int) -> Schedule | None:
    """Give the cheapest schedule within the limit that compacts whatever it can for free, but never what is spared.

    Without penalties that is the cheapest of all, and sparing a result can only make it dearer, or impossible: None.
    """
    lengths, eligible = _Lengths.of(instance), instance.eligible()

    def chosen(call: int, result: int) -> bool:
        return result not in spared and lengths.saved[result] > 0

    def worth(call: int, result: int) -> float:
        return lengths.worth(call, result) if chosen(call, result) else 0.0

    saved = tuple(tokens * chosen(0, result) for result, tokens in enumerate(lengths.saved))
    most = zip(lengths.prompts, instance.within(lengths.prompts), strict=True)
    limits = Limits((0, *accumulate(saved)), tuple(full - within for full, within in most))
    if any(limits.saved[count] < needed for count, needed in zip(eligible, limits.needed, strict=True)):
        return None
    found = [(stretch, *best_within(stretch, limits, width)) for stretch in lengths.stretches(worth)]
    schedule = _scheduled(instance, [(stretch, plan) for stretch, plan, _ in found], chosen)
    return replace(schedule, gap=sum(gap for _, _, gap in found))


@dataclass(frozen=True, slots=True)
class _Lengths:
    """An instance with everything in full, added up."""

    instance: Instance
    penalties: tuple[float, ...]
    eligible: tuple[int, ...]
    prompts: tuple[int, ...]  # the length of each
    starts: tuple[int, ...]  # tokens before each result
    saved: tuple[int, ...]  # tokens that each result loses by being compact
    prices: tuple[float, ...]  # for each call and the end, what a token costs that is read from there on

    @classmethod
    def of(cls, instance: Instance) -> _Lengths:
        prompts, starts, tokens = list[int](), list[int](), instance.prefix_tokens
        for step in instance.steps:
            tokens += step.said_tokens
            prompts.append(tokens)
            tokens += step.answer_tokens
            for result in step.results:
                starts.append(tokens)
                tokens += result.full
        price = instance.prices
        each = [price.write if step.cold else price.read for step in reversed(instance.steps)]
        saved = (max(0, result.full - result.compact) for result in instance.results)
        prices = tuple(accumulate(each, initial=0.0))[::-1]
        penalties = tuple(result.penalty for result in instance.results)
        return cls(instance, penalties, instance.eligible(), tuple(prompts), tuple(starts), tuple(saved), prices)

    def worth(self, call: int, result: int) -> float:
        """Say what is saved from a call on that writes this result as a pointer rather than in full."""
        saved = self.saved[result] * (self.instance.prices.write + self.prices[call + 1])
        return saved - self.penalties[result]

    def stretches(self, worth: Worth) -> Iterator[Stretch]:
        """Give the stretches between cold calls; what is left full in one is as good as compact at the next."""
        steps, prices = self.instance.steps, self.instance.prices
        cold = [number for number, step in enumerate(steps) if step.cold or not number]
        sent = (0, *self.prompts)
        for first, end in pairwise((*cold, len(steps))):
            last = end == len(steps)

            def gain(call: int, result: int, end: int = end, last: bool = last) -> float:
                return worth(call, result) - (0.0 if last else worth(end, result))

            yield Stretch(first, end, self.eligible, self.starts, sent, prices.write - prices.read, gain)


def _scheduled(instance: Instance, plans: list[tuple[Stretch, Plan]], chosen: Callable[[int, int], bool]) -> Schedule:
    """Name the results that each event makes compact, and price the whole."""
    eligible = instance.eligible()
    events: list[Event] = []
    full = set(range(len(instance.results)))
    for stretch, plan in plans:
        for call, first in ((stretch.first, 0), *plan.events()):
            changed = tuple(each for each in range(first, eligible[call]) if each in full and chosen(call, each))
            full.difference_update(changed)
            events.extend([Event(call, changed)] if changed else [])
    return Schedule(cost(instance, events), tuple(events))
