"""A proxy with everything that is around it: a gatekeeper that remembers, servers, and programs inside."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.abc

from tests.guard.egress.upstream import Upstream, serving
from workhand.guard.egress.authority import Authority
from workhand.guard.egress.proxy import Proxy
from workhand.guard.exchange import Outgoing, Redactor, Ruling
from workhand.guard.placing import StreamRedactor

HOST = "api.test"
OTHER = "other.test"  # known, and allowed
INNER = "inner.test"  # allowed, and at a private address that nobody permitted
SHUT = "shut.test"  # not allowed
PLACEHOLDER, SECRET = b"wh_KEY_0000", b"sk-the-real-secret-value-42"
NOW = datetime.datetime.now(datetime.UTC)
ANSWER_S = 20.0


@dataclass
class Gate:
    """A gatekeeper that allows all but some, swaps one secret, and remembers what it was asked."""

    secret_hosts: frozenset[str] = frozenset({HOST})
    inspected: list[Outgoing] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    refusals: list[tuple[str, int, str, str]] = field(default_factory=list)
    counted: list[tuple[str, int, int]] = field(default_factory=list)
    pondering: anyio.Event | None = None  # until when a message is being judged

    def contact(self, host: str, port: int) -> Ruling:
        allowed = host in (HOST, OTHER, INNER, "127.0.0.1", "169.254.169.254", "::1")
        return Ruling(allowed, "network", "" if allowed else f"{host} is not among the hosts.", asks=not allowed)

    def permits_address(self, host: str, port: int) -> bool:
        return host in (HOST, OTHER)

    async def inspect(self, outgoing: Outgoing) -> Ruling:
        self.inspected.append(outgoing)
        bad = b"forbidden" in outgoing.body or "forbidden" in outgoing.target
        return Ruling(not bad, "content" if bad else "network", "it says what must not be said." if bad else "")

    async def inspect_message(self, outgoing: Outgoing, message: bytes) -> Ruling:
        self.messages.append(message)
        if self.pondering is not None:
            await self.pondering.wait()
        bad = b"forbidden" in message
        return Ruling(not bad, "content" if bad else "network", "it says what must not be said." if bad else "")

    def prepare(self, outgoing: Outgoing) -> Outgoing:
        if outgoing.host not in self.secret_hosts:
            return outgoing
        headers = tuple((name, value.replace(PLACEHOLDER, SECRET)) for name, value in outgoing.headers)
        return replace(outgoing, headers=headers, body=outgoing.body.replace(PLACEHOLDER, SECRET))

    def redactor(self, host: str) -> Redactor | None:
        return StreamRedactor([SECRET]) if host in self.secret_hosts else None

    def refused(self, host: str, port: int, what: str, ruling: Ruling) -> None:
        self.refusals.append((host, port, what, ruling.rule))

    def passed(self, outgoing: Outgoing, rule: str, *, sent_bytes: int, received_bytes: int) -> None:
        self.counted.append((outgoing.what, sent_bytes, received_bytes))


@dataclass
class World:
    gate: Gate
    proxy: Proxy
    authority: Authority
    internet: Authority  # who vouches for servers
    group: anyio.abc.TaskGroup
    secure: Upstream
    plain: Upstream
    resolved: list[str]
    serving: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def trusting(self) -> ssl.SSLContext:
        """How a program inside verifies."""
        return ssl.create_default_context(cadata=self.authority.certificate.decode())

    async def gone(self) -> None:
        """Wait until the proxy serves nobody."""
        async with asyncio.timeout(ANSWER_S):
            while self.serving:
                await self.ended.wait()
                self.ended = anyio.Event()

    async def serve(self, connection: socket.socket) -> None:
        self.serving += 1
        try:
            await self.proxy.serve(connection)
        finally:
            self.serving -= 1
            self.ended.set()

    async def inside(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the proxy as a program in the machine does."""
        ours, theirs = socket.socketpair()
        self.group.start_soon(self.serve, theirs)
        return await asyncio.open_connection(sock=ours)

    async def connect(self, to: str) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """Ask for a tunnel; give the head of the answer."""
        reader, writer = await self.inside()
        writer.write(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        async with asyncio.timeout(ANSWER_S):
            return await reader.readuntil(b"\r\n\r\n"), reader, writer

    async def tunnel(
        self, host: str = HOST, *, named: str | None = None, protocols: tuple[str, ...] = ("http/1.1",)
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a tunnel and encrypt it, under the name of the host or another."""
        head, reader, writer = await self.connect(f"{host}:{self.secure.port}")
        assert head.startswith(b"HTTP/1.1 200"), head
        context = self.trusting
        context.check_hostname = named is None
        context.set_alpn_protocols(list(protocols))
        async with asyncio.timeout(ANSWER_S):
            await writer.start_tls(context, server_hostname=named or host)
        return reader, writer

    async def said(self, raw: bytes) -> bytes:
        """Say something to the proxy and to nobody else; give all of its answer."""
        return await _all(*await self.inside(), raw)

    async def told(self, raw: bytes) -> bytes:
        """Say something in a tunnel; give all of the answer."""
        return await _all(*await self.tunnel(), raw)

    def request(self, target: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Give the bytes of a last request in a tunnel."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}:{self.secure.port}", *headers, "Connection: close"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> bytes:
    writer.write(raw)
    answer = b""
    try:
        async with asyncio.timeout(ANSWER_S):
            await writer.drain()
            while chunk := await reader.read(1 << 16):
                answer += chunk
    except (ConnectionError, ssl.SSLError):
        pass  # What was read before is the answer.
    finally:
        writer.close()
    return answer


@asynccontextmanager
async def world(directory: Path, spoken: str = "http/1.1") -> AsyncIterator[World]:
    internet = Authority(directory / "internet", NOW)
    authority = Authority(directory / "ours", NOW)
    verified, newer = (ssl.create_default_context(cadata=internet.certificate.decode()) for _ in range(2))
    resolved: list[str] = []

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        resolved.append(host)
        return (host,) if host[0].isdigit() or ":" in host else ("127.0.0.1",)

    gate = Gate()
    proxy = Proxy(gate, authority, verified, newer, resolve)
    shown = internet.context(HOST)
    shown.sni_callback = None  # it shows the one certificate under whatever name
    shown.set_alpn_protocols([spoken])
    async with serving(shown) as secure, serving(None) as plain, anyio.create_task_group() as group:
        yield World(gate, proxy, authority, internet, group, secure, plain, resolved)
        group.cancel_scope.cancel()
