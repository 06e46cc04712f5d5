"""A client of HTTP/2 whose every frame is in the test's hand; it can be told to say what no client may."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from tests.guard.egress.world import HOST, World

Headers = list[tuple[str, str]]


class BrokenOff(Exception):
    """What was waited for does not come."""


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: h2.connection.H2Connection
    events: list[h2.events.Event] = field(default_factory=list)
    reads: bool = True

    def headers(self, world: World, path: str = "/", method: str = "GET", *more: tuple[str, str]) -> Headers:
        authority = f"{HOST}:{world.secure.port}"
        pseudo = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
        return [*pseudo, *more]

    def ask(self, headers: Headers, body: bytes = b"", *, ends: bool = True) -> int:
        stream = self.http.get_next_available_stream_id()
        self.http.send_headers(stream, headers, end_stream=ends and not body)
        if body:
            self.http.send_data(stream, body, end_stream=ends)
        self.flush()
        return stream

    def flush(self) -> None:
        self.writer.write(self.http.data_to_send())

    async def until(self, kind: type[h2.events.Event], stream: int | None = None) -> h2.events.Event:
        """Read until something happens.  Raises ``BrokenOff`` when it cannot any more."""
        async with asyncio.timeout(20):
            while True:
                mine = [event for event in self.events if getattr(event, "stream_id", None) == stream]
                if found := [event for event in mine if isinstance(event, kind)]:
                    return found[0]
                if any(isinstance(event, h2.events.StreamReset) and event.error_code for event in mine):
                    raise BrokenOff
                await self.hear()

    async def hear(self) -> None:
        if not (chunk := await self.reader.read(1 << 14)):
            raise BrokenOff
        events = self.http.receive_data(chunk)
        self.events += events
        for event in events:
            if isinstance(event, h2.events.DataReceived) and self.reads:
                self.http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        self.flush()

    async def upload(self, stream: int, count: int) -> None:
        """Send so many bytes as fast as they are taken, or until the stream is answered."""
        async with asyncio.timeout(60):
            while count > 0 and not any(isinstance(each, h2.events.StreamReset) for each in self.events):
                size = min(self.http.local_flow_control_window(stream), self.http.max_outbound_frame_size, count)
                if size > 0:
                    self.http.send_data(stream, b"x" * size)
                    self.flush()
                    await self.writer.drain()
                    count -= size
                else:
                    await self.hear()

    async def answer(self, stream: int) -> tuple[int, bytes]:
        """Give the status and the content of an answer; no status if the stream or the connection was broken off."""
        try:
            await self.until(h2.events.StreamEnded, stream)
        except BrokenOff:
            return 0, b""
        mine = [event for event in self.events if getattr(event, "stream_id", None) == stream]
        status = int(self.headers_of(h2.events.ResponseReceived, stream)[":status"])
        return status, b"".join(event.data or b"" for event in mine if isinstance(event, h2.events.DataReceived))

    def headers_of(self, kind: type[h2.events.Event], stream: int) -> dict[str, str]:
        """Give the head of an answer, or what follows it."""
        for event in self.events:
            if isinstance(event, kind) and getattr(event, "stream_id", None) == stream:
                return {name.decode(): value.decode() for name, value in getattr(event, "headers", ())}
        return {}


async def client(world: World, *, lawful: bool = True) -> Client:
    reader, writer = await world.tunnel(protocols=("h2",))
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    config = h2.config.H2Configuration(
        client_side=True, header_encoding=None, validate_outbound_headers=lawful, normalize_outbound_headers=lawful
    )
    made = Client(reader, writer, h2.connection.H2Connection(config))
    made.http.initiate_connection()
    made.flush()
    return made
