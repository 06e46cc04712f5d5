"""Measure what a machine costs in each tier: opening it, a command, one in a shell, memory; keeping one and going on.

Memory is the proportional share (PSS) of all its processes on the host, idle after the commands.

    python bench/tiers.py [--openings 20] [--commands 100]
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.gvisor import open_gvisor
from workhand.sandbox.probe import Kind, open_sandbox, probe
from workhand.sandbox.spec import MachineSpec
from workhand.sandbox.tiers import TIERS


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the tiers of machines.")
    parser.add_argument("--openings", type=int, default=20)
    parser.add_argument("--commands", type=int, default=100)
    options = parser.parse_args()
    for kind in (kind for _, kinds in TIERS for kind in kinds):
        found = await probe(kind)
        if isinstance(found, str):
            print(f"{kind:12} not here: {found}")
            continue
        with tempfile.TemporaryDirectory() as workspace:
            spec = MachineSpec(session="bench", workspace=Path(workspace), owned=True)
            await measure(kind, spec, options.openings, options.commands)
            if kind == "gvisor":
                await measure_going_on(spec, options.openings)


async def measure(kind: Kind, spec: MachineSpec, openings: int, commands: int) -> None:
    opened = []
    for _ in range(openings):
        started = time.perf_counter()
        async with await open_sandbox(kind, spec):
            opened.append(time.perf_counter() - started)
    show(kind, "open", opened)
    async with await open_sandbox(kind, spec) as sandbox:
        show(kind, "execute", await repeat(commands, lambda: run_true(sandbox)))
        show(kind, "shell", await repeat(commands, lambda: run_shell(sandbox)))
        show_size(kind, "memory", share_kb(sandbox.pid) << 10)


async def measure_going_on(spec: MachineSpec, times: int) -> None:
    """Measure a checkpoint of a machine with a shell, and opening one that goes on from it."""
    kept, went_on = [], []
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory, "image")
        for _ in range(times):
            async with await open_gvisor(spec) as sandbox:
                await run_shell(sandbox)
                started = time.perf_counter()
                await sandbox.checkpoint(image)
                kept.append(time.perf_counter() - started)
            started = time.perf_counter()
            async with await open_gvisor(spec, image):
                went_on.append(time.perf_counter() - started)
        show("gvisor", "keep", kept)
        show("gvisor", "go on", went_on)
        show_size("gvisor", "image", size_bytes(image))


async def run_true(sandbox: DaemonSandbox) -> None:
    await sandbox.execute(("true",), timeout_s=10, output_bytes_max=1_000)


async def run_shell(sandbox: DaemonSandbox) -> None:
    await sandbox.shell_run("main", "true", timeout_s=10, output_bytes_max=1_000)


async def repeat(times: int, act: Callable[[], Awaitable[None]]) -> list[float]:
    await act()
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        await act()
        durations.append(time.perf_counter() - started)
    return durations


def share_kb(pid: int) -> int:
    """Add up the proportional shares of a process and all that descend from it."""
    share = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = {child for thread in threads for child in (thread / "children").read_text().split()}
    return int(share[1] if share else 0) + sum(share_kb(int(child)) for child in children)


def size_bytes(path: Path) -> int:
    return path.stat().st_size


def show_size(kind: str, name: str, size: int) -> None:
    print(f"{kind:12} {name:9} {size / 2**20:12.1f} MiB")


def show(kind: str, name: str, durations: list[float]) -> None:
    middle, most = statistics.median(durations), statistics.quantiles(durations, n=20)[-1]
    print(f"{kind:12} {name:9} p50 {1_000 * middle:8.2f} ms   p95 {1_000 * most:8.2f} ms   n {len(durations)}")


if __name__ == "__main__":
    asyncio.run(main())
