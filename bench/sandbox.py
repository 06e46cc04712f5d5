"""Measure the sandbox: opening one, a command in a live one, a command in a live shell.

    python bench/sandbox.py [--kind bubblewrap|unsafe] [--json]

Targets on an idle machine: ready within 100 ms, a command within 3 ms (medians).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import Kind, open_sandbox
from workhand.sandbox.spec import MachineSpec

OPENINGS, COMMANDS = 20, 300
TARGETS_MS = {"ready": 100.0, "execute": 3.0, "shell": 3.0}


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the sandbox.")
    parser.add_argument("--kind", choices=("bubblewrap", "unsafe"), default="bubblewrap")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        figures = await measure(options.kind, Path(workspace))
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        target = TARGETS_MS[name]
        print(f"{name:8} p50 {figure['p50_ms']:7.2f} ms   p95 {figure['p95_ms']:7.2f} ms   target p50 {target:g} ms")


async def measure(kind: Kind, workspace: Path) -> dict[str, dict[str, float]]:
    ready = []
    for _ in range(OPENINGS):
        started = time.perf_counter()
        sandbox = await open_sandbox(kind, MachineSpec(session="bench", workspace=workspace, owned=True))
        ready.append(time.perf_counter() - started)
        await sandbox.close()
    async with await open_sandbox(kind, MachineSpec(session="bench", workspace=workspace, owned=True)) as sandbox:
        execute = await repeat(lambda: run_true(sandbox))
        shell = await repeat(lambda: run_shell(sandbox))
    return {"ready": summary(ready), "execute": summary(execute), "shell": summary(shell)}


async def run_true(sandbox: DaemonSandbox) -> None:
    await sandbox.execute(("true",), timeout_s=10, output_bytes_max=1_000)


async def run_shell(sandbox: DaemonSandbox) -> None:
    await sandbox.shell_run("main", "true", timeout_s=10, output_bytes_max=1_000)


async def repeat(act: Callable[[], Awaitable[None]]) -> list[float]:
    await act()
    durations = []
    for _ in range(COMMANDS):
        started = time.perf_counter()
        await act()
        durations.append(time.perf_counter() - started)
    return durations


def summary(durations: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(durations, n=20)
    return {"p50_ms": 1_000 * statistics.median(durations), "p95_ms": 1_000 * cuts[-1]}


if __name__ == "__main__":
    asyncio.run(main())
