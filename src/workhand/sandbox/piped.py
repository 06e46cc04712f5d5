"""A program in a machine whose pipes stay open: what is written to it and what it writes, as streams."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import SocketStream

SIGNAL_S = 30.0  # for the daemon to answer


@dataclass(frozen=True, slots=True)
class Piped:
    """A program that was started; every method raises ``SandboxLost`` once its machine is gone."""

    ask: Callable[..., Awaitable[tuple[dict[str, Any], bytes]]]
    pid: int  # in the machine
    stdin: SocketStream
    stdout: SocketStream
    stderr: SocketStream

    async def __aenter__(self) -> Piped:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the pipes, which does not end a program that needs none."""
        with anyio.CancelScope(shield=True):
            for stream in (self.stdin, self.stdout, self.stderr):
                await anyio.aclose_forcefully(stream)

    async def wait(self) -> int | None:
        """Wait for its end, however long; below zero if a signal ended it."""
        header, _ = await self.ask({"op": "wait", "pid": self.pid}, answer_s=None)
        status = header.get("exit")
        return status if type(status) is int and status in range(1 - signal.NSIG, 256) else None

    async def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, and to what is left in its group; there may be nothing left."""
        with suppress(ProcessLookupError):
            await self.ask({"op": "signal", "pid": self.pid, "number": int(number)}, answer_s=SIGNAL_S)
