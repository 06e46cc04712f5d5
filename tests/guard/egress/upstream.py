"""A server on this computer for the proxy's tests: it tells what it was sent, and answers in each way HTTP has."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import h11

from tests.guard.egress.upstream_http2 import converse

CHUNK_BYTES = 1 << 16


@dataclass
class Upstream:
    """What a server saw: how often it was connected to, and each request with its headers and its body."""

    port: int = 0
    connections: int = 0
    open: int = 0
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)  # "h2" for each request that came so
    sent: int = 0  # bytes of content over HTTP/2
    spelt: Callable[[bytes], bytes] = bytes  # how it says back what it was told
    called: tuple[str, bytes] = ("", b"")  # what a call of gRPC is answered: the encoding, and messages
    released: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # set when nobody is connected


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[Upstream]:
    """Serve on a port of loopback, over TLS where there is a context."""
    upstream = Upstream()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        upstream.open += 1
        upstream.left.clear()
        try:
            tls = writer.get_extra_info("ssl_object")
            if tls is not None and tls.selected_alpn_protocol() == "h2":
                await converse(upstream, reader, writer)
            else:
                await _converse(upstream, h11.Connection(h11.SERVER), reader, writer)
        except (h11.ProtocolError, OSError, asyncio.CancelledError):
            pass
        finally:
            upstream.open -= 1
            writer.close()
            if upstream.open == 0:
                upstream.left.set()

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()


async def _converse(
    upstream: Upstream, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while True:
        request, body = None, b""
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(CHUNK_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return
        assert request is not None
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        target = request.target.decode()
        upstream.requests.append((request.method.decode(), target, headers, body))
        for piece in answer(upstream, target, headers, body):
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                continue
            writer.write(piece if isinstance(piece, bytes) else http.send(piece) or b"")
            await writer.drain()
        if http.our_state is not h11.DONE:
            return
        http.start_next_cycle()


def answer(
    upstream: Upstream, target: str, headers: dict[str, str], body: bytes
) -> list[h11.Event | bytes | asyncio.Event]:
    """Give the events of an answer; bytes go out as they are, and end the connection; an event is waited for."""
    url = urlsplit(target)
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    match url.path:
        case "/big":
            count = int(asked["bytes"])
            head = h11.Response(status_code=200, headers=[("Content-Length", str(count))])
            return [head, *(h11.Data(data=b"x" * n) for n in _steps(count)), h11.EndOfMessage()]
        case "/chunked":
            head = h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
            ends = h11.EndOfMessage(headers=[("X-Sum", "7")])
            return [head, h11.Data(data=b"one "), h11.Data(data=b"two"), ends]
        case "/until-close":
            return [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"]
        case "/empty":
            return [h11.Response(status_code=int(asked["status"]), headers=[]), h11.EndOfMessage()]
        case "/redirect":
            where = [("Location", asked["to"]), ("Content-Length", "0")]
            return [h11.Response(status_code=302, headers=where), h11.EndOfMessage()]
        case "/early":
            hints = h11.InformationalResponse(status_code=103, headers=[("Link", "</style.css>")])
            return [hints, *_whole(b"late")]
        case "/reflect":
            seen = upstream.spelt(headers.get("authorization", "").encode())
            length = str(len(seen) + 2).encode()
            head = h11.Response(status_code=200, headers=[(b"X-Seen", seen), (b"Content-Length", length)])
            half = len(seen) // 2
            return [head, h11.Data(data=b"<" + seen[:half]), h11.Data(data=seen[half:] + b">"), h11.EndOfMessage()]
        case "/gzip":
            return _whole(gzip.compress(b"a" * 1000), ("Content-Encoding", "gzip"))
        case "/torn":
            return [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"]
        case "/hang-up":
            return [b""]
        case "/then-closes":
            return [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
        case "/not-http":
            return [b"\x00\x01 what is this\r\n\r\n"]
        case "/waits":
            return [upstream.released, *_whole(b"at last")]
        case "/split":
            return [b"HTTP/1.1 200 OK\r\nX-A: b\r\nX-C: d\0e\r\n\r\n"]
        case _:
            told = {"target": target, "headers": headers, "body": body.decode("latin-1")[:200], "bytes": len(body)}
            return _whole(json.dumps(told).encode(), ("Content-Type", "application/json"))


def _whole(content: bytes, *headers: tuple[str, str]) -> list[h11.Event | bytes | asyncio.Event]:
    head = h11.Response(status_code=200, headers=[*headers, ("Content-Length", str(len(content)))])
    return [head, h11.Data(data=content), h11.EndOfMessage()]


def _steps(count: int) -> list[int]:
    return [CHUNK_BYTES] * (count // CHUNK_BYTES) + [count % CHUNK_BYTES]
