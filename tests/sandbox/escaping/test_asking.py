"""What a model asks a machine for may be any text: what cannot be done is an error, and the machine lives."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import anyio
import pytest

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


@pytest.mark.parametrize("name", ASK)
async def test_a_strange_name_is_an_error_at_most(sandbox: DaemonSandbox, name: str) -> None:
    for path in STRANGE:
        try:
            await ASK[name](sandbox, path)
        except (OSError, UnicodeEncodeError):
            continue
    await sandbox.write("file", b"still there")
    assert await sandbox.read("file", bytes_max=20) == b"still there"


@pytest.mark.parametrize("offset", [-1, 1 << 63, 1 << 70, -(1 << 70)])
async def test_a_place_that_no_file_has_is_an_error(sandbox: DaemonSandbox, offset: int) -> None:
    await sandbox.write("file", b"content")
    with pytest.raises(OSError) as raised:
        await sandbox.read("file", offset=offset, bytes_max=10)
    assert raised.value.errno == errno.EINVAL


async def test_a_file_that_becomes_a_pipe_while_it_is_digested_holds_nobody_up(sandbox: DaemonSandbox) -> None:
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
            await sandbox.execute(command, timeout_s=60, output_bytes_max=100, watch=lambda _: seen.set())

        group.start_soon(race)
        await seen.wait()
        kinds = set()
        with anyio.fail_after(30):
            for _ in range(300):
                kinds.add(await digested(sandbox))
        await sandbox.write("stop", b"")
    assert "file" in kinds


async def digested(sandbox: DaemonSandbox) -> str | None:
    try:
        found = await sandbox.status("file", digest=True)
    except OSError:
        return "refused"
    return None if found is None else found.kind
