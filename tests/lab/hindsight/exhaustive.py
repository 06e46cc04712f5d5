"""The cheapest schedule by trying everything: an independent answer to compare the search with.

A state is the set of results that are compact; at each call every larger set of
eligible results is tried.  Nothing is shared with the code under test but the
values that describe a session.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from math import inf

from workhand.core.policy import Prices
from workhand.lab.hindsight.optimum import Instance, Result, Step

PRICES = (
    *(Prices(read=read) for read in (0.1, 0.05, 0.025)),
    Prices(write=1.0, read=0.02, output=4.0),
    Prices(write=1.0, read=0.25, output=3.0),
)


def cheapest(instance: Instance) -> float:
    """Give the least cost of all schedules whose prompts keep the limit, or are as short as they can be."""
    price, limit = instance.prices, instance.limit_tokens
    born = [number for number, step in enumerate(instance.steps) for _ in step.results]
    penalty = [result.penalty for step in instance.steps for result in step.results]
    sizes = _Sizes(instance)
    spent_by = {0: 0.0}
    for number, step in enumerate(instance.steps):
        known = sum(each < number for each in born)
        free = [each for each in range(known - instance.keep) if born[each] < number - 1]
        least = min(sizes.prompt(number, mask) for mask in _subsets(sum(1 << each for each in free)))
        reached: dict[int, float] = {}
        for old, spent in spent_by.items():
            for added in _subsets(sum(1 << each for each in free if not old >> each & 1)):
                length = sizes.prompt(number, old | added)
                if limit is not None and length > max(limit, least):
                    continue
                read = 0 if step.cold or not number else sizes.shared(number, old, added)
                total = spent + read * price.read + (length - read) * price.write
                total += sum(each for index, each in enumerate(penalty) if added >> index & 1)
                reached[old | added] = min(reached.get(old | added, inf), total)
        spent_by = reached
    output = sum(step.answer_tokens + step.dropped_tokens for step in instance.steps)
    return min(spent_by.values()) + output * price.output


class _Sizes:
    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.prompt = cache(self._prompt)
        self._before = cache(self._before_result)

    def shared(self, number: int, old: int, added: int) -> int:
        """Give what a prompt has in common with the one before if these results become compact."""
        first = (added & -added).bit_length() - 1
        return self._before(first, old) if added else self.prompt(number - 1, old)

    def _prompt(self, number: int, mask: int) -> int:
        tokens, result = self._instance.prefix_tokens, 0
        for step in self._instance.steps[:number]:
            tokens += step.said_tokens + step.answer_tokens
            for each in step.results:
                tokens += each.compact if mask >> result & 1 else each.full
                result += 1
        return tokens + self._instance.steps[number].said_tokens

    def _before_result(self, wanted: int, mask: int) -> int:
        tokens, result = self._instance.prefix_tokens, 0
        for step in self._instance.steps:
            tokens += step.said_tokens + step.answer_tokens
            for each in step.results:
                if result == wanted:
                    return tokens
                tokens += each.compact if mask >> result & 1 else each.full
                result += 1
        raise AssertionError(wanted)


def _subsets(mask: int) -> Iterator[int]:
    subset = mask
    while subset:
        yield subset
        subset = (subset - 1) & mask
    yield 0


def made_up(seed: int, *, limited: bool = False, penalised: bool = False) -> Instance:
    """Make a small session of 5 to 11 calls; every third has no cold call behind its first."""
    chance = random.Random(seed)
    steps, left = [], 7  # results at most: each triples the work
    for _ in range(chance.randint(5, 11)):
        count = min(left, chance.choices((0, 1, 2), (1, 6, 1))[0])
        left -= count
        results = tuple(_result(chance, penalised) for _ in range(count))
        said = chance.choice((0, 0, 0, chance.randint(1, 60)))
        cold = bool(seed % 3) and chance.random() < 0.2
        steps.append(Step(chance.randint(1, 40), results, said, chance.choice((0, 9)), cold))
    full = sum(step.said_tokens + step.answer_tokens + sum(each.full for each in step.results) for step in steps)
    prefix = chance.choice((0, 50, 300))
    limit = prefix + int(full * chance.uniform(0.2, 0.9)) if limited else None
    return Instance(tuple(steps), PRICES[seed % len(PRICES)], prefix, chance.choice((0, 1, 1, 2, 3)), limit)


def _result(chance: random.Random, penalised: bool) -> Result:
    full = 1 + int(chance.lognormvariate(5.0, 1.35))
    compact = chance.choice((0, 5, 20, 20, 20, full))
    return Result(full, compact, chance.uniform(0, 0.6) * full if penalised else 0.0)
