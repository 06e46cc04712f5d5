"""Let a person into an open machine: a terminal in it, shared by a socket of its holder.

The holder listens on a socket that only its own user can open.  A visitor sends frames, a kind and a
length before what was typed or the new size of their screen; back comes what the terminal shows, as it is.
The last of what it showed is kept for the log.
"""

from __future__ import annotations

import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from workhand.sandbox.doorway import Doorway

FRAME = struct.Struct(">BI")
SIZE = struct.Struct(">HH")
TYPED, SIZED = 0, 1
FRAME_BYTES_MAX = 1 << 16
CHUNK_BYTES = 1 << 16
SHOWN_BYTES_MAX = 1 << 16
OWN_USER_ONLY = 0o600
OVER = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)


@asynccontextmanager
async def reception(
    path: Path,
    doorway: Callable[[], Doorway | None],
    attended: Callable[[bytearray], AbstractAsyncContextManager[None]],
) -> AsyncIterator[None]:
    """Let visitors into the machine behind ``doorway`` by a socket at ``path``, for as long as the context lasts.

    Each visit is made within ``attended``, which finds the last of what the terminal showed in what it is given.
    """

    async def receive(visitor: SocketStream) -> None:
        shown = bytearray()
        async with visitor:
            if (way := doorway()) is not None:
                async with attended(shown):
                    await visit(way, visitor, shown)

    async with listening(path, receive):
        yield


@asynccontextmanager
async def listening(path: Path, receive: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[None]:
    """Receive visitors, of this user only, at a socket that is there for as long as the context lasts."""
    await anyio.Path(path).unlink(missing_ok=True)
    listener = await anyio.create_unix_listener(path, mode=OWN_USER_ONLY)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, receive)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
            with suppress(FileNotFoundError):
                os.unlink(path)


async def visit(doorway: Doorway, visitor: SocketStream, shown: bytearray) -> None:
    """Pass on what is typed and what is shown until the visitor leaves, or the shell ends."""
    number, screen = doorway.open_terminal(rows=24, columns=80)
    async with await SocketStream.from_socket(screen) as terminal, anyio.create_task_group() as group:
        group.start_soon(_type, doorway, number, visitor, terminal)
        try:
            while True:
                chunk = await terminal.receive(CHUNK_BYTES)
                shown += chunk
                del shown[:-SHOWN_BYTES_MAX]
                await visitor.send(chunk)
        except OVER:
            group.cancel_scope.cancel()


async def _type(doorway: Doorway, number: int, visitor: SocketStream, terminal: SocketStream) -> None:
    typed = BufferedByteReceiveStream(visitor)
    try:
        while True:
            kind, length = FRAME.unpack(await typed.receive_exactly(FRAME.size))
            if length > FRAME_BYTES_MAX:
                break
            content = await typed.receive_exactly(length)
            if kind == SIZED and length == SIZE.size:
                doorway.resize(number, *SIZE.unpack(content))
            elif kind == TYPED:
                await terminal.send(content)
    except OVER:
        pass  # The visitor has left, or the shell has ended.
    await terminal.aclose()


def frame(kind: int, content: bytes) -> bytes:
    """Make a frame of what a visitor sends."""
    return FRAME.pack(kind, len(content)) + content


def screen_size() -> bytes:
    """Give the size of this process's own terminal, as a frame."""
    size = os.get_terminal_size()
    return frame(SIZED, SIZE.pack(size.lines, size.columns))
