"""Resource exhaustion: a program takes all it can get, and the host sees how far it comes.

Each attempt is bounded by itself, too, so that one that is not held does not take the host along.  Some are held by
control groups only: where none can be made, a sentence in the capabilities says that memory is limited per process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio

from tests.sandbox.escaping.outside import processes
from workhand.core.ports import Delta, Executed
from workhand.errors import SandboxLost
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.limits import MIB, SandboxLimits

Attempt = Callable[[DaemonSandbox], Awaitable[str | None]]

LIMITS = SandboxLimits(processes=64, memory_bytes=256 * MIB, open_files=256, tmp_bytes=64 * MIB)
PROCESSES_OUTSIDE_MAX = {"bubblewrap": 64, "gvisor": 2_400, "qemu": 64}  # gVisor has more of them for each one inside
SHORT_S, LIMIT_S, GONE_S, STEP_S = 0.4, 60.0, 10.0, 0.01
ROOM = 1_000
LIVE_BYTES_MAX = 2 << 20  # 32 KiB in each twentieth of a second, with room for a slow end
FREE = b"free"
TRY = "import os, threading\ntry:\n{}\nexcept (OSError, MemoryError, RuntimeError): print('held')\nelse: print('free')"

BOMB = "f() { f | f & }; f; for i in $(seq 200); do sleep 1000 & done; sleep 1000"
SPIN = "trap '' HUP INT QUIT TERM PIPE; while :; do :; done"
FILL = "    fd = os.open('{}', os.O_WRONLY | os.O_CREAT)\n    for _ in range(512): os.write(fd, bytes(1 << 20))"
PROGRAMS: Mapping[str, str] = {
    "threads": (
        "    wait = threading.Event().wait\n"
        "    for _ in range(2_000): threading.Thread(target=wait, daemon=True).start()"
    ),
    "memory of a program": "    bytearray(1 << 30)",
    "room in /tmp": FILL.format("/tmp/full"),
    "room in /run": FILL.format("/run/full"),
    "room in /dev/shm": FILL.format("/dev/shm/full"),
    "open files": "    kept = [os.open('/', 0) for _ in range(10_000)]",
    "pipes": "    kept = [os.pipe() for _ in range(10_000)]",
    "terminals": "    kept = [os.openpty() for _ in range(5_000)]",
}
GROUPED: Mapping[str, str] = {
    "memory of no program": "    fd = os.memfd_create('x')\n    for _ in range(512): os.write(fd, bytes(1 << 20))",
    "names of files": "    for n in range(400_000): os.symlink('x', f'/tmp/{n}')",
}
"""Held by control groups only."""


async def run_program(body: str, machine: DaemonSandbox) -> str | None:
    """Run a program that takes something until it is refused, is killed, or takes its machine along."""
    done = await begun(machine, "python3", "-c", TRY.format(body))
    await begun(machine, "find", "/tmp", "/run", "/dev/shm", "-mindepth", "1", "-delete")
    return "It got all that it asked for." if FREE in done.stdout or done.exit_code is None else None


async def begun(machine: DaemonSandbox, *argv: str) -> Executed:
    """Run a program as soon as there is room for it: what an attempt has left is killed, but not gone at once."""
    with anyio.fail_after(2 * LIMIT_S):
        while True:
            try:
                return await machine.execute(argv, timeout_s=LIMIT_S, output_bytes_max=ROOM)
            except BlockingIOError:
                await anyio.sleep(0.1)


async def fork_without_end(machine: DaemonSandbox) -> str | None:
    await machine.execute(("bash", "-c", BOMB), timeout_s=SHORT_S, output_bytes_max=ROOM)
    count, most = len(processes(machine.pid)), PROCESSES_OUTSIDE_MAX[machine.capabilities.backend]
    return None if count <= most else f"There are {count} processes outside."


async def print_without_end(machine: DaemonSandbox) -> str | None:
    done = await machine.execute(("sh", "-c", "yes & yes >&2"), timeout_s=SHORT_S, output_bytes_max=ROOM)
    return None if max(len(done.stdout), len(done.stderr)) <= ROOM else "More came out than was asked for."


async def print_live_without_end(machine: DaemonSandbox) -> str | None:
    shown: list[int] = []

    def watch(delta: object) -> None:
        assert isinstance(delta, Delta)
        shown.append(len(delta.text))

    await machine.execute(("yes",), timeout_s=SHORT_S, output_bytes_max=ROOM, watch=watch)
    return None if sum(shown) <= LIVE_BYTES_MAX else f"{sum(shown)} characters came out live."


async def print_in_a_shell_without_end(machine: DaemonSandbox) -> str | None:
    done = await machine.shell_run("flood", "yes", timeout_s=SHORT_S, output_bytes_max=ROOM)
    await machine.shell_input("flood", "\x03")
    return None if len(done.stdout) <= ROOM else "More came out than was asked for."


async def spin(machine: DaemonSandbox) -> str | None:
    done = await machine.execute(("bash", "-c", SPIN), timeout_s=SHORT_S, output_bytes_max=ROOM)
    look = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $p | grep -q '^bash -c trap' && echo left; done; echo seen"
    left = await machine.execute(("bash", "-c", look), timeout_s=LIMIT_S, output_bytes_max=ROOM)
    return None if (done.exit_code, left.stdout) == (None, b"seen\n") else f"It went on: {done}, {left}"


CLASS = "resource exhaustion"
ENDLESS: Mapping[str, Attempt] = {
    "output": print_without_end,
    "live output on the wire": print_live_without_end,
    "output of a shell": print_in_a_shell_without_end,
    "processor time, deaf to signals": spin,
}
"""Made side by side: each lasts for a while."""
IN_TURN: dict[str, Attempt] = {
    **{name: partial(run_program, body) for name, body in PROGRAMS.items()},
    "processes": fork_without_end,
}
BY_GROUPS: dict[str, Attempt] = {name: partial(run_program, body) for name, body in GROUPED.items()}
NOT_BY_RLIMITS = {"gvisor": ("memory of a program",)}
LAST = "processes after the end"


async def attempts(open_machine: Callable[[], Awaitable[DaemonSandbox]]) -> dict[str, str | None]:
    """Make all attempts, and look at what is left when the machine is closed.  One that is lost is all that is."""
    found: dict[str, str | None] = {}

    async def make(name: str, attempt: Attempt) -> None:
        found[f"{CLASS}: {name}"] = await attempt(machine)

    machine = await open_machine()
    try:
        async with anyio.create_task_group() as group:
            for name, attempt in ENDLESS.items():
                group.start_soon(make, name, attempt)
        for name, attempt in limited(machine).items():
            try:
                await make(name, attempt)
            except SandboxLost:
                found[f"{CLASS}: {name}"] = None
                await machine.close()
                machine = await open_machine()
        left = await leave_processes(machine)
    finally:
        await machine.close()
    there = await outliving(left)
    return found | {f"{CLASS}: {LAST}": f"There are {there}." if there else None}


def limited(machine: DaemonSandbox) -> dict[str, Attempt]:
    """Leave out what a machine says that it does not limit: some things are limited by control groups only."""
    given = machine.capabilities
    if given.limits != "rlimits":
        return IN_TURN | BY_GROUPS
    return {name: attempt for name, attempt in IN_TURN.items() if name not in NOT_BY_RLIMITS.get(given.backend, ())}


async def outliving(pids: list[int]) -> list[int]:
    """Give those of the processes that do not end within a while."""
    for _ in range(int(GONE_S / STEP_S)):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            break
        await anyio.sleep(STEP_S)
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def leave_processes(machine: DaemonSandbox) -> list[int]:
    """Start what wants to stay, and list all that must go."""
    stay = f'for i in 1 2 3; do setsid bash -c "{SPIN}" & done; (nohup sleep 1000 &); echo'
    for _ in range(int(GONE_S / STEP_S)):  # what came before may still be going, and counts until it has gone
        with suppress(BlockingIOError):
            await machine.shell_run("last", stay, timeout_s=LIMIT_S, output_bytes_max=ROOM)
            break
        await anyio.sleep(STEP_S)
    else:
        raise AssertionError(f"No process could be started within {GONE_S} s of the attempts before.")
    return processes(machine.pid)
