"""HTTP/2 as it is spoken to servers, and its bounds, which hold towards the programs inside, too.

A connection to a server carries one request at a time, in the events of HTTP/1.1, so that who carries requests out need
not know which of the two is spoken.  One may send while another receives.  Nothing is pushed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import h11

from workhand.guard.egress.wire import HEAD_BYTES_MAX, IDLE_S, abort

READ_BYTES = 1 << 14  # small: whatever is in one is taken apart at once
WINDOW_BYTES = 1 << 20
TABLE_BYTES_MAX = 4_096  # of headers that one end lets the other remember
STREAMS_MAX = 16  # requests at once
CODES = h2.settings.SettingCodes
SETTINGS = {
    CODES.HEADER_TABLE_SIZE: TABLE_BYTES_MAX,
    CODES.ENABLE_PUSH: 0,
    CODES.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
    CODES.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
    CODES.MAX_FRAME_SIZE: READ_BYTES,
    CODES.MAX_HEADER_LIST_SIZE: HEAD_BYTES_MAX,
}

OPEN = h2.connection.ConnectionState.CLIENT_OPEN
GRACEFUL = {(OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY): (None, OPEN)}
"""A server that takes no more requests still answers the last one (RFC 9113, 6.8); h2 by itself would hear no more."""


def bounded(*, client: bool) -> h2.connection.H2Connection:
    """Begin a connection that takes no more than its settings say."""
    http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding=None))
    http.local_settings = h2.settings.Settings(client=client, initial_values=SETTINGS)
    http.decoder.max_header_list_size = HEAD_BYTES_MAX
    http.decoder.max_allowed_table_size = TABLE_BYTES_MAX
    http.initiate_connection()
    http.increment_flow_control_window(WINDOW_BYTES)
    return http


def taken(http: h2.connection.H2Connection, chunk: bytes) -> list[h2.events.Event]:
    """Take in what came, without remembering as much for the other end as it may ask for."""
    events = http.receive_data(chunk)
    encoder = http.encoder
    if encoder.header_table_size > TABLE_BYTES_MAX:
        encoder.header_table_size = TABLE_BYTES_MAX
        encoder.table_size_changes = [min(each, TABLE_BYTES_MAX) for each in encoder.table_size_changes]
    return events


def room(http: h2.connection.H2Connection, number: int) -> int:
    """Give how many bytes of content may be sent at once."""
    return min(http.local_flow_control_window(number), http.max_outbound_frame_size)


def plain(headers: object) -> list[tuple[bytes, bytes]]:
    assert isinstance(headers, list)
    return [(bytes(name), bytes(value)) for name, value in headers if not name.startswith(b":")]


class Caller:
    """A connection to a server.  What is broken about it is an ``h11.RemoteProtocolError`` or an ``OSError``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = bounded(client=True)
        self.http.state_machine._transitions = self.http.state_machine._transitions | GRACEFUL
        self.reader = reader
        self.writer = writer
        self.number = 0
        self.coming: deque[tuple[h11.Event, int]] = deque()  # with how much of the window each one fills
        self.trailers: list[tuple[bytes, bytes]] = []
        self.asked = self.answered = True  # whether all of the request was sent, and all of the answer has come
        self.leaving = False  # whether the server takes no more requests
        self.listening = asyncio.Lock()  # who sends may have to hear of more room while another receives

    @property
    def empty(self) -> bool:
        """Say whether nothing follows the head that was received."""
        return self.answered and len(self.coming) == 1

    async def stale(self) -> bool:
        """Say whether a kept connection takes no other request, after what the server has said meanwhile."""
        try:
            async with asyncio.timeout(0):
                while not self.leaving:
                    await self._hear(IDLE_S)
        except TimeoutError:
            return self.leaving
        except (h11.RemoteProtocolError, OSError):
            return True
        return True

    def again(self) -> bool:
        """Say whether another request may follow the last one."""
        return self.asked

    def close(self) -> None:
        abort(self.writer)

    async def send(self, *events: h11.Event, within_s: float = IDLE_S) -> None:
        try:
            for event in events:
                await self._say(event, within_s)
            await self._flush()
        except h2.exceptions.ProtocolError as error:
            raise h11.RemoteProtocolError(f"not as HTTP/2 allows: {type(error).__name__}") from error

    async def receive(self, within_s: float = IDLE_S) -> h11.Event:
        """Give the next event of an answer; the server may send more once it is taken."""
        await self._until(lambda: bool(self.coming), within_s)
        event, length = self.coming.popleft()
        if length:
            self.http.acknowledge_received_data(length, self.number)
            await self._flush()
        return event

    async def _say(self, event: h11.Event, within_s: float) -> None:
        if isinstance(event, h11.Request):
            self.number = self.http.get_next_available_stream_id()
            self.asked = self.answered = False
            self.trailers = []
            self.http.send_headers(self.number, _head(event))
        elif isinstance(event, h11.Data):
            content = memoryview(event.data)
            while content and not self.answered:
                if (size := min(room(self.http, self.number), len(content))) <= 0:
                    await self._until(lambda: self.answered or room(self.http, self.number) > 0, within_s)
                    continue
                self.http.send_data(self.number, bytes(content[:size]))
                content = content[size:]
                await self._flush()
        elif not self.answered:  # who is answered before it has read all wants no more
            self.http.end_stream(self.number)
            self.asked = True

    async def _until(self, reached: Callable[[], bool], within_s: float) -> None:
        """Listen until something is so: one at a time, who waits looks again at what the other has heard."""
        while not reached():
            async with self.listening:
                if not reached():
                    await self._hear(within_s)

    async def _hear(self, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            chunk = await self.reader.read(READ_BYTES)
        if not chunk:
            raise ConnectionResetError("closed")
        try:
            for event in taken(self.http, chunk):
                self._take(event)
        except (h2.exceptions.ProtocolError, h11.LocalProtocolError, ValueError) as error:
            raise h11.RemoteProtocolError(f"not as HTTP/2 allows: {type(error).__name__}") from error
        await self._flush()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(headers=headers):
                status = int(dict(headers or ())[b":status"])
                self.coming.append((h11.Response(status_code=status, headers=plain(headers)), 0))
            case h2.events.DataReceived(data=content, flow_controlled_length=length):
                self.coming.append((h11.Data(data=content or b""), length or 0))
            case h2.events.TrailersReceived(headers=headers):
                self.trailers = plain(headers)
            case h2.events.StreamEnded():
                self.coming.append((h11.EndOfMessage(headers=self.trailers), 0))
                self.answered = True
            case h2.events.ConnectionTerminated(last_stream_id=last):
                self.leaving = True
                if not self.answered and (last or 0) < self.number:
                    raise ConnectionResetError("not taken")
            case h2.events.StreamReset() if not self.answered:
                raise ConnectionResetError("taken back")
            case _:
                pass  # windows and settings, which h2 heeds; hints ahead of an answer

    async def _flush(self) -> None:
        self.writer.write(self.http.data_to_send())
        async with asyncio.timeout(IDLE_S):
            await self.writer.drain()


def _head(request: h11.Request) -> list[tuple[bytes, bytes]]:
    """Write the head of a request; that trailers are understood must be said to servers of gRPC."""
    known = [(bytes(name), bytes(value)) for name, value in request.headers]
    named = next(value for name, value in known if name == b"host")
    pseudo = [(b":method", request.method), (b":scheme", b"https"), (b":authority", named), (b":path", request.target)]
    return [*pseudo, *(each for each in known if each[0] != b"host"), (b"te", b"trailers")]
