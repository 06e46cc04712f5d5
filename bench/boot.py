"""Measure virtual machines: opening one, a command in a live one, what it takes on the host.

    python bench/boot.py [--boots 5] [--json]

The kernel must have been fetched.  Memory is the share of all of the machine's processes (PSS), right after the start
and after the commands.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.limits import MIB
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import CACHE, MachineSpec
from workhand.sandbox.vm import kernel

COMMANDS = 100


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure virtual machines.")
    parser.add_argument("--boots", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        figures = await measure(options.boots, Path(workspace))
    boot = kernel.find(CACHE.expanduser() / "vm")
    figures["kernel_mib"] = (boot.directory / "vmlinux").stat().st_size / MIB
    figures["initramfs_mib"] = len(kernel.initramfs(boot)) / MIB
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:<20} {figure:8.2f}")


async def measure(boots: int, workspace: Path) -> dict[str, float]:
    ready, execute, closing, fresh, used = [], [], [], [], []
    for _ in range(boots):
        started = time.perf_counter()
        sandbox = await open_sandbox("qemu", MachineSpec(session="bench", workspace=workspace, owned=True))
        ready.append(time.perf_counter() - started)
        fresh.append(shared_mib(sandbox.pid))
        execute += [await run_true(sandbox) for _ in range(COMMANDS // boots)]
        used.append(shared_mib(sandbox.pid))
        started = time.perf_counter()
        await sandbox.close()
        closing.append(time.perf_counter() - started)
    return {
        "boots": boots,
        "ready_s_p50": statistics.median(ready),
        "ready_s_max": max(ready),
        "execute_ms_p50": 1_000 * statistics.median(execute),
        "execute_ms_p95": 1_000 * statistics.quantiles(execute, n=20)[-1],
        "close_s_p50": statistics.median(closing),
        "fresh_mib_p50": statistics.median(fresh),
        "used_mib_p50": statistics.median(used),
    }


async def run_true(sandbox: DaemonSandbox) -> float:
    started = time.perf_counter()
    await sandbox.execute(("true",), timeout_s=30, output_bytes_max=1_000)
    return time.perf_counter() - started


def shared_mib(pid: int) -> float:
    """Sum what a process and its descendants take, where a page that several have counts in parts."""
    own = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(own[1]) / 1_024 if own else 0.0) + sum(shared_mib(int(child)) for child in children)


if __name__ == "__main__":
    asyncio.run(main())
