"""``sandbox attach``: a person's terminal in a session's machine."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketStream

from workhand.cli.session import place as places
from workhand.cli.settings import Settings
from workhand.core.events import GivenBack, TakenOver, Where
from workhand.core.log import Log
from workhand.errors import ConfigError
from workhand.sandbox import attach
from workhand.sandbox.register import machines, terminal_of

if TYPE_CHECKING:
    from workhand.sandbox.doorway import Doorway
    from workhand.store.sqlite import SqliteStore

CHUNK_BYTES = 1 << 16
SHOWN_CHARS_MAX = 4_000
ESCAPES = r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-_])"


async def attach_to(settings: Settings, prefix: str) -> None:
    """Give the person a terminal in the machine of a session, which is opened if the session is at rest."""
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        if any(machine.session == row.id and machine.held for machine in machines()):
            return await visit(terminal_of(row.id))
        place, log = places.find(settings, row.id), Log.of(await store.read(row.id))
        async with wiring.open_toolbox(settings, store, row.id, place, log) as toolbox:
            await toolbox.machine()
            await visit(terminal_of(row.id))
        wiring.note(f"You have left the machine; `workhand resume {row.id}` goes on.")


@asynccontextmanager
async def visitors(store: SqliteStore, session: str, doorway: Callable[[], Doorway | None]) -> AsyncIterator[None]:
    """Let people into the machine of a session, and have the log say so."""
    async with attach.reception(terminal_of(session), doorway, partial(attended, store, session)):
        yield


@asynccontextmanager
async def attended(
    store: SqliteStore, session: str, shown: bytearray, *, where: Where = "machine"
) -> AsyncIterator[None]:
    """Have the log say that a person has come, and that they have left."""
    from workhand.cli.session.wiring import SystemClock

    began = SystemClock().now()
    await store.post(session, TakenOver(where=where))
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            seconds = round(SystemClock().now() - began, 1)
            await store.post(session, GivenBack(readable(bytes(shown)), seconds, where=where))


def readable(shown: bytes) -> str:
    """Give what a terminal showed as plain text, the last of it."""
    text = re.sub(ESCAPES, "", shown.decode(errors="replace")).replace("\r\n", "\n").replace("\r", "")
    return text[-SHOWN_CHARS_MAX:].strip()


async def visit(terminal: Path) -> None:
    """Connect this process's terminal, or its input and output, with the one inside."""
    try:
        stream = await anyio.connect_unix(terminal)
    except OSError as error:
        raise ConfigError(
            f"The machine cannot be entered: {error.strerror}; `workhand sandbox ls` lists them."
        ) from error
    with raw_terminal():
        async with stream, anyio.create_task_group() as group:
            group.start_soon(_type, stream)
            if sys.stdin.isatty():
                group.start_soon(_resize, stream)
            try:
                while True:
                    os.write(1, await stream.receive(CHUNK_BYTES))
            except attach.OVER:
                group.cancel_scope.cancel()


async def _type(stream: SocketStream) -> None:
    while True:
        await anyio.wait_readable(0)
        typed = os.read(0, 4_096)
        if not typed:  # the end of what was piped in; a program that runs would take Ctrl-D for its own
            return await stream.send(attach.frame(attach.TYPED, b"exit\n"))
        await stream.send(attach.frame(attach.TYPED, typed))


async def _resize(stream: SocketStream) -> None:
    await stream.send(attach.screen_size())
    with anyio.open_signal_receiver(signal.SIGWINCH) as signals:
        async for _ in signals:
            await stream.send(attach.screen_size())


@contextmanager
def raw_terminal() -> Iterator[None]:
    """Hand every key to the other side, and give the terminal its modes back at the end."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
