"""A proxy on loopback that lets a server's answers through, or does to them what networks and proxies do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import anyio

from tests.models.fault_server import reset_when_closed


def as_it_is(body: bytes) -> bytes:
    return body


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to one response on its way.

    With a ``status`` the server is not asked: the response is the proxy's own, and status 0 is none at all.
    """

    edit: Callable[[bytes], bytes] = as_it_is
    type: str = ""  # instead of the content type that it has
    states_length: bool = False  # of the body as the server sent it
    slices: int = 1  # in which the body is sent,
    gap_s: float = 0.0  # with so much time before each
    end: Literal["close", "reset", "stall"] = "close"
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"error":{"message":"broken"}}'


@dataclass(slots=True)
class FaultProxy:
    """What went through, and what will happen; when ``troubles`` are used up, nothing does."""

    server: str
    troubles: list[Trouble]
    address: str = ""
    bodies: list[bytes] = field(default_factory=list)
    left: anyio.Event = field(default_factory=anyio.Event)  # the client gave up a connection

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length"))
            body = await reader.readexactly(int(length.split(b":")[1]))
            self.bodies.append(body)
            trouble = self.troubles.pop(0) if self.troubles else Trouble()
            if trouble.end == "reset":
                reset_when_closed(writer)
            if trouble.status != 0:
                await self._send(writer, trouble, head + body)
            if trouble.end == "stall":
                await reader.read()
                self.left.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, trouble: Trouble, request: bytes) -> None:
        if trouble.status is None:
            head, _, body = (await self._answer(request)).partition(b"\r\n\r\n")
        else:
            lines = "".join(f"\r\n{name}: {value}" for name, value in trouble.headers)
            head = f"HTTP/1.1 {trouble.status} X\r\ncontent-type: application/json{lines}".encode()
            body = trouble.body
        if trouble.type:
            head += b"\r\ncontent-type: " + trouble.type.encode()
            head = b"\r\n".join(line for line in head.split(b"\r\n") if not _is_other_type(line, trouble.type))
        if trouble.states_length:
            head += f"\r\ncontent-length: {len(body)}".encode()
        writer.write(head + b"\r\n\r\n")
        body = trouble.edit(body)
        size = max(1, -(-len(body) // trouble.slices))
        for at in range(0, len(body), size):
            await anyio.sleep(trouble.gap_s)
            writer.write(body[at : at + size])
            await writer.drain()

    async def _answer(self, request: bytes) -> bytes:
        url = urlsplit(self.server)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def fault_proxy(server: str, *troubles: Trouble) -> AsyncIterator[FaultProxy]:
    """Stand before the server at an address; ``troubles`` happen once each, in turn."""
    proxy = FaultProxy(server, list(troubles))
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with listening:
        proxy.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield proxy


def events_of(body: bytes) -> list[bytes]:
    """Give the events of a stream, each with the empty line behind it."""
    end = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    return [event + end for event in body.split(end) if event]


def half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def without_its_end(body: bytes) -> bytes:
    """Keep whole events: those of the first half, and one more."""
    events = events_of(body)
    return b"".join(events[: len(events) // 2 + 1])


def first_event(body: bytes) -> bytes:
    return events_of(body)[0]


def cut_in_its_last_event(body: bytes) -> bytes:
    """End in the middle of the last event that holds JSON."""
    return body[: body.rindex(b"data: {") + len(b'data: {"x')]


def with_broken_json(body: bytes) -> bytes:
    """Let an event in the middle hold something else."""
    events = events_of(body)
    middle = len(events) // 2
    return b"".join([*events[:middle], b"data: {oops\n\n", *events[middle:]])


def with_its_last_event_twice(body: bytes) -> bytes:
    return body + events_of(body)[-1]


def with_all_events_twice(body: bytes) -> bytes:
    return b"".join(event * 2 for event in events_of(body))


def with_comments(body: bytes) -> bytes:
    """Put between events what keeps a connection alive and means nothing."""
    return b": alive\n\n" + b"".join(
        event + b": alive\n\nevent: new\nid: 7\nretry: 10\n\n" for event in events_of(body)
    )


def _is_other_type(line: bytes, kind: str) -> bool:
    return line.lower().startswith(b"content-type") and not line.endswith(kind.encode())
