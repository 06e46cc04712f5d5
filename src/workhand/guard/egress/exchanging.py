"""Carry one request out and its answer back, if it may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

import h11

from workhand.guard.egress.addresses import forbidden
from workhand.guard.egress.hosts import Endpoint, Malformed, endpoint
from workhand.guard.egress.wire import Side
from workhand.guard.exchange import Outgoing, Redactor, Ruling

if TYPE_CHECKING:
    from workhand.guard.egress.http2 import Caller
    from workhand.guard.egress.proxy import Proxy
    from workhand.guard.egress.streams import Stream

CONNECT_S = 15.0
ANSWER_S = 600.0  # until an answer begins: a model may think for long
BODY_BYTES_MAX = 32 << 20
ORDINARY_PORTS = {"http": 80, "https": 443}
HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
OURS = (b"host", b"content-length", b"expect")  # what is said anew of every request
COMPRESSION = frozenset((b"content-encoding", b"grpc-encoding", b"connect-content-encoding"))  # of an answer's content
READING = frozenset((b"GET", b"HEAD", b"OPTIONS"))
Headers = Iterable[tuple[bytes, bytes]]
Scheme: TypeAlias = Literal["http", "https"]


class Refused(Exception):
    """A request is answered here, and the connection with it ends."""

    def __init__(self, ruling: Ruling, status: int = 403) -> None:
        super().__init__(ruling.reason)
        self.ruling = ruling
        self.status = status


def refusal(rule: str, reason: str, status: int = 403) -> Refused:
    return Refused(Ruling(False, rule, reason), status)


def answer_to(refused: Refused) -> tuple[h11.Response, bytes]:
    """Give what a program inside is told of a refusal."""
    text = f"workhand: refused by rule {refused.ruling.rule!r}: {refused.ruling.reason}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(text))),
        ("Connection", "close"),
    ]
    return h11.Response(status_code=refused.status, headers=headers), text


class Exchange:
    """Requests of one connection to one server, one after the other."""

    def __init__(self, proxy: Proxy, inside: Side | Stream, scheme: Scheme, target: Endpoint) -> None:
        self.proxy = proxy
        self.gatekeeper = proxy.gatekeeper
        self.inside = inside
        self.scheme = scheme
        self.target = target
        self.outside: Side | Caller | None = None

    async def run(self, request: h11.Request, path: str) -> bool:
        """Answer one request; say whether the connection ends with it."""
        outgoing: Outgoing | None = None
        try:
            outgoing = await self._outgoing(request, path)
            ruling = await self.gatekeeper.inspect(outgoing)
            if not ruling.allowed:
                raise Refused(ruling)
            return await self._pass(outgoing, ruling)
        except Refused as refused:
            what = outgoing.what if outgoing else request.method.decode("ascii", "replace")
            await self.refuse(what, refused)
            return True

    def close(self) -> None:
        if self.outside is not None:
            self.outside.close()

    async def refuse(self, what: str, refused: Refused) -> None:
        self.gatekeeper.refused(self.target.host, self.target.port, what, refused.ruling)
        await self.answer(refused)

    async def answer(self, refused: Refused) -> None:
        """Tell the program inside what was refused, unless its answer has already begun."""
        if call := self._call():
            from workhand.guard.egress.calls import refuse

            return await refuse(call, refused)
        if self.inside.begun:
            return
        head, text = answer_to(refused)
        await self.inside.send(head, h11.Data(data=text), h11.EndOfMessage())
        await self.inside.discard()

    def _call(self) -> Stream | None:
        """Give what is inside if it is a call of gRPC, whose messages are judged one by one."""
        return None if isinstance(self.inside, Side) or not self.inside.call else self.inside

    # -- what is asked for -------------------------------------------------------------

    async def _outgoing(self, request: h11.Request, path: str) -> Outgoing:
        _check_form(request)
        named = [value.decode("ascii", "replace") for name, value in request.headers if name == b"host"]
        try:
            stated = endpoint(named[0] if named else "", ORDINARY_PORTS[self.scheme])
        except Malformed as error:
            raise refusal("malformed-host", f"{error}.", 400) from error
        if stated != self.target:
            raise refusal("host-mismatch", f"the request names {stated} on a connection to {self.target}.")
        if not path.startswith("/"):
            raise refusal("malformed-target", f"{path[:80]!r} is not a path.", 400)
        if (
            self.scheme == "http"
            and not (ruling := self.gatekeeper.contact(self.target.host, self.target.port)).allowed
        ):
            raise Refused(ruling)
        body = b"" if self._call() else await self.inside.body(BODY_BYTES_MAX)
        if body is None:
            raise refusal("too-long", f"a request may have {BODY_BYTES_MAX:,} bytes; send less at once.", 413)
        headers = tuple((bytes(name), bytes(value)) for name, value in request.headers)
        websocket = (b"upgrade", b"websocket") in [(name, value.lower()) for name, value in headers]
        compression = (b"sec-websocket-extensions",) if websocket else ()
        return Outgoing(
            self.scheme,
            self.target.host,
            self.target.port,
            request.method.decode("ascii"),
            path,
            ((b"host", self._authority()), *end_to_end(headers, *OURS, *compression)),
            body,
            websocket,
            self._call() is not None,
        )

    def _authority(self) -> bytes:
        """Name the server in the one form that was judged, whatever form it was asked for in."""
        ordinary = self.target.port == ORDINARY_PORTS[self.scheme]
        return (str(self.target).rpartition(":")[0] if ordinary else str(self.target)).encode()

    # -- what comes of it ----------------------------------------------------------------

    async def _pass(self, outgoing: Outgoing, ruling: Ruling) -> bool:
        redactor = self.gatekeeper.redactor(outgoing.host)
        prepared = self.gatekeeper.prepare(outgoing)
        try:
            head = _head(prepared, plain=redactor is not None)
        except h11.LocalProtocolError as error:
            raise refusal("malformed-request", "a header of it cannot be sent as it is.", 400) from error
        if call := self._call():
            from workhand.guard.egress.calls import Call, carry

            await carry(self, call, head, Call(outgoing, ruling.rule, redactor))
            self._keep()
            return False
        outside, response = await self._asked(head, prepared.body)
        if isinstance(response, h11.InformationalResponse):
            from workhand.guard.egress.websocket import converse

            assert isinstance(self.inside, Side) and isinstance(outside, Side), "HTTP/2 opens no WebSocket"
            said = [(name, value) for name, value in response.headers if name != b"sec-websocket-extensions"]
            headers = without_secrets(said, redactor)
            await self.inside.send(h11.InformationalResponse(status_code=101, headers=headers))
            await converse(self, outgoing, self.inside, outside)
            return True
        received = await self._answered(outside, response, redactor)
        self.gatekeeper.passed(outgoing, ruling.rule, sent_bytes=len(outgoing.body), received_bytes=received)
        self._keep()
        return False

    async def _asked(
        self, head: h11.Request, body: bytes
    ) -> tuple[Side | Caller, h11.Response | h11.InformationalResponse]:
        """Send a request; give the head of the answer.

        It is sent once more only where that can do no harm: it only reads, and a kept connection was found closed.
        """
        for attempt in (0, 1):
            kept = self.outside
            outside = await self.opened()
            fresh = outside is not kept
            try:
                await outside.send(head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage())
                return outside, await _response(outside)
            except (h11.RemoteProtocolError, OSError, TimeoutError) as error:
                self._forget()
                late = isinstance(error, TimeoutError)
                if fresh or attempt or late or head.method not in READING:
                    reason = f"{self.target} gave no answer ({type(error).__name__}); it may have acted."
                    raise refusal("no-answer", reason, 504 if late else 502) from error
        raise AssertionError("the second attempt answers or raises")

    async def opened(self) -> Side | Caller:
        """Give the connection that was kept, if it still serves, else a new one."""
        if self.outside is not None and await self.outside.stale():
            self._forget()
        self.outside = self.outside or await self._connect()
        return self.outside

    async def _connect(self) -> Side | Caller:
        """Connect to an address of the host that was looked at; the name is resolved here and nowhere else."""
        host, port = self.target.host, self.target.port
        try:
            async with asyncio.timeout(CONNECT_S):
                addresses = await self.proxy.resolve(host, port)
                if not self.gatekeeper.permits_address(host, port):
                    _check(host, addresses)
                verified = self.proxy.newer if self.inside.http2 else self.proxy.verified
                tls = verified if self.scheme == "https" else None
                name = host if tls else None
                reader, writer = await asyncio.open_connection(addresses[0], port, ssl=tls, server_hostname=name)
        except (OSError, TimeoutError, IndexError) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            raise refusal("unreachable", f"{self.target} cannot be reached: {said}.", 502) from error
        if tls and writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            from workhand.guard.egress.http2 import Caller

            return Caller(reader, writer)
        return Side(h11.CLIENT, reader, writer)

    async def _answered(self, outside: Side | Caller, response: h11.Response, redactor: Redactor | None) -> int:
        headers = [(bytes(name), bytes(value)) for name, value in response.headers]
        if redactor is not None:
            if any(name in COMPRESSION and value.lower() != b"identity" for name, value in headers):
                raise refusal("unreadable-answer", f"{self.target} compresses what must be searched for secrets.", 502)
            headers = without_secrets(headers, redactor)
        last: list[h11.Event] = [h11.Response(status_code=response.status_code, headers=list(end_to_end(headers)))]
        if not outside.empty:  # else the end goes with the head, as it came
            await self.inside.send(last.pop())
        received = 0
        while not isinstance(event := await outside.receive(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                received += len(event.data)
                content = bytes(event.data) if redactor is None else redactor.feed(bytes(event.data))
                await self.inside.send(h11.Data(data=content))
        if redactor is not None and received:
            last.append(h11.Data(data=redactor.end()))
        trailers = [(bytes(name), bytes(value)) for name, value in event.headers] if self.inside.http2 else []
        said = without_secrets(end_to_end(trailers), redactor)
        await self.inside.send(*last, h11.EndOfMessage(headers=said))
        return received

    def _keep(self) -> None:
        """Keep the connection to the server for another request, if it takes one."""
        if self.outside is not None and not self.outside.again():
            self._forget()

    def _forget(self) -> None:
        if self.outside is not None:
            self.outside.close()
        self.outside = None


async def _response(outside: Side | Caller) -> h11.Response | h11.InformationalResponse:
    while True:
        event = await outside.receive(ANSWER_S)
        if isinstance(event, h11.Response) or getattr(event, "status_code", 0) == 101:
            assert isinstance(event, h11.Response | h11.InformationalResponse)
            return event
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError("closed")


def _check_form(request: h11.Request) -> None:
    """Refuse what others could read as two requests, or in another protocol."""
    names = [bytes(name) for name, _ in request.headers]
    if request.http_version not in (b"1.0", b"1.1"):
        raise refusal("malformed-request", f"HTTP {request.http_version.decode()} is not spoken so.", 400)
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        raise refusal("malformed-request", "it says in two ways how long it is; give one length.", 400)


def without_secrets(headers: Headers, redactor: Redactor | None) -> list[tuple[bytes, bytes]]:
    return [(name, value if redactor is None else redactor.feed(value) + redactor.end()) for name, value in headers]


def _check(host: str, addresses: tuple[str, ...]) -> None:
    for address in addresses:
        if reason := forbidden(address):
            raise refusal("private-address", f"{host} is at {address}: {reason}; name it with its port to permit it.")


def _head(outgoing: Outgoing, *, plain: bool) -> h11.Request:
    headers = [each for each in outgoing.headers if not (plain and each[0].endswith(b"accept-encoding"))]
    if plain:
        headers.append((b"accept-encoding", b"identity"))
    if outgoing.websocket:
        headers += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    if not outgoing.call and (outgoing.body or outgoing.method in ("POST", "PUT", "PATCH")):
        headers.append((b"content-length", str(len(outgoing.body)).encode()))
    return h11.Request(method=outgoing.method, target=outgoing.target, headers=headers)


def end_to_end(headers: Headers, *others: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Leave out what is said between two neighbours only, what they call so included."""
    known = list(headers)
    named = {each.strip().lower() for name, value in known if name == b"connection" for each in value.split(b",")}
    return tuple(each for each in known if each[0] not in HOP_BY_HOP | named | set(others))
