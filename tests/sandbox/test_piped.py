"""Programs in a machine whose pipes stay open."""

from __future__ import annotations

import signal

import anyio
import pytest
from anyio.abc import ByteReceiveStream

from workhand.errors import SandboxLost
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.inside.tunnel import WINDOW_BYTES

pytestmark = pytest.mark.anyio

ALL_S = 60.0


async def test_what_is_written_and_read_flows_for_as_long_as_the_program_runs(sandbox: DaemonSandbox) -> None:
    answers = []
    async with await sandbox.start(("/bin/cat",), environment={}) as program:
        for line in (b"one\n", b"two\n"):
            await program.stdin.send(line)
            answers.append(await program.stdout.receive())
        await program.stdin.aclose()
        assert (answers, await everything(program.stdout), await program.wait()) == ([b"one\n", b"two\n"], b"", 0)


async def test_both_outputs_the_directory_and_the_variables_are_the_programs_own(sandbox: DaemonSandbox) -> None:
    argv, environment = ("/bin/sh", "-c", 'pwd; printf %s "$WORD" >&2; exit 3'), {"WORD": "heard"}
    async with await sandbox.start(argv, environment=environment, directory="/usr") as program:
        outputs = (await everything(program.stdout), await everything(program.stderr))
        assert (outputs, await program.wait()) == ((b"/usr\n", b"heard"), 3)
    after = await sandbox.execute(("/bin/sh", "-c", 'pwd; printf %s "$WORD"'), timeout_s=ALL_S, output_bytes_max=100)
    assert after.stdout != b"/usr\n" and b"heard" not in after.stdout


async def test_more_than_a_window_arrives_whole_and_holds_up_nothing_else_before(sandbox: DaemonSandbox) -> None:
    argv = ("/usr/bin/head", "-c", str(20 * WINDOW_BYTES), "/dev/zero")
    async with await sandbox.start(argv, environment={}) as program:
        quick = await sandbox.execute(("/bin/true",), timeout_s=ALL_S, output_bytes_max=100)
        assert (quick.exit_code, len(await everything(program.stdout))) == (0, 20 * WINDOW_BYTES)


async def test_a_signal_ends_a_program_and_its_group(sandbox: DaemonSandbox) -> None:
    argv = ("/bin/sh", "-c", "sleep 600 & echo begun; wait")
    async with await sandbox.start(argv, environment={}) as program:
        assert await program.stdout.receive() == b"begun\n"
        await program.signal(signal.SIGKILL)
        assert (await everything(program.stdout), await program.wait()) == (b"", -signal.SIGKILL)


async def test_what_cannot_be_started_is_an_error_of_the_system(sandbox: DaemonSandbox) -> None:
    with pytest.raises(FileNotFoundError):
        await sandbox.start(("/no/such/program",), environment={})
    with pytest.raises(FileNotFoundError):
        await sandbox.start(("/bin/true",), environment={}, directory="/no/such/directory")
    async with await sandbox.start(("/bin/true",), environment={}) as program:
        assert await program.wait() == 0


async def test_who_waits_for_a_program_learns_that_its_machine_is_gone(sandbox: DaemonSandbox) -> None:
    async with await sandbox.start(("/bin/cat",), environment={}) as program, anyio.create_task_group() as group:
        group.start_soon(end, sandbox)
        with pytest.raises(SandboxLost):
            await program.wait()
        assert await everything(program.stdout) == b""


async def end(sandbox: DaemonSandbox) -> None:
    sandbox.end("it was ended")


async def everything(stream: ByteReceiveStream) -> bytes:
    found = b""
    with anyio.fail_after(ALL_S):
        async for chunk in stream:
            found += chunk
    return found
