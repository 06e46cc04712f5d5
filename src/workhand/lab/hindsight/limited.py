"""The best compactions between two cold calls, if every prompt is limited.

What a plan leaves full it can never make compact before the next cold call, so
plans up to the same call are compared by two numbers: what they gained, and how
many tokens they passed over.  There can be very many that neither beats the
other.  Most need not be followed, because a bound says that they cannot end
well.  Bounds come from a search that forgets what was passed over when it comes
to the limit, but pays for each token of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from workhand.lab.hindsight.stretch import Plan, Stretch, best

PRICES = (0.05, 0.2, 0.8, 3.2)  # of a token that is passed over, in the bounds for hard cases


@dataclass(frozen=True, slots=True)
class Limits:
    saved: tuple[int, ...]  # tokens that the oldest results lose together by being compact; one more than results
    needed: tuple[int, ...]  # for each call of the session, how many tokens must be gone in all


@dataclass(frozen=True, slots=True)
class Bound:
    price: float  # of a token that is passed over
    later: dict[int, float]  # the most that events after a call gain at that price; -inf if no plan can go on

    def whole(self, call: int, allowed: int) -> float:
        """Give what plans gain at most that have just compacted everything before a call and may pass over this."""
        return self.later[call] + self.price * allowed


def best_within(stretch: Stretch, limits: Limits, width: int) -> tuple[Plan, float]:
    """Give the plan that gains most where at each call enough tokens must be gone, and what others may gain above it.

    That is 0, and the plan the best, unless there were more than ``width`` plans to follow at once.
    """
    free = best(stretch)
    if _keeps(free, stretch, limits):
        return free, 0.0
    search = _Search.of(stretch, limits)
    known = search.straight()
    free_bound = search.bound(0.0)  # most often enough
    found, left = search.above(known.gain, (free_bound,), width // 4)
    known = found or known
    if left > known.gain:
        found, left = search.above(known.gain, search.lowest((free_bound, *map(search.bound, PRICES))), width)
        known = found or known
    return known, max(0.0, left - known.gain)


def _keeps(plan: Plan, stretch: Stretch, limits: Limits) -> bool:
    gone, firsts = limits.saved[stretch.base], dict(plan.events())
    for call in stretch.calls:
        if call in firsts:
            gone += limits.saved[stretch.eligible[call]] - limits.saved[firsts[call]]
        if gone < limits.needed[call]:
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Search:
    stretch: Stretch
    limits: Limits
    cuts: dict[int, list[float]]
    deeper: dict[int, list[int]]  # for each cut the next one that gains more, passing over more
    room: tuple[int, ...]  # for each call of the stretch, how many tokens may be passed over

    @classmethod
    def of(cls, stretch: Stretch, limits: Limits) -> _Search:
        cuts = {call: stretch.cuts(call) for call in stretch.calls}
        deeper = {call: _next_greater(gains) for call, gains in cuts.items()}
        spare = [limits.saved[stretch.eligible[call]] - limits.needed[call] for call in reversed(stretch.calls)]
        return cls(stretch, limits, cuts, deeper, tuple(accumulate(spare, min))[::-1])

    def straight(self) -> Plan:
        """Give the best plan that passes over nothing: it keeps every limit that can be kept."""
        stretch, saved = self.stretch, self.limits.saved
        plans = [Plan(0.0, stretch.first)]
        for call in stretch.calls:
            made = [
                Plan(plan.gain + self.cuts[call][start], call, stretch.base + start, 0, plan)
                for plan in plans
                if (start := stretch.eligible[plan.call] - stretch.base) < len(self.cuts[call])
            ]
            plans = [plan for plan in plans if saved[stretch.eligible[plan.call]] >= self.limits.needed[call]]
            plans.extend(_front(made))
        return max(plans, key=lambda plan: plan.gain)

    def above(self, floor: float, bounds: tuple[Bound, ...], width: int) -> tuple[Plan | None, float]:
        """Give the best plan found that gains more than a floor, and the most that those not followed might gain."""
        stretch, saved, left = self.stretch, self.limits.saved, -inf
        alive = [Plan(0.0, stretch.first)]
        for call, room in zip(stretch.calls, self.room, strict=True):
            gains, deeper = self.cuts[call], self.deeper[call]
            least = [(bound.price, floor - bound.whole(call, self.room[-1])) for bound in bounds]
            found: list[Plan] = []
            for plan in alive:
                start = index = stretch.eligible[plan.call] - stretch.base
                while index < len(gains):
                    passed = plan.passed + saved[stretch.base + index] - saved[stretch.base + start]
                    if passed > room:
                        break
                    gain = plan.gain + gains[index]
                    if all(gain - price * passed > each for price, each in least):
                        found.append(Plan(gain, call, stretch.base + index, passed, plan))
                    index = deeper[index]
            needed = self.limits.needed[call]
            alive = [plan for plan in alive if saved[stretch.eligible[plan.call]] - plan.passed >= needed]
            alive.extend(_front(found))
            if len(alive) > width:
                alive.sort(key=lambda plan: -self.most(plan, bounds))
                left = max(left, self.most(alive[width], bounds))
                del alive[width:]
        top = max(alive, key=lambda plan: plan.gain, default=None)
        return top if top and top.gain > floor else None, left

    def most(self, plan: Plan, bounds: tuple[Bound, ...]) -> float:
        """Give what a plan gains at most in the end."""
        return plan.gain + min(bound.whole(plan.call, self.room[-1] - plan.passed) for bound in bounds)

    def lowest(self, bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        """Give the three bounds that are lowest for the whole stretch."""
        return tuple(sorted(bounds, key=lambda bound: bound.whole(self.stretch.first, self.room[-1]))[:3])

    def bound(self, price: float) -> Bound:
        """Bound what plans gain, supposing that they keep the limit if they could have kept it."""
        stretch, saved, base = self.stretch, self.limits.saved, self.stretch.base
        best_from = {call: _greatest_from(gains, saved[base:], price) for call, gains in self.cuts.items()}
        later_gain: dict[int, float] = {}
        for call in range(stretch.end - 1, stretch.first - 1, -1):
            index = stretch.eligible[call] - base
            gone = saved[stretch.eligible[call]]
            found = [-inf]
            for later in range(call + 1, stretch.end):
                if index < len(best_from[later]):
                    found.append(best_from[later][index] + later_gain[later])
                if gone < self.limits.needed[later]:
                    break
            else:
                found.append(0.0)
            later_gain[call] = max(found)
        return Bound(price, later_gain)


def _front(found: list[Plan]) -> Iterator[Plan]:
    """Leave out what another one equals or beats in both gain and tokens passed over."""
    fewest: float = inf
    for plan in sorted(found, key=lambda plan: (-plan.gain, plan.passed)):
        if plan.passed < fewest:
            fewest = plan.passed
            yield plan


def _greatest_from(gains: list[float], saved: tuple[int, ...], price: float) -> list[float]:
    """Give for each place the most that can be gained by an event there or behind, at a price for passing over."""
    found = gains[:]
    for index in range(len(gains) - 2, -1, -1):
        found[index] = max(found[index], found[index + 1] - price * (saved[index + 1] - saved[index]))
    return found


def _next_greater(gains: list[float]) -> list[int]:
    """Give for each place the next one with a greater gain, or the length."""
    found = [len(gains)] * len(gains)
    waiting: list[int] = []
    for index, gain in enumerate(gains):
        while waiting and gains[waiting[-1]] < gain:
            found[waiting.pop()] = index
        waiting.append(index)
    return found
