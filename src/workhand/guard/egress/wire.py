"""One side of an HTTP/1.1 connection: an h11 state machine over a pair of streams, with every wait bounded."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import h11

CHUNK_BYTES = 1 << 16
HEAD_BYTES_MAX = 64 << 10
IDLE_S = 120.0
CLOSE_S = 2.0
DISCARDED_BYTES_MAX = 64 << 20


class Side:
    http2 = False
    empty = False  # an answer's end is known only when it is read

    def __init__(
        self, role: type[h11.CLIENT] | type[h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=HEAD_BYTES_MAX)
        self.reader = reader
        self.writer = writer

    @property
    def begun(self) -> bool:
        """Say whether an answer has begun, so that no other one can be given."""
        return self.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE)

    async def stale(self) -> bool:
        """Say whether a kept connection was closed meanwhile."""
        return self.reader.at_eof()

    def again(self) -> bool:
        """Make ready for another request, if the last one is done with."""
        if self.http.our_state is not h11.DONE or self.http.their_state is not h11.DONE:
            return False
        self.http.start_next_cycle()
        return True

    async def receive(self, within_s: float = IDLE_S) -> h11.Event:
        """Give the next event of the other side.  Raises ``h11.RemoteProtocolError`` or ``TimeoutError``."""
        while True:
            event = self.http.next_event()
            if isinstance(event, h11.Event):
                return event
            async with asyncio.timeout(within_s):
                self.http.receive_data(await self.reader.read(CHUNK_BYTES))

    async def send(self, *events: h11.Event) -> None:
        self.writer.write(b"".join(self.http.send(event) or b"" for event in events))
        async with asyncio.timeout(IDLE_S):
            await self.writer.drain()

    async def body(self, bytes_max: int) -> bytes | None:
        """Read a whole body; give nothing if it is longer than allowed."""
        if self.http.they_are_waiting_for_100_continue:
            await self.send(h11.InformationalResponse(status_code=100, headers=[]))
        content = bytearray()
        while True:
            event = await self.receive()
            if isinstance(event, h11.EndOfMessage):
                return bytes(content)
            if isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("closed within a body")
            if isinstance(event, h11.Data):
                content += event.data
            if len(content) > bytes_max:
                return None

    async def discard(self) -> None:
        """Read on for a while what nobody wants: a connection closed over it would take the answer with it."""
        if self._all_read():
            return
        left = DISCARDED_BYTES_MAX
        try:
            if self.writer.can_write_eof():
                self.writer.write_eof()
            async with asyncio.timeout(CLOSE_S):
                while left > 0 and (chunk := await self.reader.read(CHUNK_BYTES)):
                    left -= len(chunk)
        except OSError:
            return  # It took too long, or is gone already.

    def _all_read(self) -> bool:
        """Say whether nothing of a request is left, apart from what is here already."""
        try:
            while isinstance(self.http.next_event(), h11.Data):
                pass
        except h11.RemoteProtocolError:
            return False
        return self.http.their_state not in (h11.SEND_BODY, h11.ERROR)

    async def finish(self) -> None:
        """Close, once the other side has what was written; who does not take it is not waited for."""
        try:
            self.writer.close()
            async with asyncio.timeout(CLOSE_S):
                await self.writer.wait_closed()
        finally:
            self.close()

    def close(self) -> None:
        """Close at once."""
        abort(self.writer)


def abort(writer: asyncio.StreamWriter) -> None:
    """Close at once what may be closed already, which the TLS of early releases of Python 3.11 takes for an error."""
    with suppress(AttributeError):
        writer.transport.abort()
