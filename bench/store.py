"""Measure the SQLite store: what a durable step costs, alone and in a crowd.

A step is what the runtime writes for one turn: an append of the model's answer
and the start of its tool, the tool's output as a blob (2 to 200 kB of text),
and an append of the result.  Every one of the three is durable before the next.

    python bench/store.py [--sessions 100] [--steps 50] [--json]
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio

from workhand.core.canonical import digest
from workhand.core.events import ModelAnswered, Observation, ToolCall, ToolReturned, ToolStarted, Usage
from workhand.store.sqlite import SqliteStore

WORDS = (Path(__file__).parent.parent / "src" / "workhand" / "store" / "sqlite.py").read_text().split()


@dataclass(frozen=True, slots=True)
class Result:
    sessions: int
    steps: int
    appends_per_s: float
    steps_per_s: float
    append_p50_ms: float
    append_p99_ms: float
    put_p50_ms: float
    cpu_ms_per_append: float  # of the whole process, blobs and making up the text left out
    cpu_ms_per_step: float
    text_kb_per_session: float
    disk_kb_per_session: float
    read_session_ms: float
    python: str


async def run(store: SqliteStore, session: str, outputs: list[bytes], appends: list[float], puts: list[float]) -> None:
    await store.create(session, title="bench", at=0.0)
    claim = await store.claim(session, owner="bench")
    for step, output in enumerate(outputs):
        call = ToolCall(f"c{step}", "shell_run", '{"command":"make test","shell":"main"}')
        answer = ModelAnswered("Let me run the tests.", (call,), Usage(1, 2, 3), "m", 9_000, digest(output))
        started = time.perf_counter()
        await store.append(claim, 3 * step, (answer, ToolStarted(call.id)), at=0.0, status="running")
        appends.append(time.perf_counter() - started)
        started = time.perf_counter()
        blob = await store.put(output)
        puts.append(time.perf_counter() - started)
        observation = Observation(output[:3_000].decode(), "see notes/out.txt", blob=blob)
        started = time.perf_counter()
        await store.append(claim, 3 * step + 2, (ToolReturned(call.id, observation),), at=0.0, status="running")
        appends.append(time.perf_counter() - started)


async def appends_only(store: SqliteStore, session: str, count: int) -> None:
    await store.create(session, title="bench", at=0.0)
    claim = await store.claim(session, owner="bench")
    for position in range(count):
        returned = ToolReturned(f"c{position}", Observation(" ".join(WORDS[:120]), "see notes/out.txt"))
        await store.append(claim, position, (returned,), at=0.0, status="running")


async def measure(sessions: int, steps: int, folder: Path) -> Result:
    chance = random.Random(1)
    outputs = [[text(chance) for _ in range(steps)] for _ in range(sessions)]
    appends: list[float] = []
    puts: list[float] = []

    store = SqliteStore(folder / "steps.db")
    started, cpu = time.perf_counter(), time.process_time()
    async with anyio.create_task_group() as group:
        for number, each in enumerate(outputs):
            group.start_soon(run, store, f"s{number}", each, appends, puts)
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    await store.read("s0")  # imports and builds the decoder
    started = time.perf_counter()
    await store.read("s0")
    read = time.perf_counter() - started
    await store.aclose()

    plain = SqliteStore(folder / "appends.db")
    plain_started, plain_cpu = time.perf_counter(), time.process_time()
    async with anyio.create_task_group() as group:
        for number in range(sessions):
            group.start_soon(appends_only, plain, f"s{number}", 2 * steps)
    plain_elapsed, plain_cpu = time.perf_counter() - plain_started, time.process_time() - plain_cpu
    await plain.aclose()

    appends.sort()
    puts.sort()
    return Result(
        sessions=sessions,
        steps=steps,
        appends_per_s=round(2 * sessions * steps / plain_elapsed),
        steps_per_s=round(sessions * steps / elapsed),
        append_p50_ms=round(1_000 * appends[len(appends) // 2], 2),
        append_p99_ms=round(1_000 * appends[len(appends) * 99 // 100], 2),
        put_p50_ms=round(1_000 * puts[len(puts) // 2], 2),
        cpu_ms_per_append=round(1_000 * plain_cpu / (2 * sessions * steps), 3),
        cpu_ms_per_step=round(1_000 * cpu / (sessions * steps), 3),
        text_kb_per_session=round(sum(len(output) for each in outputs for output in each) / sessions / 1_000),
        disk_kb_per_session=round((folder / "steps.db").stat().st_size / sessions / 1_000),
        read_session_ms=round(1_000 * read, 1),
        python=platform.python_version(),
    )


def text(chance: random.Random) -> bytes:
    """Make 2 to 200 kB of text that deflates about as well as what tools print."""
    size = int(2_000 * 100 ** chance.random())
    start = chance.randrange(len(WORDS))
    words = (f"{WORDS[(start + index * 7) % len(WORDS)]} {chance.randrange(1_000)}" for index in range(size // 9))
    return " ".join(words).encode()[:size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100, help="that work at once (100)")
    parser.add_argument("--steps", type=int, default=50, help="that each takes (50)")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        result = asdict(anyio.run(measure, options.sessions, options.steps, Path(folder)))
    if options.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:22} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
