"""Keep machines open before anybody needs one.

Opening one takes 60 ms in bubblewrap and seconds in a virtual machine.  Whoever runs sessions for many gives a
function that opens a machine over a workspace of its own, and takes machines out; as many again are opened meanwhile.
Everything about a machine is as that function says: its user, its limits, its way out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from workhand.errors import SandboxUnavailable
from workhand.sandbox.client import DaemonSandbox

RETRY_S = 1.0


class Pool:
    """Open machines, oldest first."""

    def __init__(self, ready: MemoryObjectReceiveStream[DaemonSandbox | SandboxUnavailable]) -> None:
        self._ready = ready

    async def take(self) -> DaemonSandbox:
        """Give a machine that is open, and whoever takes it closes it; wait if there is none.

        Raises ``SandboxUnavailable`` if none could be opened.
        """
        while True:
            found = await self._ready.receive()
            if isinstance(found, SandboxUnavailable):
                raise found
            if found.alive:
                return found
            await found.close()  # It ended while it waited.


@asynccontextmanager
async def pool(open_machine: Callable[[], Awaitable[DaemonSandbox]], size: int) -> AsyncIterator[Pool]:
    """Keep ``size`` machines open for as long as the context lasts; those that nobody took are closed with it."""
    send, receive = anyio.create_memory_object_stream[DaemonSandbox | SandboxUnavailable](size - 1)
    async with send, receive, anyio.create_task_group() as group:
        group.start_soon(_fill, open_machine, send)
        try:
            yield Pool(receive)
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await _empty(receive)


async def _fill(
    open_machine: Callable[[], Awaitable[DaemonSandbox]],
    ready: MemoryObjectSendStream[DaemonSandbox | SandboxUnavailable],
) -> None:
    while True:
        try:
            machine = await open_machine()
        except SandboxUnavailable as error:
            await ready.send(error)
            await anyio.sleep(RETRY_S)
            continue
        try:
            await ready.send(machine)
        except BaseException:  # Nobody will take it any more.
            with anyio.CancelScope(shield=True):
                await machine.close()
            raise


async def _empty(ready: MemoryObjectReceiveStream[DaemonSandbox | SandboxUnavailable]) -> None:
    while True:
        try:
            left = ready.receive_nowait()
        except (anyio.WouldBlock, anyio.EndOfStream):
            return
        if isinstance(left, DaemonSandbox):
            await left.close()
