"""A call of gRPC, message by message: both sides may take turns, and what goes out is judged before it goes on.

The head is judged like any other request, with a body of nothing.  A message that is compressed goes on unpacked, so
that what was searched is what leaves; in answers that are searched, too.  What is refused is told in the way of gRPC,
so that the program inside learns why, and breaks the call off for the server.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

import anyio.lowlevel
import h11

from workhand.guard.egress.exchanging import Refused, end_to_end, refusal, without_secrets
from workhand.guard.egress.http2 import Caller
from workhand.guard.exchange import Outgoing, Redactor

if TYPE_CHECKING:
    from workhand.guard.egress.exchanging import Exchange
    from workhand.guard.egress.streams import Stream

KIND = b"application/grpc"
MESSAGE_BYTES_MAX = 16 << 20
PREFIX_BYTES = 5  # whether a message is compressed, and its length
SILENCE_S = 3_600.0  # of either side: who watches something may hear nothing for long
ZLIB_OR_GZIP = 47
INTERNAL, UNAVAILABLE = 13, 14
STATUSES = {403: 7, 413: 8, 502: UNAVAILABLE, 504: UNAVAILABLE}  # of gRPC, for those of HTTP
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
BROKEN = (OSError, h11.ProtocolError)
Headers: TypeAlias = list[tuple[bytes, bytes]]


def is_call(head: Headers) -> bool:
    """Say whether a request is a call whose messages are read one by one; gRPC for browsers is not."""
    kind = dict(head).get(b"content-type", b"").partition(b";")[0].strip().lower()
    return (b":method", b"POST") in head and (kind == KIND or kind.startswith(KIND + b"+"))


def told(refused: Refused) -> Headers:
    """Give the end of a call that was refused."""
    text = f"workhand: refused by rule {refused.ruling.rule!r}: {refused.ruling.reason}"
    status = STATUSES.get(refused.status, INTERNAL)
    return [(b"grpc-status", str(status).encode()), (b"grpc-message", quote(text, safe=PRINTABLE).encode())]


async def refuse(stream: Stream, refused: Refused) -> None:
    """End a call, whether its answer has begun or not."""
    if stream.begun:
        await stream.send(h11.EndOfMessage(headers=told(refused)))
    else:
        head = h11.Response(status_code=200, headers=[(b"content-type", KIND), *told(refused)])
        await stream.send(head, h11.EndOfMessage())
    await stream.discard()


async def carry(exchange: Exchange, stream: Stream, head: h11.Request, call: Call) -> None:
    """Carry a call out until it is answered, broken off or refused; what went is counted in any case.

    Raises ``Refused``, or what broke the answer once it had begun.
    """
    outside = await exchange.opened()
    if not isinstance(outside, Caller):
        raise refusal("no-http2", f"{exchange.target} does not speak HTTP/2, which gRPC needs.", 502)
    failed: list[BaseException] = []
    try:
        async with anyio.create_task_group() as group:
            await outside.send(head)
            group.start_soon(_ask, exchange, stream, outside, call)
            await _answer(stream, outside, call)
            group.cancel_scope.cancel()
    except* (Refused, *BROKEN) as several:
        failed = list(several.exceptions)
    finally:
        exchange.gatekeeper.passed(call.outgoing, call.rule, sent_bytes=call.sent, received_bytes=call.received)
    for error in sorted(failed, key=lambda each: not isinstance(each, Refused)):
        if isinstance(error, Refused) or stream.begun:
            raise error
        reason = f"{exchange.target} gave no answer ({type(error).__name__}); it may have acted."
        raise refusal("no-answer", reason, 504 if isinstance(error, TimeoutError) else 502) from error
    await stream.discard()


@dataclass(slots=True)
class Call:
    """What was asked for, by which rule it may be, and how much has passed of it."""

    outgoing: Outgoing
    rule: str
    redactor: Redactor | None
    sent: int = 0
    received: int = 0


async def _ask(exchange: Exchange, stream: Stream, outside: Caller, call: Call) -> None:
    """Judge each message of the program inside, and send it on."""
    encoding = _encoding(call.outgoing.headers)
    while (message := await _next(stream)) is not None:
        flag, packed = message
        content = _unpacked(flag, packed, encoding, "unreadable-message", 400)
        ruling = await exchange.gatekeeper.inspect_message(call.outgoing, content)
        if not ruling.allowed:
            raise Refused(ruling)
        placed = exchange.gatekeeper.prepare(replace(call.outgoing, body=content)).body
        await outside.send(h11.Data(data=framed(placed)), within_s=SILENCE_S)
        call.sent += len(content)
        stream.drop(PREFIX_BYTES + len(packed))
        await anyio.lowlevel.checkpoint()  # a great many messages may be here already
    await outside.send(h11.EndOfMessage())


async def _next(stream: Stream) -> tuple[int, bytes] | None:
    """Give the next message, which counts as held until it is dropped; nothing at the end of the request."""
    while True:
        if stream.excess or _length(stream.content) > MESSAGE_BYTES_MAX:
            raise refusal("too-long", f"a message may have {MESSAGE_BYTES_MAX:,} bytes; send less at once.", 413)
        if (found := _first(stream.content)) is not None:
            return found
        if stream.whole:
            if stream.content:
                raise refusal("malformed-request", "it ends within a message.", 400)
            return None
        await stream.more(SILENCE_S)


async def _answer(stream: Stream, outside: Caller, call: Call) -> None:
    """Pass on what the server says as it comes; what says no more than its head ends with that."""
    response = await outside.receive(SILENCE_S)
    assert isinstance(response, h11.Response), "an answer begins with its head"
    headers = [(bytes(name), bytes(value)) for name, value in response.headers]
    said = without_secrets(end_to_end(headers), call.redactor)
    last: list[h11.Event] = [h11.Response(status_code=response.status_code, headers=said)]
    if not outside.empty:
        await stream.send(last.pop())
    searched = call.redactor
    if searched is not None and dict(headers).get(b"content-type", b"").startswith(KIND):
        searched = Searched(searched, _encoding(headers))
    while not isinstance(event := await outside.receive(SILENCE_S), h11.EndOfMessage):
        assert isinstance(event, h11.Data), "content follows the head"
        call.received += len(event.data)
        await stream.send(h11.Data(data=searched.feed(bytes(event.data)) if searched else bytes(event.data)))
    if searched is not None and call.received:
        last.append(h11.Data(data=searched.end()))
    trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
    await stream.send(*last, h11.EndOfMessage(headers=without_secrets(end_to_end(trailers), call.redactor)))


@dataclass(slots=True)
class Searched:
    """Takes secrets out of an answer message by message, so that none of them waits for what follows it."""

    redactor: Redactor
    encoding: bytes
    held: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> bytes:
        self.held += chunk
        clean: list[bytes] = []
        at = 0
        while (found := _first(memoryview(self.held)[at:])) is not None:
            flag, packed = found
            at += PREFIX_BYTES + len(packed)
            content = _unpacked(flag, packed, self.encoding, "unreadable-answer", 502)
            clean.append(framed(self.redactor.feed(content) + self.redactor.end()))
        del self.held[:at]
        if _length(self.held) > MESSAGE_BYTES_MAX:
            raise refusal("unreadable-answer", f"a message of it has more than {MESSAGE_BYTES_MAX:,} bytes.", 502)
        return b"".join(clean)

    def end(self) -> bytes:
        if self.held:
            raise ConnectionResetError("ended within a message")
        return b""


# -- frames --------------------------------------------------------------------------------


def framed(content: bytes) -> bytes:
    return b"\0" + len(content).to_bytes(PREFIX_BYTES - 1, "big") + content


def _length(held: bytes | bytearray | memoryview) -> int:
    return int.from_bytes(held[1:PREFIX_BYTES], "big") if len(held) >= PREFIX_BYTES else 0


def _first(held: bytearray | memoryview) -> tuple[int, bytes] | None:
    """Give the flag and the content of the first message, if all of it is here."""
    end = PREFIX_BYTES + _length(held)
    return (held[0], bytes(held[PREFIX_BYTES:end])) if PREFIX_BYTES <= len(held) >= end else None


def _encoding(headers: Headers | tuple[tuple[bytes, bytes], ...]) -> bytes:
    return dict(headers).get(b"grpc-encoding", b"identity").strip().lower()


def _unpacked(flag: int, packed: bytes, encoding: bytes, rule: str, status: int) -> bytes:
    """Give a message as it is read.  Raises ``Refused`` for what cannot be, or hides something behind its end."""
    if flag == 0:
        return packed
    if flag != 1 or encoding not in (b"gzip", b"deflate"):
        named = encoding[:20].decode("ascii", "replace")
        raise refusal(rule, f"a message of it is compressed as {named!r}; use gzip, or no compression.", status)
    unpacker = zlib.decompressobj(ZLIB_OR_GZIP)
    try:
        content = unpacker.decompress(packed, MESSAGE_BYTES_MAX)
    except zlib.error:
        content = b""
    if not unpacker.eof or unpacker.unused_data:
        reason = f"a message of it does not unpack whole, or to more than {MESSAGE_BYTES_MAX:,} bytes."
        raise refusal(rule, reason, status)
    return content
