"""What a model asks a machine for may be any text: what cannot be done is an error, and the machine lives."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest

from tests.sandbox.conftest import Opener
from workhand.sandbox.client import DaemonSandbox

pytestmark = pytest.mark.anyio

STRANGE = ("a\0b", "\0", "\ud800", "x\udfff/y", "x" * 5_000, "/".join("x" * 3_000), "", "/proc/self/mem/x")
ASK: dict[str, Callable[[DaemonSandbox, str], Awaitable[object]]] = {
    "read": lambda sandbox, path: sandbox.read(path, bytes_max=10),
    "write": lambda sandbox, path: sandbox.write(path, b""),
    "status": lambda sandbox, path: sandbox.status(path, digest=True),
    "execute": lambda sandbox, path: sandbox.execute((path,), timeout_s=30, output_bytes_max=10),
    "execute with": lambda sandbox, path: sandbox.execute(("true", path), timeout_s=30, output_bytes_max=10),
    "shell": lambda sandbox, path: sandbox.shell_run(path, "true", timeout_s=30, output_bytes_max=10),
    "command": lambda sandbox, path: sandbox.shell_run("main", path, timeout_s=30, output_bytes_max=10),
}


@pytest.fixture
async def machine(opener: Opener, require_bubblewrap: None) -> DaemonSandbox:
    return await opener()


async def test_a_strange_name_is_an_error_at_most(machine: DaemonSandbox) -> None:
    for ask in ASK.values():
        for path in STRANGE:
            with suppress(OSError, UnicodeEncodeError):
                await ask(machine, path)
    await machine.write("file", b"still there")
    assert await machine.read("file", bytes_max=20) == b"still there"


async def test_a_place_that_no_file_has_is_an_error(machine: DaemonSandbox) -> None:
    await machine.write("file", b"content")
    for offset in (-1, 1 << 63, 1 << 70, -(1 << 70)):
        with pytest.raises(OSError) as raised:
            await machine.read("file", offset=offset, bytes_max=10)
        assert raised.value.errno == errno.EINVAL


async def test_a_file_that_becomes_a_pipe_while_it_is_digested_holds_nobody_up(machine: DaemonSandbox) -> None:
    """A program swaps a file and a pipe that nobody writes to, as fast as it can."""
    swap = (
        "import ctypes, os; os.mkfifo('pipe'); open('file', 'w').write('x')\n"
        "call = ctypes.CDLL(None).renameat2; print('swapping', flush=True)\n"
        "while not os.path.exists('stop'): call(-100, b'file', -100, b'pipe', 2)"
    )
    seen = anyio.Event()
    async with anyio.create_task_group() as group:

        async def race() -> None:
            command = ("python3", "-c", swap)
            await machine.execute(command, timeout_s=60, output_bytes_max=100, watch=lambda _: seen.set())

        group.start_soon(race)
        await seen.wait()
        kinds = set()
        with anyio.fail_after(30):
            for _ in range(300):
                kinds.add(await digested(machine))
        await machine.write("stop", b"")
    assert "file" in kinds


async def digested(machine: DaemonSandbox) -> str | None:
    try:
        found = await machine.status("file", digest=True)
    except OSError:
        return "refused"
    return None if found is None else found.kind
