"""Measure the core and the loop: deciding, rendering, memory, and what a step costs in all.

The model and the tools are fakes that take no time, so what is measured is ours
alone.  ``decide`` and ``render`` are measured at the end of a session of 1,000
calls with 2 kB of output each, none of it compacted; steps go through the real runtime
into the SQLite store, under the usual window, every one durable
(``synchronous=FULL``), each with its original kept as a blob.  Times in ``cpu``
are of the processor, so others on the machine disturb them less.

    python bench/core.py [--calls 1000] [--sessions 100] [--steps 40] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import anyio

from workhand.agents import executor
from workhand.core.canonical import digest
from workhand.core.consent.rules import Answer
from workhand.core.decide import decide
from workhand.core.events import (
    ActForeseen,
    Event,
    ModelAnswered,
    Observation,
    Phase,
    Plan,
    PlanChanged,
    SessionStarted,
    ToolCall,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Limits, Policy
from workhand.core.ports import Outcome, Watch
from workhand.core.prompt import Prompt
from workhand.core.render import render
from workhand.core.schedule import due
from workhand.runtime.wake import Runtime
from workhand.store.codec import decode, encode
from workhand.store.sqlite import SqliteStore
from workhand.testing.clock import StepClock

OUTPUT = ("0123456789abcdef and so on\n" * 80)[:2_000]
PLAN_ARGUMENTS = '{"done":0,"goal":"a report","phases":["look","write"]}'
LATEST = 200  # of the steps: at these ``decide`` is measured
RENDERS = 50
ENDLESS = 100_000_000  # a window in which nothing is ever compacted


@dataclass(frozen=True, slots=True)
class Result:
    calls: int
    decide_p50_ms: float
    decide_p99_ms: float
    decide_pure_p99_ms: float  # when every call only reads, so that a repeated failure is looked for in all of them
    schedule_ms: float  # what reduction is due, from nothing
    render_p50_ms: float
    render_first_ms: float
    log_mb: float  # encoded
    memory_ratio: float  # of a log read from its bytes, to those bytes
    memory_rendered_ratio: float
    step_cpu_ms: float  # one session alone, the whole process
    step_wall_ms: float
    long_step_cpu_ms: float  # one session of as many calls
    crowd_sessions: int
    crowd_steps_per_s: float
    crowd_step_cpu_ms: float
    python: str


def policy(window_tokens: int | None = None) -> Policy:
    return executor.policy("fake:one", seed="bench", window_tokens=window_tokens, limits=Limits(steps=None))


def events(calls: int, tools: tuple[str, ...]) -> list[Event]:
    """Write down a session that has planned and then made ``calls`` calls."""
    plan = Plan("a report", (Phase("look"), Phase("write")))
    said: list[Event] = [SessionStarted(policy(ENDLESS)), UserSaid("Write a report.")]
    said += [
        answered("p", "plan_update", PLAN_ARGUMENTS),
        PlanChanged(plan),
        ToolReturned("p", Observation("ok", "ok")),
    ]
    for number in range(calls):
        id = f"c{number}"
        said += [
            answered(id, tools[number % len(tools)], f'{{"path":"{id}"}}'),
            ToolStarted(id),
            ToolReturned(id, seen(id)),
        ]
    return said


def answered(id: str, tool: str, arguments: str) -> ModelAnswered:
    usage = Usage(input_tokens=900, output_tokens=30, cost_usd=0.001)
    return ModelAnswered("", (ToolCall(id, tool, arguments),), usage, "fake", 3_600, digest(id.encode()), 0.1, 0.2)


def seen(id: str) -> Observation:
    path = f".workhand/results/{id}.txt"
    return Observation(f"{id} {OUTPUT}", f"all in {path}", True, digest(id.encode()), path)


def decisions(record: list[Event]) -> list[float]:
    """Time every decision of the last steps of a session, in milliseconds."""
    chosen = policy(ENDLESS)
    log = Log.of(Entry(position, float(position), event) for position, event in enumerate(record[: -3 * LATEST]))
    times = []
    for event in record[-3 * LATEST :]:
        log = log.then(event, float(log.head))
        if not isinstance(event, ToolStarted):
            times.append(milliseconds(partial(decide, log, chosen)))
    return sorted(times)


def milliseconds(act: Callable[[], object]) -> float:
    """Time an act on the processor: others may share the machine."""
    started = time.thread_time()
    act()
    return 1_000 * (time.thread_time() - started)


def footprint(record: list[Event]) -> tuple[int, int, int]:
    """Give the bytes of a log: encoded, read into memory, and rendered as well."""
    bodies = [encode(event) for event in record]
    decode(bodies[0], "s", 0)  # imports and builds the decoder
    gc.collect()
    tracemalloc.start()
    log = Log.of(Entry(position, float(position), decode(body, "s", position)) for position, body in enumerate(bodies))
    gc.collect()
    read = tracemalloc.get_traced_memory()[0]
    render(log, log.policy)
    gc.collect()
    rendered = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return sum(map(len, bodies)), read, rendered


class FakeModel:
    """Plans, makes ``calls`` calls and delivers, for each session."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.answers: Counter[str] = Counter()

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        number = self.answers[session]
        self.answers[session] += 1
        tool = "plan_update" if number == 0 else "shell_run" if number <= self.calls else "message_result"
        answer = answered("", tool, PLAN_ARGUMENTS if number == 0 else f'{{"command":"run {number}"}}')
        return replace(answer, usage=Usage(input_tokens=prompt.size // 4, output_tokens=30, cost_usd=0.001))


class FakeToolbox:
    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        return Outcome("", call.tool, f"{call.id} {OUTPUT}".encode())

    def foresee(self, call: ToolCall) -> ActForeseen:
        return ActForeseen(call.id, "look")

    def heed(self, answers: tuple[Answer, ...]) -> None:
        pass

    async def keep(self, path: str, content: bytes) -> None:
        self.digests[path] = digest(content)

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return {path: self.digests[path] for path in paths if path in self.digests}

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        return ()

    async def save(self, snapshots: tuple[str, ...]) -> None:
        return None


async def steps(folder: Path, sessions: int, calls: int) -> tuple[float, float]:
    """Run sessions at once; give the seconds that passed, and those that this process worked."""
    store = SqliteStore(folder / f"{sessions}-{calls}.db")
    runtime = Runtime(store, store, FakeModel(calls), FakeToolbox(), StepClock(), lambda entry: None)
    for number in range(sessions):
        await store.create(f"s{number}", title="bench", at=0.0)
        claim = await store.claim(f"s{number}", owner="bench")
        begun = (SessionStarted(policy()), UserSaid("Write a report."))
        await store.append(claim, 0, begun, at=0.0, status="runnable")
    await store.read("s0")  # imports and builds the decoder
    started, worked = time.perf_counter(), time.process_time()
    async with anyio.create_task_group() as group:
        for number in range(sessions):
            group.start_soon(wake, runtime, f"s{number}")
    passed = time.perf_counter() - started, time.process_time() - worked
    await store.aclose()
    return passed


async def wake(runtime: Runtime, session: str) -> None:
    log = await runtime.wake(session, owner="bench")
    assert log.events[-1].kind == "SessionEnded"


def measure(calls: int, sessions: int, count: int, folder: Path) -> Result:
    record = events(calls, ("file_read", "shell_run", "shell_run"))
    mixed, pure = decisions(record), decisions(events(calls, ("file_read",)))
    log, chosen = Log.of(Entry(position, 0.0, event) for position, event in enumerate(record)), policy(ENDLESS)
    first = milliseconds(lambda: render(log, chosen))
    renders = sorted(milliseconds(lambda: render(log, chosen)) for _ in range(RENDERS))
    encoded, read, rendered = footprint(record)
    alone_passed, alone_worked = anyio.run(steps, folder, 1, 200)
    _, long_worked = anyio.run(steps, folder, 1, calls)
    crowd_passed, crowd_worked = anyio.run(steps, folder, sessions, count)
    return Result(
        calls=calls,
        decide_p50_ms=round(mixed[len(mixed) // 2], 3),
        decide_p99_ms=round(mixed[len(mixed) * 99 // 100], 3),
        decide_pure_p99_ms=round(pure[len(pure) * 99 // 100], 3),
        schedule_ms=round(milliseconds(lambda: due(log, chosen)), 3),
        render_p50_ms=round(renders[len(renders) // 2], 3),
        render_first_ms=round(first, 2),
        log_mb=round(encoded / 1e6, 2),
        memory_ratio=round(read / encoded, 2),
        memory_rendered_ratio=round(rendered / encoded, 2),
        step_cpu_ms=round(1_000 * alone_worked / 202, 3),
        step_wall_ms=round(1_000 * alone_passed / 202, 3),
        long_step_cpu_ms=round(1_000 * long_worked / (calls + 2), 3),
        crowd_sessions=sessions,
        crowd_steps_per_s=round(sessions * (count + 2) / crowd_passed),
        crowd_step_cpu_ms=round(1_000 * crowd_worked / (sessions * (count + 2)), 3),
        python=platform.python_version(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000, help="of the session that is decided and rendered (1000)")
    parser.add_argument("--sessions", type=int, default=100, help="that work at once (100)")
    parser.add_argument("--steps", type=int, default=40, help="that each of them takes (40)")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        result = asdict(measure(options.calls, options.sessions, options.steps, Path(folder)))
    if options.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:22} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
