"""Measure what the local model's cache keeps while a session grows, and what breaks it.

The executor's own prompt and tools, rendered by the core, answered by the real model.
Token counts (reused, processed) are exact and do not depend on the machine; times do.
Ways that break the cache are measured over a sixth of the turns: they take long.
Exits with 1 if a way that must keep the cache does not.  The share reused contains the
first prompt, which nothing can save, so it grows with the turns: the bars are for 30.

    python bench/kv_reuse.py [--turns 30] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from workhand.agents import executor
from workhand.core.events import ModelAnswered, Observation, Phase, Plan, PlanChanged, ToolReturned, UserSaid
from workhand.core.log import Log
from workhand.core.mask import Mask, everything, family
from workhand.core.policy import Policy
from workhand.core.render import render
from workhand.models.local import LocalModel
from workhand.models.local_files import pull

CACHE = Path("~/.cache/workhand").expanduser()
HIT_MIN = 0.94
MASKED_HIT_MIN = 0.95
POLICY = executor.policy("local", seed="bench", answer_tokens_max=512, prompt="executor-small")
NAMES = tuple(spec.name for spec in POLICY.tools)
PLAN = Plan("Tell what notes.txt says", (Phase("Find the file"), Phase("Read it"), Phase("Report")), done=1)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to ask for each answer of a growing session; ``agent`` keeps its prompt apart from the others'."""

    name: str
    agent: str
    policy: Callable[[Policy, int], Policy] = lambda policy, _: policy
    mask: Callable[[int], Mask] = lambda _: everything(NAMES)
    plan: Plan | None = None
    slow: bool = False  # it breaks the cache


WAYS = (
    Way("append only", "one"),
    Way("with a recital", "two", plan=PLAN),
    Way("mask changed", "three", mask=lambda i: family(NAMES, ("file_", "message_", "shell_")[i % 3])),
    Way("time in front", "four", lambda policy, i: prefixed(policy, f"It is 10:{i:02}."), slow=True),
    Way("tool removed", "five", lambda policy, i: replace(policy, tools=policy.tools[i % 2 :]), slow=True),
)


@dataclass(frozen=True, slots=True)
class Row:
    way: str
    turns: int
    valid: int
    input_tokens: int
    cached_tokens: int
    processed_tokens: int
    hit: float
    warm_hit: float  # without the first prompt, which nothing can save
    breaks: int  # answers that reused less than all that had been computed, but for one token
    first_token_median_s: float
    seconds: float


def prefixed(policy: Policy, words: str) -> Policy:
    return replace(policy, system_prompt=f"{words} {policy.system_prompt}")


async def measure(model: LocalModel, way: Way, turns: int) -> Row:
    base = prefixed(POLICY, f"You are agent {way.agent}.")
    log = Log().then(UserSaid("Read notes.txt and tell what it says."))
    log = log.then(PlanChanged(way.plan)) if way.plan else log
    answers: list[ModelAnswered] = []
    valid = breaks = computed = 0
    started = time.monotonic()
    for i in range(turns):
        mask = way.mask(i)
        prompt = render(log, way.policy(base, i))
        answer = await model.answer(prompt, mask, session=way.name, watch=lambda _: None)
        valid += mask.allows(answer.calls[0].tool)
        breaks += answer.usage.cached_tokens < computed
        computed = answer.usage.input_tokens + len(json.loads(answer.opaque or "")["tokens"]) - 1
        answers.append(answer)
        result = Observation(f"Line {i}: the meeting is moved to room {i}.", "notes.txt")
        log = log.then(replace(answer, calls=(replace(answer.calls[0], id=f"c{i}"),))).then(
            ToolReturned(f"c{i}", result)
        )
    sent = sum(answer.usage.input_tokens for answer in answers)
    cached = sum(answer.usage.cached_tokens for answer in answers)
    return Row(
        way=way.name,
        turns=turns,
        valid=valid,
        input_tokens=sent,
        cached_tokens=cached,
        processed_tokens=sent - cached,
        hit=cached / sent,
        warm_hit=(cached - answers[0].usage.cached_tokens) / (sent - answers[0].usage.input_tokens),
        breaks=breaks,
        first_token_median_s=statistics.median(answer.first_token_s or 0.0 for answer in answers),
        seconds=time.monotonic() - started,
    )


async def run(turns: int, show: Callable[[Row], None]) -> dict[str, Row]:
    rows = {}
    with tempfile.TemporaryDirectory() as directory:
        file = await anyio.to_thread.run_sync(pull, CACHE, lambda words: print(words, file=sys.stderr))
        async with LocalModel(file, Path(directory), sessions_max=1, string_chars_max=24) as model:
            for way in WAYS:
                rows[way.name] = await measure(model, way, turns // 6 if way.slow else turns)
                show(rows[way.name])
    return rows


def passed(rows: dict[str, Row]) -> bool:
    kept, masked = rows["append only"], rows["mask changed"]
    return (
        kept.breaks == masked.breaks == 0
        and kept.hit >= HIT_MIN
        and masked.hit >= MASKED_HIT_MIN
        and masked.valid == masked.turns
    )


def show(row: Row) -> None:
    print(
        f"{row.way:15} {row.turns:3} turns, {row.valid:3} valid, {row.input_tokens:6} tokens sent, "
        f"{row.processed_tokens:6} processed, {row.hit:6.1%} reused "
        f"({row.warm_hit:.1%} after the first), {row.breaks:2} breaks, "
        f"first token {row.first_token_median_s:.2f} s, all {row.seconds:.1f} s",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = anyio.run(run, max(12, options.turns), (lambda _: None) if options.json else show)
    if options.json:
        print(json.dumps({"passed": passed(rows), "rows": [asdict(row) for row in rows.values()]}, indent=2))
    return 0 if passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
