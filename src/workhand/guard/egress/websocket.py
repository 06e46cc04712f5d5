"""A WebSocket, message by message: what goes out is judged whole, what comes in is searched for secrets.

Pings are answered by the neighbour and go no further, and neither does a reason for closing: nothing that was not
looked at passes.  Compression is not negotiated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio.lowlevel
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import ProtocolError

from workhand.guard.egress.wire import CHUNK_BYTES, IDLE_S, Side
from workhand.guard.exchange import Outgoing, Ruling

if TYPE_CHECKING:
    from workhand.guard.egress.exchanging import Exchange

MESSAGE_BYTES_MAX = 16 << 20
POLICY_VIOLATION = 1008
REASON_BYTES_MAX = 120
EVENTS_AT_ONCE = 100  # before others have their turn: a message may come in a great many pieces
Change: TypeAlias = Callable[[bytes], Awaitable[bytes]]


class End:
    """One end of the conversation: frames in and out of a stream."""

    def __init__(self, side: Side, role: ConnectionType) -> None:
        self.side = side
        self.frames = Connection(role, trailing_data=side.http.trailing_data[0])

    async def send(self, event: Event) -> None:
        self.side.writer.write(self.frames.send(event))
        async with asyncio.timeout(IDLE_S):
            await self.side.writer.drain()


async def converse(exchange: Exchange, outgoing: Outgoing, inside: Side, outside: Side) -> None:
    """Pass messages on in both directions until one end closes, or one is refused."""
    inner, outer = End(inside, ConnectionType.SERVER), End(outside, ConnectionType.CLIENT)

    async def judged(message: bytes) -> bytes:
        ruling = await exchange.gatekeeper.inspect_message(outgoing, message)
        if not ruling.allowed:
            exchange.gatekeeper.refused(outgoing.host, outgoing.port, "WebSocket message", ruling)
            raise _Refused(ruling)
        exchange.gatekeeper.passed(outgoing, ruling.rule, sent_bytes=len(message), received_bytes=0)
        return message

    async def redacted(message: bytes) -> bytes:
        redactor = exchange.gatekeeper.redactor(outgoing.host)
        return message if redactor is None else redactor.feed(message) + redactor.end()

    reasons: list[str] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_pass, outer, inner, redacted, group.cancel_scope)
            await _pass(inner, outer, judged, group.cancel_scope)
    except* _Refused as refused:
        reasons = [f"workhand: refused: {each}" for each in refused.exceptions]
    except* (ProtocolError, OSError):
        pass  # One end broke the rules or the connection: it ends for both.
    for reason in reasons:  # out here, since what is raised within ``except*`` becomes a group that nobody expects
        await _close(inner, reason)
        await _close(outer, "")


class _Refused(Exception):
    def __init__(self, ruling: Ruling) -> None:
        super().__init__(f"{ruling.rule}: {ruling.reason}")


async def _close(end: End, reason: str) -> None:
    try:
        await end.send(CloseConnection(POLICY_VIOLATION, reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")))
    except ProtocolError:
        return  # It is closed already.


async def _pass(source: End, target: End, changed: Change, scope: anyio.CancelScope) -> None:
    message = bytearray()
    count = 0
    while True:
        for event in source.frames.events():
            count += 1
            if count % EVENTS_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            if isinstance(event, Ping):
                await source.send(Pong(event.payload))
            elif isinstance(event, CloseConnection):
                await target.send(CloseConnection(event.code))
                await source.send(event.response())
                return scope.cancel()
            elif isinstance(event, TextMessage | BytesMessage):
                message += event.data.encode() if isinstance(event.data, str) else event.data
                if len(message) > MESSAGE_BYTES_MAX:
                    raise _Refused(Ruling(False, "too-long", f"a message may have {MESSAGE_BYTES_MAX:,} bytes."))
                if event.message_finished:
                    await target.send(_whole(event, await changed(bytes(message))))
                    message.clear()
        chunk = await source.side.reader.read(CHUNK_BYTES)
        if not chunk:
            return scope.cancel()
        source.frames.receive_data(chunk)


def _whole(last: Event, content: bytes) -> Event:
    """Give a message of the same kind; fillers are ASCII, so that a text stays one."""
    if isinstance(last, TextMessage):
        return TextMessage(content.decode(errors="replace"))
    return BytesMessage(content)
