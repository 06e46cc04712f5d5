"""Show servers of a machine to the person: ports of the host's loopback that lead to ports inside.

An address is ``http://NAME.localhost:PORT/`` with a name that cannot be guessed.  Browsers take every such name to
their own computer, and give it cookies and storage of its own; so what a machine serves shares nothing with
the person's other local servers.  The first request of a connection must name that host.  That keeps out both
whoever else can connect to the loopback, and pages that point a name of theirs there.
"""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import ByteStream, SocketStream, TaskGroup, UNIXSocketStream

from workhand.errors import ConfigError
from workhand.sandbox.doorway import Doorway
from workhand.sandbox.spec import HOST_PORT, NETWORK_PORT, PACKAGES_PORT

PORTS_MAX = 16  # of one machine
OPENINGS_MAX = 200  # of one machine, each of which the log has
DOORS = (NETWORK_PORT, HOST_PORT, PACKAGES_PORT)
CONNECTIONS_MAX = 48  # at once; a machine has no more than 128 of all kinds
HEAD_BYTES_MAX = 1 << 16
HEAD_S = 30.0
CHUNK_BYTES = 1 << 16
HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)
REFUSED = "403 Forbidden", "This is not the address that Workhand gave."
NOBODY = "502 Bad Gateway", "Nothing in the machine answers on this port."


@dataclass(frozen=True, slots=True)
class Shown:
    """One port of the machine, and where the person finds it."""

    port: int
    address: str
    what: str
    serving: anyio.CancelScope


class Publishing:
    """The ports of one machine that are shown.  ``draw`` gives names that cannot be guessed."""

    def __init__(self, group: TaskGroup, doorway: Callable[[], Doorway | None], draw: Callable[[], str]) -> None:
        self.group = group
        self.doorway = doorway
        self.draw = draw
        self.shown: dict[int, Shown] = {}
        self.room = anyio.CapacityLimiter(CONNECTIONS_MAX)
        self.opening = anyio.Lock()  # or programs that ask at once would get more than one may
        self.openings = 0

    async def open(self, port: int, what: str) -> tuple[Shown, bool]:
        """Show a port, and say whether that is new: one that is shown stays where it is.  Raises ``ConfigError``."""
        async with self.opening:
            known = self.shown.get(port)
            return (known, False) if known else (await self._opened(port, what), True)

    async def _opened(self, port: int, what: str) -> Shown:
        if not 0 < port < 1 << 16 or port in DOORS:
            raise ConfigError(f"Port {port!r} cannot be published; choose another from 1024 to 65535.")
        if len(self.shown) >= PORTS_MAX:
            raise ConfigError(f"{PORTS_MAX} ports are published already; stop one of them.")
        if self.openings >= OPENINGS_MAX:
            raise ConfigError(f"Ports were published {OPENINGS_MAX} times already; use one that is published still.")
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        self.openings += 1
        host = f"{self.draw()}.localhost:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        self.shown[port] = shown = Shown(port, f"http://{host}/", what, anyio.CancelScope())

        async def receive(client: SocketStream) -> None:
            async with client:
                try:
                    self.room.acquire_on_behalf_of_nowait(client)
                except anyio.WouldBlock:
                    return  # Those that wait would take descriptors without end, and with the last the session ends.
                try:
                    await self.lead(client, host.encode(), port)
                finally:
                    self.room.release_on_behalf_of(client)

        async def serve() -> None:
            with shown.serving:
                async with listener:
                    await listener.serve(receive)

        self.group.start_soon(serve)
        return shown

    def close(self, port: int) -> None:
        """Show a port no longer.  Raises ``ConfigError`` if it is not shown."""
        if port not in self.shown:
            raise ConfigError(f"Port {port!r} is not published; there are {sorted(self.shown) or 'none'}.")
        self.shown.pop(port).serving.cancel()

    async def lead(self, client: SocketStream, host: bytes, port: int) -> None:
        """Take a connection into the machine if it begins as it must."""
        try:
            with anyio.fail_after(HEAD_S):
                head = await _head(client)
            named = [found.lower() for found in HOST.findall(head.partition(b"\r\n\r\n")[0] + b"\r\n")]
            if len(named) != 1 or not hmac.compare_digest(named[0], host):
                return await _say(client, *REFUSED)
            doorway = self.doorway()
            if doorway is None:
                return await _say(client, *NOBODY)
            await _joined(client, doorway.connect(port), head)
        except (TimeoutError, ValueError, *GONE):
            pass  # It was no request, or its sender is gone.
        return None


async def _head(client: SocketStream) -> bytes:
    """Read up to the end of a request's head, and what came with it.  Raises ``ValueError`` for what is too long."""
    head = b""
    while b"\r\n\r\n" not in head:
        if len(head) > HEAD_BYTES_MAX:
            raise ValueError("The head of the request is longer than any may be.")
        head += await client.receive(CHUNK_BYTES)
    return head


async def _joined(client: SocketStream, inner: socket.socket, head: bytes) -> None:
    """Pass bytes both ways until both have said all; say so if nothing in the machine answers."""
    inner.setblocking(False)
    answered = False

    async def send_on(stream: UNIXSocketStream) -> None:
        try:
            await stream.send(head)
            await _pass(client, stream)
        except GONE:
            pass  # What the machine had to say may still be under way.

    async with await UNIXSocketStream.from_socket(inner) as stream, anyio.create_task_group() as group:
        group.start_soon(send_on, stream)
        try:
            while True:
                chunk = await stream.receive(CHUNK_BYTES)
                answered = True
                await client.send(chunk)
        except GONE:
            if not answered:
                await _say(client, *NOBODY)
            group.cancel_scope.cancel()


async def _pass(source: ByteStream, target: ByteStream) -> None:
    try:
        while True:
            await target.send(await source.receive(CHUNK_BYTES))
    except anyio.EndOfStream:
        await target.send_eof()


async def _say(client: SocketStream, status: str, sentence: str) -> None:
    text = f"{sentence}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    with suppress(*GONE):
        await client.send(head.encode() + text)
