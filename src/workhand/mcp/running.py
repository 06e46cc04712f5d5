"""A server that is a program, while it runs: on this computer as the user, or wherever else it is started.

What starts it elsewhere is given by who builds the gateway, so that nothing here knows what a machine is.  On this
computer a program inherits the few variables that it needs to run, and none that may hold a key.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from workhand.mcp.config import Local

STDIN_GRACE_S = 2.0  # to end by itself once its input is closed, as the protocol wants it
SIGNAL_GRACE_S = 2.0
CLOSED = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead, OSError)


class Running(Protocol):
    """A program and its pipes."""

    @property
    def stdin(self) -> ByteSendStream: ...
    @property
    def stdout(self) -> ByteReceiveStream: ...
    @property
    def stderr(self) -> ByteReceiveStream: ...
    @property
    def pid(self) -> int:
        """The process on this computer that it ends with."""

    @property
    def exit_code(self) -> int | None:
        """What it has ended with; below zero by a signal."""

    @property
    def fault(self) -> str:
        """What it did that it must not, as far as what runs it knows."""

    async def end(self) -> None:
        """Let it end by itself, then end it, and then whatever it has started; within seconds, shielded or not.

        Its pipes are read meanwhile.
        """


Start: TypeAlias = Callable[[Local], AbstractAsyncContextManager[Running]]
"""Start a server whose placeholders are replaced; what it needed to run is gone when the context is left."""


@asynccontextmanager
async def on_this_computer(server: Local) -> AsyncIterator[Running]:
    """Start a server as a process of the user's."""
    from mcp.client.stdio import get_default_environment

    process = await anyio.open_process(
        [server.command, *server.arguments],
        env=get_default_environment() | dict(server.environment),
        cwd=server.directory,
        start_new_session=True,
    )
    yield HostProgram(process)


@dataclass(frozen=True, slots=True)
class HostProgram:
    """A process of this computer, in a process group of its own."""

    process: Process

    @property
    def stdin(self) -> ByteSendStream:
        assert self.process.stdin
        return self.process.stdin

    @property
    def stdout(self) -> ByteReceiveStream:
        assert self.process.stdout
        return self.process.stdout

    @property
    def stderr(self) -> ByteReceiveStream:
        assert self.process.stderr
        return self.process.stderr

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        return self.process.returncode

    @property
    def fault(self) -> str:
        return ""

    async def end(self) -> None:
        """Each step waits for the pipes, too."""
        with suppress(*CLOSED):
            await self.stdin.aclose()
        with anyio.move_on_after(STDIN_GRACE_S):
            await self.process.wait()
        if self.process.returncode is None:
            self._signal(signal.SIGTERM)
            with anyio.move_on_after(SIGNAL_GRACE_S):
                await self.process.wait()
        self._signal(signal.SIGKILL)
        with anyio.move_on_after(SIGNAL_GRACE_S):
            await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
