"""Intervals over sessions: they hold what they promise, and a pair stays a pair."""

from __future__ import annotations

from math import sqrt
from random import Random
from statistics import fmean

import pytest

from workhand.errors import ConfigError
from workhand.lab.intervals import Interval, interval, ratio


def test_the_interval_of_a_mean_is_two_standard_errors_wide_on_each_side() -> None:
    values = [Random(seed).gauss(10, 2) for seed in range(400)]
    found = interval(values, fmean, seed=1)
    spread = sqrt(fmean([(value - found.value) ** 2 for value in values]) / len(values))
    assert found.high - found.value == pytest.approx(1.96 * spread, rel=0.1)
    assert found.value - found.low == pytest.approx(1.96 * spread, rel=0.1)


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    held = 0
    for seed in range(200):
        chance = Random(seed)
        found = interval([chance.expovariate(1.0) for _ in range(60)], fmean, seed=seed, resamples=400)
        held += found.low <= 1.0 <= found.high
    assert held / 200 == pytest.approx(0.94, abs=0.04)


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios() -> None:
    assert interval([(1.0, 1.0), (30.0, 10.0)], ratio).value == 31 / 11


def test_a_ratio_that_every_session_shares_has_no_width() -> None:
    pairs = [(0.5 * size, float(size)) for size in (1, 10, 100, 1_000, 10_000)]
    assert interval(pairs, ratio) == Interval(0.5, 0.5, 0.5)


def test_one_session_leaves_no_room() -> None:
    assert interval([3.0], fmean) == Interval(3.0, 3.0, 3.0)


def test_the_same_seed_gives_the_same_interval_and_another_a_near_one() -> None:
    pairs = [(float(1 + number % 7), float(2 + number % 5)) for number in range(130)]
    first, again, other = (interval(pairs, ratio, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert other.low == pytest.approx(first.low, rel=0.02)


def test_a_higher_level_is_wider() -> None:
    values = [float(number) for number in range(100)]
    narrow, wide = interval(values, fmean, level=0.5), interval(values, fmean, level=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize(
    ("values", "resamples", "level", "complaint"),
    [
        ([], 2_000, 0.95, "at least one session"),
        ([1.0], 99, 0.95, "99 resamples"),
        ([1.0], 100_001, 0.95, "100001 resamples"),
        ([1.0], 2_000, 95.0, "level of 95.0"),
    ],
)
def test_what_gives_no_interval_is_refused(values: list[float], resamples: int, level: float, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        interval(values, fmean, resamples=resamples, level=level)


def test_a_ratio_without_a_denominator_is_refused() -> None:
    with pytest.raises(ConfigError, match="add up to 0"):
        interval([(1.0, 0.0)], ratio)
