"""Open many machines at once, and very many one after the other: ``python -m bench.soak``.

Then a child process opens machines and is killed at a random moment, again and again, and what it left is swept.
Afterwards nothing may be left: no record, no control group with a process in it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio

from workhand.core.policy import Isolation
from workhand.sandbox import register
from workhand.sandbox.limits import find_groups
from workhand.sandbox.slots import group_name, state_directory, try_slot
from workhand.sandbox.spec import MachineSpec
from workhand.sandbox.tiers import open_machine

AT_ONCE = 8  # that are being opened
KILL_S = 1.5


async def together(least: Isolation, count: int, directory: Path) -> None:
    """Have machines open at the same time, and run a program in each."""
    before, began = available(), time.perf_counter()
    limiter = anyio.CapacityLimiter(AT_ONCE)
    async with AsyncExitStack() as opened:
        machines = []

        async def open_one(number: int) -> None:
            async with limiter:
                workspace = directory / f"at-once-{number}"
                workspace.mkdir()
                spec = MachineSpec(session=f"soak-{number}", workspace=workspace, owned=True)
                machines.append(await opened.enter_async_context(await open_machine(least, spec)))

        async with anyio.create_task_group() as group:
            for number in range(count):
                group.start_soon(open_one, number)
        opening, began = time.perf_counter() - began, time.perf_counter()
        async with anyio.create_task_group() as group:
            for machine in machines:
                group.start_soon(partial(machine.execute, ("true",), timeout_s=60, output_bytes_max=10))
        ran, used, began = time.perf_counter() - began, before - available(), time.perf_counter()
    closing = time.perf_counter() - began
    print(f"{count} at once: opened in {opening:.1f} s, a program in each {ran:.2f} s, closed in {closing:.1f} s")
    print(f"  {used / count / (1 << 20):.1f} MiB each")


async def one_by_one(least: Isolation, count: int, directory: Path) -> None:
    began = time.perf_counter()
    workspace = directory / "one-by-one"
    workspace.mkdir()
    for number in range(count):
        spec = MachineSpec(session=f"soak-{number}", workspace=workspace, owned=True)
        async with await open_machine(least, spec) as machine:
            await machine.execute(("true",), timeout_s=60, output_bytes_max=10)
    each_ms = (time.perf_counter() - began) / count * 1_000
    print(f"{count} one after the other: {each_ms:.0f} ms each, opened, used and closed")


def killed(least: Isolation, kills: int, directory: Path, chance: random.Random) -> None:
    """Kill a process that opens machines, and sweep."""
    swept = 0
    for number in range(kills):
        place = directory / f"killed-{number}"
        place.mkdir()
        child = subprocess.Popen([sys.executable, "-m", "bench.soak", "--victim", str(place), "--least", least])
        time.sleep(chance.uniform(0.3, KILL_S))
        child.send_signal(signal.SIGKILL)
        child.wait()
        swept += len(register.sweep())
    time.sleep(0.5)
    register.sweep()
    print(f"{kills} kills: {swept} machines were still on the list, and swept")


def left() -> dict[str, int]:
    """Count what machines have left on this host; those that others have open at the moment are theirs."""
    groups = find_groups()
    parents = [parent for _, parent in groups.parents] if groups else []
    return {
        "records": sum(not machine.held for machine in register.machines()),
        "control groups": sum(is_free(group) for parent in parents for group in parent.glob(group_name("*"))),
        "bundles of gVisor": sum(is_free(bundle) for bundle in state_directory().glob("gvisor-*")),
        "group records": sum(is_free(record) for record in state_directory().glob(group_name("*"))),
    }


def is_free(path: Path) -> bool:
    """Say whether no machine lives in the slot that a path is named after."""
    slot = try_slot(state_directory(), int(path.name.rpartition("-")[2]))
    if slot is not None:
        os.close(slot.fd)
    return slot is not None


def available() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))) << 10


async def victim(least: Isolation, directory: Path) -> None:
    async with AsyncExitStack() as opened:
        for number in range(100):
            workspace = directory / str(number)
            workspace.mkdir()
            spec = MachineSpec(session=f"victim-{number}", workspace=workspace, owned=True)
            machine = await opened.enter_async_context(await open_machine(least, spec))
            await machine.shell_run("a", "sleep 1000 &", timeout_s=5, output_bytes_max=10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", default="namespace", choices=["none", "namespace", "kernel", "vm"])
    parser.add_argument("--together", type=int, default=100)
    parser.add_argument("--one-by-one", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victim", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.victim:
        anyio.run(victim, asked.least, asked.victim)
        sys.exit()
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(together, asked.least, asked.together, Path(directory))
        anyio.run(one_by_one, asked.least, asked.one_by_one, Path(directory))
        killed(asked.least, asked.kills, Path(directory), random.Random(asked.seed))
    print("left:", ", ".join(f"{count} {what}" for what, count in left().items()))
