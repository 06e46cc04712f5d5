"""The best compactions between two cold calls.

Everything that may be compact is, when a stretch begins: at a cold call that
costs nothing.  So stretches do not depend on each other, and within one some
best schedule compacts, at each event, only results that became eligible since
the event before (``docs/lab.md`` has the argument).  What an event gains is then
known from its call and its first result alone, and the gains of events add up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stretch:
    """The calls from ``first`` up to, but without, ``end``; results are counted over the session."""

    first: int
    end: int
    eligible: tuple[int, ...]  # for each call of the session, how many of the oldest results may be compact
    starts: tuple[int, ...]  # tokens before each result while everything is full
    sent: tuple[int, ...]  # for each call, the length of the prompt before it while everything is full
    rewrite: float  # price of writing a token rather than reading it
    gain: Callable[[int, int], float]  # what a call gains, there and later, by making a result compact that it writes

    @property
    def base(self) -> int:
        """Give how many results are settled from the start."""
        return self.eligible[self.first]

    @property
    def calls(self) -> range:
        """Give the calls before which something can be compacted at a price."""
        return range(self.first + 1, self.end)

    def cuts(self, call: int) -> list[float]:
        """Give what an event gains for each first result, from ``base`` on, if everything behind it is untouched."""
        gained = 0.0
        found: list[float] = []
        for result in range(self.eligible[call] - 1, self.base - 1, -1):
            gained += self.gain(call, result)
            found.append(gained - self.rewrite * (self.sent[call] - self.starts[result]))
        found.reverse()
        return found


@dataclass(frozen=True, slots=True)
class Plan:
    """The events of a stretch up to some call, as far as later ones depend on them."""

    gain: float
    call: int  # of the last event
    first: int = 0  # the first result that the last event changes
    passed: int = 0  # tokens that could be gone and are not, because every event began behind them
    before: Plan | None = None

    def events(self) -> tuple[tuple[int, int], ...]:
        """Give the call and the first result of each event, in order."""
        found: list[tuple[int, int]] = []
        plan = self
        while plan.before:
            found.append((plan.call, plan.first))
            plan = plan.before
        return tuple(reversed(found))


def best(stretch: Stretch) -> Plan:
    """Give the plan that gains most where nothing limits the prompts."""
    top = Plan(0.0, stretch.first)
    before: list[Plan] = []  # for each result, from base on, the best plan that has not reached it
    for call in stretch.calls:
        cuts = stretch.cuts(call)
        before.extend([top] * (len(cuts) - len(before)))
        if not cuts:
            continue
        gain, index = max((before[index].gain + cut, index) for index, cut in enumerate(cuts))
        if gain > top.gain:
            top = Plan(gain, call, first=stretch.base + index, before=before[index])
    return top
