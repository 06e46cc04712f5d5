"""How long the hindsight optimum takes, and how far append-only is from it, on made-up sessions of 300 calls.

Results are log-normal (median 900 tokens, sigma 1.35), pointers have 40 tokens, answers 50 to 350, the prefix 12,000;
W is 1.25, output 5, the newest three results stay full, no call is cold.  Times are of the processor, the worst of ten.

    python bench/optimum.py
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import TypeVar

from workhand.core.policy import Prices
from workhand.lab.hindsight.optimum import Instance, Result, Schedule, Step, cost, lower_bound, optimum

CALLS = 300
LIMIT_TOKENS = 96_000
SEEDS = range(10)

Found = TypeVar("Found")


def main() -> None:
    for read in (0.025, 0.05, 0.1):
        sessions = [made_up(seed, read) for seed in SEEDS]
        bounds, bound_s = timed(lower_bound, sessions)
        limited, limited_s = timed(optimum, [replace(each, limit_tokens=LIMIT_TOKENS) for each in sessions])
        ratios = [cost(session, ()) / bound for session, bound in zip(sessions, bounds, strict=True)]
        exact = sum(not schedule.gap for schedule in limited)
        print(
            f"R {read:<5}  append-only / bound {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})  "
            f"bound {bound_s:.2f} s  optimum within {LIMIT_TOKENS:,} tokens {limited_s:.2f} s, {exact} of 10 exact, "
            f"{dearer(limited, bounds):.3f} of the bound"
        )


def made_up(seed: int, read: float) -> Instance:
    chance = random.Random(seed)
    steps = []
    for _ in range(CALLS):
        full = max(1, round(chance.lognormvariate(math.log(900), 1.35)))
        steps.append(Step(chance.randint(50, 350), (Result(full, min(full, 40)),)))
    return Instance(tuple(steps), Prices(read=read), prefix_tokens=12_000)


def timed(search: Callable[[Instance], Found], sessions: list[Instance]) -> tuple[list[Found], float]:
    found, longest_s = [], 0.0
    for session in sessions:
        start_s = time.process_time()
        found.append(search(session))
        longest_s = max(longest_s, time.process_time() - start_s)
    return found, longest_s


def dearer(limited: list[Schedule], bounds: list[float]) -> float:
    return median(schedule.cost / bound for schedule, bound in zip(limited, bounds, strict=True))


if __name__ == "__main__":
    main()
