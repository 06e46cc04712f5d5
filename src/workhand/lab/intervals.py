"""How sure a figure is: percentile intervals from a bootstrap over whole sessions.

The calls of one session depend on each other, so sessions are drawn, never calls.
A ratio of sums is drawn in pairs, numerator and denominator of the same session,
which is what makes two policies on the same sessions comparable.  Chance comes
from the seed alone; sums are exact, so the figures are equal in every version of
Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from random import Random
from typing import TypeVar

from workhand.errors import ConfigError

RESAMPLES_MIN, RESAMPLES_MAX = 100, 100_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Interval:
    value: float  # of the sessions as they are
    low: float
    high: float


def interval(
    values: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    *,
    seed: int = 0,
    resamples: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """Give a statistic of the values, one for each session, and the interval in which resampling leaves it."""
    if not values:
        raise ConfigError("An interval needs at least one session: there is no value.")
    if not RESAMPLES_MIN <= resamples <= RESAMPLES_MAX:
        raise ConfigError(f"{resamples!r} resamples are refused: choose {RESAMPLES_MIN} to {RESAMPLES_MAX}.")
    if not 0 < level < 1:
        raise ConfigError(f"A level of {level!r} is refused: choose one between 0 and 1, such as 0.95.")
    chance = Random(seed)
    drawn = sorted(statistic(chance.choices(values, k=len(values))) for _ in range(resamples))
    return Interval(statistic(values), _percentile(drawn, (1 - level) / 2), _percentile(drawn, (1 + level) / 2))


def ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Divide the sum of the first by the sum of the second."""
    below = fsum(pair[1] for pair in pairs)
    if not below:
        raise ConfigError("A ratio needs a denominator: the second numbers of all sessions drawn add up to 0.")
    return fsum(pair[0] for pair in pairs) / below


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Interpolate linearly between the two nearest of the ordered values."""
    place = share * (len(ordered) - 1)
    at = int(place)
    after = ordered[min(at + 1, len(ordered) - 1)]
    return ordered[at] + (place - at) * (after - ordered[at])
