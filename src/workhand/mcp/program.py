"""Speak with an MCP server that is a program: one JSON message a line on its pipes.

This is a transport of our own for the official client, since the server is not trusted: a line is bounded here, what
it says on standard error is read and only its end kept, and it has ended when the block is left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteReceiveStream
from anyio.streams.buffered import BufferedByteReceiveStream

from workhand.mcp.config import Local
from workhand.mcp.running import CLOSED, Running, Start

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams
    from mcp.shared.message import SessionMessage

WORDS_BYTES_MAX = 4_096
WORDS_GRACE_S = 1.0  # for what it said to arrive once it has ended; something that it started may hold the pipe open


@dataclass(slots=True)
class Trace:
    """What is known of a program from outside."""

    pid: int | None = None
    exit_code: int | None = None
    words: bytes = b""  # the end of what it said on standard error
    fault: str = ""  # what it did that it must not


@asynccontextmanager
async def spoken(
    start: Start, server: Local, trace: Trace, *, ended: Callable[[], None], message_bytes_max: int
) -> AsyncIterator[TransportStreams]:
    """Run a server for as long as the context lasts; say through ``ended`` when it stops talking before."""
    async with start(server) as running:
        trace.pid = running.pid
        async with _conversation(running, trace, ended=ended, message_bytes_max=message_bytes_max) as streams:
            yield streams


@asynccontextmanager
async def _conversation(
    running: Running, trace: Trace, *, ended: Callable[[], None], message_bytes_max: int
) -> AsyncIterator[TransportStreams]:
    """Pass messages on for as long as the context lasts, and have the program end with it."""
    from mcp.shared.message import SessionMessage

    heard, incoming = anyio.create_memory_object_stream["SessionMessage | Exception"](0)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](0)
    overheard = anyio.Event()

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
        async with said:
            with suppress(*CLOSED):
                async for each in said:
                    line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await running.stdin.send(line.encode() + b"\n")
        ended()

    async def overhear(stderr: ByteReceiveStream) -> None:
        with suppress(*CLOSED):
            async for chunk in stderr:
                trace.words = (trace.words + chunk)[-WORDS_BYTES_MAX:]
        overheard.set()

    async with anyio.create_task_group() as group:
        group.start_soon(listen, running.stdout)
        group.start_soon(speak)
        group.start_soon(overhear, running.stderr)
        try:
            yield incoming, outgoing
        finally:
            incoming.close()
            outgoing.close()
            with anyio.CancelScope(shield=True):  # each wait in it is bounded
                await running.end()
                with anyio.move_on_after(WORDS_GRACE_S):
                    await overheard.wait()
            trace.exit_code = running.exit_code
            trace.fault = trace.fault or running.fault
            group.cancel_scope.cancel()


def _message(line: bytes) -> SessionMessage | Exception:
    """Read a line; what is no message is handed on as a value, and the client passes over it."""
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error
