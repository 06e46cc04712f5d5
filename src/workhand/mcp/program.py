"""Speak with an MCP server that is a program: one JSON message a line on its pipes.

This is a transport of our own for the official client, since the server is not trusted: a line is bounded here, what
it says on standard error is read and only its end kept, and its whole process group is gone when the block is left.
It inherits the few variables that a program needs to run, and none that may hold a key.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from workhand.mcp.config import Local

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams
    from mcp.shared.message import SessionMessage

WORDS_BYTES_MAX = 4_096
STDIN_GRACE_S = 2.0  # to end by itself once its input is closed, as the protocol wants it
SIGNAL_GRACE_S = 2.0
CLOSED = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead, OSError)


@dataclass(slots=True)
class Trace:
    """What is known of a program from outside."""

    pid: int | None = None
    exit_code: int | None = None
    words: bytes = b""  # the end of what it said on standard error
    fault: str = ""  # what it did that it must not


@asynccontextmanager
async def spoken(
    server: Local, trace: Trace, *, ended: Callable[[], None], message_bytes_max: int
) -> AsyncIterator[TransportStreams]:
    """Run a server for as long as the context lasts; say through ``ended`` when it stops talking before."""
    from mcp.client.stdio import get_default_environment
    from mcp.shared.message import SessionMessage

    process = await anyio.open_process(
        [server.command, *server.arguments],
        env=get_default_environment() | dict(server.environment),
        cwd=server.directory,
        start_new_session=True,
    )
    assert process.stdin and process.stdout and process.stderr
    trace.pid = process.pid
    heard, incoming = anyio.create_memory_object_stream["SessionMessage | Exception"](0)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](0)

    async def listen(stdout: ByteReceiveStream) -> None:
        lines = BufferedByteReceiveStream(stdout)
        async with heard:
            with suppress(*CLOSED):
                try:
                    while True:
                        await heard.send(_message(await lines.receive_until(b"\n", message_bytes_max)))
                except anyio.DelimiterNotFound:
                    trace.fault = f"it sent a message of more than {message_bytes_max:,} bytes"
        ended()
        with suppress(*CLOSED):  # it may not read its input, nor see that this is closed, until its output is taken
            async for _ in stdout:
                continue

    async def speak() -> None:
        assert process.stdin
        async with said:
            with suppress(*CLOSED):
                async for each in said:
                    line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await process.stdin.send(line.encode() + b"\n")
        ended()

    async def overhear(stderr: ByteReceiveStream) -> None:
        with suppress(*CLOSED):
            async for chunk in stderr:
                trace.words = (trace.words + chunk)[-WORDS_BYTES_MAX:]

    async with anyio.create_task_group() as group:
        group.start_soon(listen, process.stdout)
        group.start_soon(speak)
        group.start_soon(overhear, process.stderr)
        try:
            yield incoming, outgoing
        finally:
            incoming.close()
            outgoing.close()
            with anyio.CancelScope(shield=True):  # each wait in it is bounded
                await _end(process)
            trace.exit_code = process.returncode
            group.cancel_scope.cancel()


def _message(line: bytes) -> SessionMessage | Exception:
    """Read a line; what is no message is handed on as a value, and the client passes over it."""
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _end(process: Process) -> None:
    """Let a server end by itself, then end it, and then whatever it has started.  Each step waits for the pipes too."""
    assert process.stdin
    with suppress(*CLOSED):
        await process.stdin.aclose()
    with anyio.move_on_after(STDIN_GRACE_S):
        await process.wait()
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with anyio.move_on_after(SIGNAL_GRACE_S):
            await process.wait()
    _signal(process.pid, signal.SIGKILL)
    with anyio.move_on_after(SIGNAL_GRACE_S):
        await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
