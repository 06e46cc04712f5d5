"""A WebSocket, message by message: what goes out is judged whole, what comes in is searched for secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import ProtocolError

from workhand.guard.egress.wire import CHUNK_BYTES, Side
from workhand.guard.exchange import Outgoing, Ruling

if TYPE_CHECKING:
    from workhand.guard.egress.exchanging import Exchange

MESSAGE_BYTES_MAX = 16 << 20
POLICY_VIOLATION = 1008
Change: TypeAlias = Callable[[bytes], Awaitable[bytes]]


class End:
    """One end of the conversation: frames in and out of a stream."""

    def __init__(self, side: Side, role: ConnectionType) -> None:
        self.side = side
        self.frames = Connection(role, trailing_data=side.http.trailing_data[0])

    async def send(self, event: Event) -> None:
        self.side.writer.write(self.frames.send(event))
        await self.side.writer.drain()


async def converse(exchange: Exchange, outgoing: Outgoing, outside: Side) -> None:
    """Pass messages on in both directions until one end closes, or one is refused."""
    inner, outer = End(exchange.inside, ConnectionType.SERVER), End(outside, ConnectionType.CLIENT)

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

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_pass, outer, inner, redacted, group.cancel_scope)
            await _pass(inner, outer, judged, group.cancel_scope)
    except* _Refused as refused:
        first = refused.exceptions[0]
        await inner.send(CloseConnection(POLICY_VIOLATION, f"workhand: refused: {first}"[:120]))
        await outer.send(CloseConnection(POLICY_VIOLATION))
    except* (ProtocolError, OSError):
        pass  # One end broke the rules or the connection: it ends for both.


class _Refused(Exception):
    def __init__(self, ruling: Ruling) -> None:
        super().__init__(f"{ruling.rule}: {ruling.reason}")


async def _pass(source: End, target: End, changed: Change, scope: anyio.CancelScope) -> None:
    pieces: list[bytes | str] = []
    while True:
        for event in source.frames.events():
            if isinstance(event, Ping):
                await source.send(Pong(event.payload))
            elif isinstance(event, CloseConnection):
                await target.send(CloseConnection(event.code, event.reason))
                await source.send(event.response())
                return scope.cancel()
            elif isinstance(event, TextMessage | BytesMessage):
                pieces.append(event.data if isinstance(event.data, str) else bytes(event.data))
                if sum(map(len, pieces)) > MESSAGE_BYTES_MAX:
                    raise _Refused(Ruling(False, "too-long", f"a message may have {MESSAGE_BYTES_MAX:,} bytes."))
                if event.message_finished:
                    await target.send(await _whole(event, pieces, changed))
                    pieces = []
        chunk = await source.side.reader.read(CHUNK_BYTES)
        if not chunk:
            return scope.cancel()
        source.frames.receive_data(chunk)


async def _whole(last: TextMessage | BytesMessage, pieces: list[bytes | str], changed: Change) -> Event:
    if isinstance(last, TextMessage):
        text = "".join(str(each) for each in pieces)
        return TextMessage((await changed(text.encode())).decode(errors="replace"))
    return BytesMessage(await changed(b"".join(bytes(each) for each in pieces if not isinstance(each, str))))
