"""HTTP/2 with a program inside: every stream is one request, carried out as any other request is.

A request is taken whole before it is judged, a call of gRPC message by message.  Its head is written anew as one of
HTTP/1.1, whose writer refuses line breaks, NUL and what else could become two requests.  Tunnels and WebSockets in
streams are refused, and trailers of requests are dropped.  Who takes requests back all the time is sent away; nothing
that a program says here is put into the log.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.abc
import anyio.lowlevel
import h2.errors
import h2.events
import h2.exceptions
import h11

from workhand.guard.egress.calls import is_call
from workhand.guard.egress.exchanging import BODY_BYTES_MAX, Exchange, Refused, refusal
from workhand.guard.egress.hosts import Endpoint
from workhand.guard.egress.http2 import READ_BYTES, bounded, plain, room, taken
from workhand.guard.egress.wire import IDLE_S, Side
from workhand.guard.exchange import Ruling

if TYPE_CHECKING:
    from workhand.guard.egress.proxy import Proxy

RESETS_MAX = 100  # requests taken back on a connection
CODE = h2.errors.ErrorCodes
ENDS = (OSError, h11.ProtocolError, h2.exceptions.ProtocolError)


@dataclass(slots=True, eq=False)
class Stream:
    """A request with what has come of it so far, and the way that its answer goes."""

    http2: ClassVar[bool] = True
    connection: Connection
    number: int
    head: list[tuple[bytes, bytes]]
    content: bytearray = field(default_factory=bytearray)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    excess: bool = False  # there was more of it than is taken
    whole: bool = False  # no more of it is wanted
    begun: bool = False
    call: bool = False  # of gRPC, taken message by message
    owed: int = 0  # how much was taken that the program inside has not yet been given room for
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.call = is_call(self.head)

    async def more(self, within_s: float) -> None:
        """Wait until more of a call is here, or its end; only now may the program inside send more."""
        self.arrived.clear()
        if self.owed:
            self.connection.http.increment_flow_control_window(self.owed, self.number)
            self.owed = 0
            await self.connection.flush()
        async with asyncio.timeout(within_s):
            await self.arrived.wait()

    def drop(self, count: int) -> None:
        """Forget the first bytes, which have been dealt with."""
        del self.content[:count]

    async def body(self, bytes_max: int) -> bytes | None:
        return None if self.excess or len(self.content) > bytes_max else bytes(self.content)

    async def send(self, *events: h11.Event) -> None:
        http, ended = self.connection.http, False
        for event, follows in zip(events, (*events[1:], None), strict=True):
            if isinstance(event, h11.Response):
                ended = isinstance(follows, h11.EndOfMessage) and not follows.headers
                status = (b":status", str(event.status_code).encode())
                http.send_headers(self.number, [status, *plain(list(event.headers))], end_stream=ended)
                self.begun = True
            elif isinstance(event, h11.Data):
                await self._pour(memoryview(event.data))
            elif isinstance(event, h11.EndOfMessage) and event.headers:
                http.send_headers(self.number, plain(list(event.headers)), end_stream=True)
            elif not ended:
                http.end_stream(self.number)
        await self.connection.flush()

    async def discard(self) -> None:
        """Say that no more of the request is wanted, where there is more."""
        if self.excess or not self.whole:
            await self.reset(CODE.NO_ERROR)

    async def reset(self, code: CODE) -> None:
        try:
            self.connection.http.reset_stream(self.number, code)
            await self.connection.flush()
        except ENDS:
            return  # It is gone already.

    async def _pour(self, content: memoryview) -> None:
        while content:
            if (size := min(room(self.connection.http, self.number), len(content))) > 0:
                self.connection.http.send_data(self.number, bytes(content[:size]))
                content = content[size:]
                await self.connection.flush()
                continue
            self.connection.more.clear()
            async with asyncio.timeout(IDLE_S):
                await self.connection.more.wait()


class Connection:
    """One connection of HTTP/2, as its server, for requests to one host."""

    def __init__(self, proxy: Proxy, side: Side, target: Endpoint) -> None:
        self.proxy = proxy
        self.side = side
        self.target = target
        self.http = bounded(client=False)
        self.streams: dict[int, Stream] = {}
        self.idle: list[Exchange] = []  # with connections to the server that wait for the next request
        self.resets = 0
        self.more = asyncio.Event()  # set when more may be sent

    async def serve(self) -> None:
        """Carry requests out until the program inside ends the connection, or breaks its rules."""
        try:
            async with anyio.create_task_group() as group:
                try:
                    await self._converse(group)
                except OSError:
                    pass  # It is gone, or too slow.
                finally:
                    group.cancel_scope.cancel()
        finally:
            for exchange in self.idle:
                exchange.close()
            await self.side.finish()

    async def flush(self) -> None:
        self.side.writer.write(self.http.data_to_send())
        async with asyncio.timeout(IDLE_S):
            await self.side.writer.drain()

    async def _converse(self, group: anyio.abc.TaskGroup) -> None:
        await self.flush()
        try:
            while chunk := await self._read():
                for event in taken(self.http, chunk):
                    if isinstance(event, h2.events.ConnectionTerminated):
                        return
                    self._take(event, group)
                await self.flush()
                await anyio.lowlevel.checkpoint()  # others have their turn, however much is said here
        except h2.exceptions.ProtocolError as error:
            reason = f"it is not HTTP/2 as it should be ({type(error).__name__}), and only that can be inspected."
            ruling = Ruling(False, "malformed-request", reason)
            self.proxy.gatekeeper.refused(self.target.host, self.target.port, "a request", ruling)
            await self.flush()  # says why, in its own way

    async def _read(self) -> bytes:
        """Read on; with no request to answer, no longer than a connection may idle."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    return await self.side.reader.read(READ_BYTES)
            except TimeoutError:
                if not any(stream.whole or stream.call for stream in self.streams.values()):
                    return b""

    # -- what comes in -------------------------------------------------------------------

    def _take(self, event: h2.events.Event, group: anyio.abc.TaskGroup) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(number), headers=list(headers)):
                stream = self.streams[number] = Stream(self, number, headers)
                if stream.call:
                    group.start_soon(self._answer, stream)
            case h2.events.DataReceived(stream_id=int(number), data=bytes(content), flow_controlled_length=length):
                self._add(number, content, group)
                self._give_room(number, length or 0)
            case h2.events.StreamEnded(stream_id=int(number)) if number in self.streams:
                self._start(self.streams[number], group)
            case h2.events.StreamReset(stream_id=int(number)):
                self._forget(number)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self.more.set()
            case _:
                pass  # pings, which h2 answers; trailers

    def _add(self, number: int, content: bytes, group: anyio.abc.TaskGroup) -> None:
        """Take a piece of a body; past the bound, which is one for all streams, the request is answered as it is."""
        stream = self.streams.get(number)
        if stream is None or stream.whole:
            return
        stream.content += content
        stream.arrived.set()
        if sum(len(each.content) for each in self.streams.values()) > BODY_BYTES_MAX:
            stream.excess = True
            stream.content.clear()
            self._start(stream, group)

    def _start(self, stream: Stream, group: anyio.abc.TaskGroup) -> None:
        if not stream.whole:
            stream.whole = True
            stream.arrived.set()
            if not stream.call:
                group.start_soon(self._answer, stream)

    def _give_room(self, number: int, length: int) -> None:
        """Let more be sent: of a call once it is needed, so that a slow server slows it, and it alone."""
        stream = self.streams.get(number)
        if stream is None or stream.whole or not stream.call:
            self.http.acknowledge_received_data(length, number)
        elif length:
            stream.owed += length
            self.http.increment_flow_control_window(length)

    def _forget(self, number: int) -> None:
        """Drop a request that was taken back; whoever does so all the time only makes work."""
        self.resets += 1
        if self.resets > RESETS_MAX:
            self.http.close_connection(CODE.ENHANCE_YOUR_CALM)
            raise h2.exceptions.DenialOfServiceError("requests are taken back all the time")
        if stream := self.streams.pop(number, None):
            stream.owed = 0  # it takes no more
            stream.scope.cancel()

    # -- what comes of it ----------------------------------------------------------------

    async def _answer(self, stream: Stream) -> None:
        exchange = self.idle.pop() if self.idle else Exchange(self.proxy, stream, "https", self.target)
        exchange.inside = stream
        ended = True
        with stream.scope:
            try:
                ended = await self._carry(stream, exchange)
            except ENDS:
                await stream.reset(CODE.INTERNAL_ERROR)
            finally:
                self.streams.pop(stream.number, None)
                if ended:
                    exchange.close()
                else:
                    self.idle.append(exchange)

    async def _carry(self, stream: Stream, exchange: Exchange) -> bool:
        """Answer a request; say whether its connection to the server ends with it."""
        try:
            request = _written(stream.head)
        except Refused as refused:
            await exchange.refuse("a request", refused)
            return True
        return await exchange.run(request, request.target.decode("ascii"))


def _written(head: list[tuple[bytes, bytes]]) -> h11.Request:
    """Write the head of a request as one of HTTP/1.1.  Raises ``Refused`` for what cannot be one."""
    pseudo = {name: value for name, value in head if name.startswith(b":")}
    if pseudo.get(b":scheme") != b"https" or pseudo[b":method"] == b"CONNECT":
        raise refusal("malformed-request", "only requests for https are carried out, and no tunnels.", 400)
    named = pseudo.get(b":authority") or next((value for name, value in head if name == b"host"), b"")
    kept = [each for each in plain(head) if each[0] != b"host"]
    try:
        return h11.Request(method=pseudo[b":method"], target=pseudo[b":path"], headers=[(b"host", named), *kept])
    except h11.LocalProtocolError as error:
        raise refusal("malformed-request", "it cannot be written as one of HTTP/1.1.", 400) from error
