"""A page on the host's loopback for one person: who has its address sees and drives, and nobody else does.

Any program of the host can connect to the loopback, and any page in the person's own browser can send requests to it.
So the address has a part that cannot be guessed, a request must name the loopback as its host (a name of somebody
else's that leads here is not enough), and a socket is opened for our own page only.  Whatever is not right gets the
same empty answer.  The page is one file, loads nothing, and may connect to nothing but where it came from.

One window drives at a time: a newer one takes the place of the one before.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import anyio
import anyio.abc

if TYPE_CHECKING:
    import h11
    import wsproto

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
HEAD_BYTES_MAX = 16_384
HEAD_S = 5.0
MESSAGE_CHARS_MAX = 256_000
CONNECTIONS_MAX = 16
CHUNK_BYTES = 1 << 16
ELSEWHERE = 4001  # why a window is closed: another one drives
OVER = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Wire:
    """A WebSocket to the window of a person."""

    def __init__(self, stream: anyio.abc.SocketStream, connection: wsproto.WSConnection) -> None:
        self._stream = stream
        self._connection = connection
        self._sending = anyio.Lock()
        self._text = ""  # of a message that has not come whole

    async def send(self, content: str | bytes) -> None:
        from wsproto.events import BytesMessage, TextMessage

        async with self._sending:
            whole = TextMessage(content) if isinstance(content, str) else BytesMessage(content)
            await self._stream.send(self._connection.send(whole))

    async def messages(self) -> AsyncIterator[str]:
        """Give what comes, text by text, until the window is gone or breaks the rules."""
        from wsproto.utilities import RemoteProtocolError

        with suppress(RemoteProtocolError, *OVER):
            while True:
                async for text in self._waiting():
                    yield text
                self._connection.receive_data(await self._stream.receive(CHUNK_BYTES))

    async def _waiting(self) -> AsyncIterator[str]:
        """Give what has come whole, and answer what wants an answer."""
        from wsproto.events import CloseConnection, Ping, TextMessage

        for event in self._connection.events():
            match event:
                case TextMessage():
                    self._text += event.data
                    if len(self._text) > MESSAGE_CHARS_MAX:
                        raise anyio.EndOfStream
                    if event.message_finished:
                        text, self._text = self._text, ""
                        yield text
                case Ping():
                    async with self._sending:
                        await self._stream.send(self._connection.send(event.response()))
                case CloseConnection():
                    raise anyio.EndOfStream

    async def close(self, code: int, reason: str) -> None:
        from wsproto.events import CloseConnection
        from wsproto.utilities import LocalProtocolError

        with anyio.move_on_after(1, shield=True), suppress(LocalProtocolError, *OVER):
            async with self._sending:
                await self._stream.send(self._connection.send(CloseConnection(code, reason)))


Attend = Callable[[Wire], Awaitable[None]]


@dataclass(slots=True)
class Desk:
    port: int
    token: str
    attend: Attend
    connections: int = 0
    windows: list[tuple[Wire, anyio.CancelScope]] = field(default_factory=list)  # the one that drives

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/{self.token}/"

    async def receive(self, stream: anyio.abc.SocketStream) -> None:
        """Answer one connection."""
        async with stream:
            if self.connections >= CONNECTIONS_MAX:
                return
            self.connections += 1
            try:
                with suppress(*OVER):
                    await self._answer(stream)
            finally:
                self.connections -= 1

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        import h11

        http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        request, raw = None, b""
        with anyio.move_on_after(HEAD_S):
            raw, request = await _request(stream, http)
        if request is None:
            return
        host = self._host(request)
        if host and self._asks_for(request, "wire") and header(request, b"origin") == f"http://{host}":
            await self._open(stream, raw)
        elif host and self._asks_for(request, ""):
            page = files("workhand.browser").joinpath("desk.html").read_bytes()
            await _send(stream, http, 200, page, _headers(host, page))
        else:
            await _send(stream, http, 404, b"", [])

    def _host(self, request: h11.Request) -> str:
        """Give the host that a request names, if it is this one."""
        named = header(request, b"host")
        return named if named in [f"{name}:{self.port}" for name in NAMES] else ""

    def _asks_for(self, request: h11.Request, what: str) -> bool:
        wanted = f"/{self.token}/{what}".encode()
        return request.method == b"GET" and hmac.compare_digest(bytes(request.target), wanted)

    async def _open(self, stream: anyio.abc.SocketStream, raw: bytes) -> None:
        """Make a connection the wire of a window."""
        from wsproto import ConnectionType, WSConnection
        from wsproto.events import AcceptConnection, Request
        from wsproto.utilities import RemoteProtocolError

        connection = WSConnection(ConnectionType.SERVER)
        try:
            connection.receive_data(raw)
            if not isinstance(next(connection.events(), None), Request):
                return
        except RemoteProtocolError:  # It does not ask for a WebSocket, or not as it should.
            return
        await stream.send(connection.send(AcceptConnection()))
        await self._attend(Wire(stream, connection))

    async def _attend(self, wire: Wire) -> None:
        for before, scope in self.windows:
            await before.close(ELSEWHERE, "another window drives")
            scope.cancel()
        with anyio.CancelScope() as scope:
            self.windows[:] = [(wire, scope)]
            await self.attend(wire)


@asynccontextmanager
async def desk(attend: Attend) -> AsyncIterator[str]:
    """Serve the page for as long as the context lasts, and give its address; ``attend`` has the wire of each window."""
    listener = await anyio.create_tcp_listener(local_host=LOOPBACK)
    port = int(listener.extra(anyio.abc.SocketAttribute.local_port))
    made = Desk(port, secrets.token_urlsafe(32), attend)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(partial(listener.serve, made.receive))
        yield made.url
        group.cancel_scope.cancel()


async def _request(stream: anyio.abc.SocketStream, http: h11.Connection) -> tuple[bytes, h11.Request | None]:
    """Read the head of a request; give it as it came, and as it reads."""
    import h11

    raw = b""
    while len(raw) <= HEAD_BYTES_MAX:
        raw += (chunk := await stream.receive(CHUNK_BYTES))
        try:
            http.receive_data(chunk)
            event = http.next_event()
        except h11.RemoteProtocolError:
            break
        if isinstance(event, h11.Request):
            return raw, event
    return raw, None


async def _send(
    stream: anyio.abc.SocketStream, http: h11.Connection, status: int, content: bytes, headers: list[tuple[str, str]]
) -> None:
    import h11

    every = [*headers, ("Content-Length", str(len(content))), ("Connection", "close")]
    for event in (h11.Response(status_code=status, headers=every), h11.Data(data=content), h11.EndOfMessage()):
        await stream.send(http.send(event) or b"")


def header(request: h11.Request, name: bytes) -> str:
    """Give a header that a request has once."""
    found = [value for each, value in request.headers if each == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def _headers(host: str, page: bytes) -> list[tuple[str, str]]:
    """Give what goes with the page: its own script and style run, and nothing else does."""
    script, style = (f"'sha256-{_digest(page, tag)}'" for tag in (b"script", b"style"))
    policy = f"default-src 'none'; script-src {script}; style-src {style}; connect-src ws://{host}"
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]


def _digest(page: bytes, tag: bytes) -> str:
    content = page.partition(b"<%s>" % tag)[2].partition(b"</%s>" % tag)[0]
    return base64.b64encode(sha256(content).digest()).decode()
