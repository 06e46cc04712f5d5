"""Symlink and race attacks: links out of the machine lie where file operations look, or are swapped in.

Outside lies a directory of the test's, with a file and a secret in it.  Whatever is planted in the workspace, no
operation may read from there or change what is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.escaping.inside.swapping import PLACES
from workhand.core.ports import Outcome
from workhand.sandbox.client import DaemonSandbox
from workhand.tools import file, message
from workhand.tools.folder import Folder

SECRET = b"of the host, not to be seen"
ROUNDS = 20
KEPT = ".workhand/results/raced.txt"


@dataclass(frozen=True, slots=True)
class Race:
    machine: DaemonSandbox
    outside: Path  # what the links lead to
    folder: Folder

    def state(self) -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mode) for path in self.outside.iterdir()}


def lay_out(outside: Path) -> None:
    """Make what is outside, or make it again as it was."""
    outside.mkdir(exist_ok=True)
    for path in outside.iterdir():
        path.unlink()
    for name in ("file", *PLACES):
        (outside / name).write_bytes(SECRET)


async def read(race: Race, path: str) -> bytes:
    return await race.machine.read(path, bytes_max=100)


async def status(race: Race, path: str) -> bytes:
    found = await race.machine.status(path, digest=True)
    return SECRET if found is not None and found.bytes == len(SECRET) else b""


async def write(race: Race, path: str) -> bytes:
    await race.machine.write(path, b"x")
    return b""


async def edit(race: Race, path: str) -> bytes:
    return said(await file.file_edit(file.FileEdit(path, "host", "most"), race.machine))


async def file_read(race: Race, path: str) -> bytes:
    return said(await file.file_read(file.FileRead(path), race.machine))


async def deliver(race: Race, path: str) -> bytes:
    delivered: list[bytes] = []

    async def take(path: str, content: bytes) -> None:
        delivered.append(content)

    async def search(content: bytes) -> tuple[str, ...]:
        return ()

    await message.message_result(message.MessageResult("done", (path,)), race.machine, take, search)
    return b"".join(delivered)


async def run(race: Race, path: str) -> bytes:
    done = await race.machine.execute(("cat", path), timeout_s=60, output_bytes_max=1_000)
    return done.stdout


async def keep(race: Race, path: str) -> bytes:
    await race.folder.keep(KEPT, b"kept")
    return await race.machine.read(KEPT, bytes_max=100)


def said(outcome: Outcome) -> bytes:
    return outcome.head.encode() + outcome.original


OPERATIONS: Mapping[str, tuple[Callable[[Race, str], Awaitable[bytes]], str]] = {
    "read a file": (read, "file"),
    "read in a directory": (read, "directory/file"),
    "look at a file": (status, "file"),
    "look at a file in a directory": (status, "directory/file"),
    "write a file": (write, "file"),
    "write in a directory": (write, "directory/file"),
    "write a fresh file in a directory": (write, "directory/fresh"),
    "attach a file": (write, "attachments/fresh"),
    "edit a file": (edit, "file"),
    "read by the tool": (file_read, "directory/file"),
    "deliver a file": (deliver, "file"),
    "deliver a file of a directory": (deliver, "directory/file"),
    "run a program on a file": (run, "file"),
    "keep a file": (keep, ".workhand"),
}
SLOW = {"run a program on a file": 4}  # rounds, where each starts a program
CLASS = "symlink and race attacks on file tools"
ATTEMPTS = tuple(f"{how}: {name}" for how in ("planted", "swapped meanwhile") for name in OPERATIONS)


async def attempts(race: Race) -> dict[str, str | None]:
    """Make all attempts, once with links that lie there and once while they are swapped."""
    source = Path(__file__).with_name("inside") / "swapping.py"
    await race.machine.write("swapping.py", source.read_bytes())
    start = f"python3 swapping.py '{race.outside}'"
    laid = await race.machine.execute(("sh", "-c", f"{start} plant"), timeout_s=60, output_bytes_max=1_000)
    assert laid.exit_code == 0, laid.stderr
    found = {f"planted: {name}": await attempt(race, name) for name in OPERATIONS}
    begin = f"{start} swap & until [ -e begun ]; do sleep 0.05; done"
    swapping = await race.machine.shell_run("swap", begin, timeout_s=60, output_bytes_max=1_000)
    assert b"swapping" in swapping.stdout, swapping.stdout
    found |= {f"swapped meanwhile: {name}": await attempt(race, name) for name in OPERATIONS}
    await race.machine.write("stop", b"")
    return {f"{CLASS}: {name}": outcome for name, outcome in found.items()}


async def attempt(race: Race, name: str) -> str | None:
    """Perform an operation again and again, and look at what came of it."""
    lay_out(race.outside)
    before = race.state()
    operation, path = OPERATIONS[name]
    for _ in range(SLOW.get(name, ROUNDS)):
        with suppress(OSError):
            if SECRET in await operation(race, path):
                return "It read what is outside."
    return None if race.state() == before else "It changed what is outside."
