"""The proxy on the host: the only way that anything of a machine reaches another computer.

Programs inside use it as an HTTP proxy.  TLS ends here, under a certificate of this installation's own authority, so
that every request can be read; towards the server a new connection is made, whose certificate is verified as
usual.  The host that was asked for, the name in TLS and the name in each request must agree.  Redirects are not
followed: where they lead is the next request, judged like any other.  What is neither HTTP nor TLS does not pass.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import h11

from workhand.guard.egress.addresses import Resolve, resolve
from workhand.guard.egress.authority import Authority
from workhand.guard.egress.exchanging import ORDINARY_PORTS, Exchange, Refused, Scheme, answer_to, refusal
from workhand.guard.egress.hosts import Endpoint, Malformed, endpoint
from workhand.guard.egress.wire import HEAD_BYTES_MAX, IDLE_S, Side
from workhand.guard.exchange import Gatekeeper, Ruling

FIRST_S = HANDSHAKE_S = 15.0
PEEK_S = 0.005
CONNECT = b"CONNECT "
TLS_HANDSHAKE = b"\x16"
NOWHERE = Endpoint("nowhere.invalid", 0)


@dataclass(frozen=True, slots=True)
class Proxy:
    gatekeeper: Gatekeeper
    authority: Authority
    verified: ssl.SSLContext  # how servers are verified
    newer: ssl.SSLContext  # another like it, for requests that came over HTTP/2: it offers that to servers, too
    resolve: Resolve = resolve

    def __post_init__(self) -> None:
        self.newer.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(self, connection: socket.socket) -> None:
        """Serve one connection from inside until it ends."""
        connection.setblocking(False)
        with ExitStack() as owned:  # until a transport takes the connection over
            owned.callback(connection.close)
            try:
                async with asyncio.timeout(FIRST_S):
                    head = await _connect_head(connection)
                if head:
                    await self._tunnel(connection, head, owned)
                else:
                    await self._requests(await _side(connection, owned), "http", None)
            except (h11.ProtocolError, OSError, TimeoutError):
                return  # It broke off, or spoke something else: there is nobody left to tell.

    async def _tunnel(self, connection: socket.socket, head: bytes, owned: ExitStack) -> None:
        """Answer CONNECT, and be the host's end of the tunnel, under its name if TLS is spoken in it."""
        loop = asyncio.get_running_loop()
        http = h11.Connection(h11.SERVER)
        http.receive_data(head)
        request = http.next_event()
        assert isinstance(request, h11.Request)
        try:
            target = endpoint(request.target.decode("ascii", "replace"))
            ruling = self.gatekeeper.contact(target.host, target.port)
        except Malformed as error:
            return await loop.sock_sendall(connection, _refusal(http, Ruling(False, "malformed-host", f"{error}.")))
        if not ruling.allowed:
            self.gatekeeper.refused(target.host, target.port, "CONNECT", ruling)
            return await loop.sock_sendall(connection, _refusal(http, ruling))
        await loop.sock_sendall(connection, b"HTTP/1.1 200 Connected\r\n\r\n")
        async with asyncio.timeout(IDLE_S):
            await anyio.wait_readable(connection)
        if connection.recv(1, socket.MSG_PEEK) != TLS_HANDSHAKE:
            return await self._requests(await _side(connection, owned), "http", target)
        try:
            side = await _side(connection, owned, self.authority.context(target.host))
        except ssl.SSLError:
            reason = f"the name in TLS must be {target.host}, and the machine must trust this installation's authority."
            return self.gatekeeper.refused(target.host, target.port, "TLS", Ruling(False, "host-mismatch", reason))
        if side.writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            return await self._requests(side, "https", target)
        from workhand.guard.egress.streams import Connection

        await Connection(self, side, target).serve()

    async def _requests(self, side: Side, scheme: Scheme, tunnel: Endpoint | None) -> None:
        """Carry requests out, one after the other; without a tunnel each is for a whole URL."""
        exchange: Exchange | None = None
        try:
            while isinstance(request := await side.receive(), h11.Request):
                try:
                    target, path = (tunnel, request.target.decode("ascii", "replace")) if tunnel else _absolute(request)
                except Malformed as error:
                    refused = refusal("malformed-host", f"{error}.")
                    return await Exchange(self, side, scheme, NOWHERE).answer(refused)
                if exchange is None or exchange.target != target:
                    if exchange is not None:
                        exchange.close()
                    exchange = Exchange(self, side, scheme, target)
                if await exchange.run(request, path) or side.http.our_state is not h11.DONE:
                    return
                side.http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            reason = f"it is not HTTP as it should be ({error}), and only HTTP can be inspected."
            refused = refusal("malformed-request", reason, error.error_status_hint)
            where = exchange.target if exchange else tunnel or NOWHERE
            self.gatekeeper.refused(where.host, where.port, "a request", refused.ruling)
            await Exchange(self, side, scheme, where).answer(refused)
        finally:
            if exchange is not None:
                exchange.close()
            await side.finish()


async def _connect_head(connection: socket.socket) -> bytes:
    """Take a whole CONNECT request off a connection; nothing, and nothing taken, if it begins with anything else."""
    seen = b""
    while True:
        await anyio.wait_readable(connection)
        before, seen = len(seen), connection.recv(HEAD_BYTES_MAX, socket.MSG_PEEK)
        if not seen.startswith(CONNECT[: len(seen)]) or not seen:
            return b""
        if (end := seen.find(b"\r\n\r\n")) >= 0:
            return connection.recv(end + 4)
        if len(seen) == HEAD_BYTES_MAX:
            raise ConnectionAbortedError("a head without end")
        if len(seen) == before:
            await asyncio.sleep(PEEK_S)  # what is looked at and not taken keeps the connection readable


def _absolute(request: h11.Request) -> tuple[Endpoint, str]:
    """Take a whole URL apart into where it leads and what is asked for there."""
    url = request.target.decode("ascii", "replace")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Malformed(f"{url[:80]!r} is no URL") from error
    if parts.scheme.lower() != "http" or "@" in parts.netloc or not parts.netloc:
        raise Malformed(f"{url[:80]!r} is not the URL of a page that is not encrypted; use CONNECT for those that are")
    rest = parts.path or "/"
    return endpoint(parts.netloc, ORDINARY_PORTS["http"]), f"{rest}?{parts.query}" if parts.query else rest


async def _side(connection: socket.socket, owned: ExitStack, tls: ssl.SSLContext | None = None) -> Side:
    """Make the server's side of HTTP on a connection, behind TLS if that is spoken."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    limit = HANDSHAKE_S if tls else None
    owned.pop_all()
    transport, protocol = await loop.connect_accepted_socket(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop), connection, ssl=tls, ssl_handshake_timeout=limit
    )
    return Side(h11.SERVER, reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def _refusal(http: h11.Connection, ruling: Ruling) -> bytes:
    head, content = answer_to(Refused(ruling))
    events = (head, h11.Data(data=content), h11.EndOfMessage())
    return b"".join(http.send(event) or b"" for event in events)
