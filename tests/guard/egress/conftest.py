"""A proxy as a session has it, in front of servers on the loopback that answer under names of their own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import anyio.lowlevel
import h11
import pytest

from workhand.guard.egress.authority import Authority
from workhand.guard.egress.proxy import Proxy
from workhand.guard.egress.wire import Side
from workhand.guard.exchange import Outgoing, Redactor, Ruling
from workhand.guard.placing import StreamRedactor

NOW = datetime.datetime.now(datetime.UTC)
YES = Ruling(True, "test")
SECRET, TOKEN = b"dummy-value-123456", b"wh_KEY_0123"
Answer: TypeAlias = Callable[[h11.Request, bytes], tuple[int, list[tuple[str, str]], bytes]]


@dataclass
class Gate:
    """A gatekeeper whose rulings a test sets, and that writes down what it was told."""

    contact_ruling: Ruling = YES
    ruling: Ruling = YES
    permits: bool = True
    redacts: bool = False
    inspected: list[Outgoing] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    counted: list[tuple[int, int]] = field(default_factory=list)

    def contact(self, host: str, port: int) -> Ruling:
        return self.contact_ruling

    def permits_address(self, host: str, port: int) -> bool:
        return self.permits

    async def inspect(self, outgoing: Outgoing) -> Ruling:
        self.inspected.append(outgoing)
        return self.ruling

    async def inspect_message(self, outgoing: Outgoing, message: bytes) -> Ruling:
        self.messages.append(message)
        return Ruling(False, "secret", "it leaks") if SECRET in message else YES

    def prepare(self, outgoing: Outgoing) -> Outgoing:
        return replace(
            outgoing, headers=tuple((name, value.replace(TOKEN, SECRET)) for name, value in outgoing.headers)
        )

    def redactor(self, host: str) -> Redactor | None:
        return StreamRedactor([SECRET]) if self.redacts else None

    def refused(self, host: str, port: int, what: str, ruling: Ruling) -> None:
        self.refusals.append((ruling.rule, what))

    def passed(self, outgoing: Outgoing, rule: str, *, sent_bytes: int, received_bytes: int) -> None:
        self.counted.append((sent_bytes, received_bytes))


@dataclass
class Server:
    """A server on the loopback; ``answer`` says what it answers, and ``seen`` what it was asked."""

    answer: Answer
    seen: list[tuple[h11.Request, bytes]] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        side = Side(h11.SERVER, reader, writer)
        with contextlib.suppress(h11.ProtocolError, OSError):
            while isinstance(request := await side.receive(), h11.Request):
                body = await side.body(1 << 30) or b""
                self.seen.append((request, body))
                status, headers, content = self.answer(request, body)
                data = [h11.Data(data=content)] if content and request.method != b"HEAD" else []
                await side.send(h11.Response(status_code=status, headers=headers), *data, h11.EndOfMessage())
                if side.http.our_state is not h11.DONE:
                    break
                side.http.start_next_cycle()
        writer.close()
        self.open -= 1


def echoed(request: h11.Request, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Answer with what came: the headers and the body."""
    content = b"\n".join(name + b": " + value for name, value in request.headers) + b"\n\n" + body
    return 200, [("Content-Length", str(len(content))), ("X-Echo", "yes")], content


@dataclass
class World:
    gate: Gate
    port: int  # of the proxy
    trust: ssl.SSLContext  # of who uses it
    serve: Callable[..., Awaitable[Server]]
    opened: list[socket.socket]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A running proxy; its servers are called ``server.example``, whatever their port."""
    gate, ours, theirs = Gate(), Authority(tmp_path / "ours", NOW), Authority(tmp_path / "theirs", NOW)
    verified = ssl.create_default_context(cadata=theirs.certificate.decode())
    trust = ssl.create_default_context(cadata=ours.certificate.decode())

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    proxy = Proxy(gate, ours, verified, resolve)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    opened: list[socket.socket] = []
    servers: list[Server] = []
    async with contextlib.AsyncExitStack() as stack, anyio.create_task_group() as group:

        async def accept() -> None:
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                opened.append(connection)
                group.start_soon(proxy.serve, connection)

        async def serve(answer: Answer = echoed, *, tls: bool = True, name: str = "server.example") -> Server:
            server = Server(answer)
            context = theirs.context(name) if tls else None
            listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
            servers.append(server)
            stack.callback(listening.close)
            server.port = listening.sockets[0].getsockname()[1]
            return server

        group.start_soon(accept)
        yield World(gate, listener.getsockname()[1], trust, serve, opened)
        group.cancel_scope.cancel()
    listener.close()
    async with asyncio.timeout(10):
        while any(server.open for server in servers):
            await anyio.lowlevel.checkpoint()
