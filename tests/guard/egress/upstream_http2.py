"""The same server over HTTP/2: it gives the same answers, and some that only this protocol has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import h11

if TYPE_CHECKING:
    from tests.guard.egress.upstream import Upstream

CHUNK_BYTES = 1 << 16
PADDED_BYTES = 8
SETTINGS: dict[h2.settings.SettingCodes | int, int] = {
    h2.settings.SettingCodes.HEADER_TABLE_SIZE: 1 << 30
}  # it would have others remember a great deal


class Wire:
    """A connection with one request on it at a time, that pads what it sends."""

    def __init__(self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.upstream = upstream
        self.reader = reader
        self.writer = writer
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self.number = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.whole = False

    async def hear(self) -> None:
        chunk = await self.reader.read(CHUNK_BYTES)
        if not chunk:
            raise ConnectionResetError
        for event in self.http.receive_data(chunk):
            match event:
                case h2.events.RequestReceived(stream_id=int(number), headers=list(headers)):
                    self.number, self.body = number, b""
                    self.headers = {str(name): str(value) for name, value in headers}
                    self.whole = False
                case h2.events.DataReceived(data=bytes(data), flow_controlled_length=int(length)):
                    self.body += data
                    if self.headers.get(":path") != "/never-reads":
                        self.http.acknowledge_received_data(length, self.number)
                case h2.events.StreamEnded():
                    self.whole = True
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.http.data_to_send())

    async def say(self, content: bytes) -> None:
        while content:
            room = min(self.http.local_flow_control_window(self.number), self.http.max_outbound_frame_size)
            if (size := room - PADDED_BYTES) <= 0:
                await self.hear()
                continue
            self.upstream.sent += size
            self.http.send_data(self.number, content[:size], pad_length=PADDED_BYTES - 1)
            content = content[size:]
            self.flush()
            await self.writer.drain()

    def head(self, *headers: tuple[str, str], status: int = 200, end: bool = False) -> None:
        self.http.send_headers(self.number, [(":status", str(status)), *headers], end_stream=end)
        self.flush()


async def converse(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wire = Wire(upstream, reader, writer)
    wire.http.initiate_connection()
    wire.http.update_settings(SETTINGS)
    wire.flush()
    try:
        while True:
            while not wire.whole and not wire.headers.get(":path", "").startswith("/never-reads"):
                await wire.hear()
            wire.whole = False
            await _answered(wire)
            wire.headers = {}
    except h2.exceptions.ProtocolError:
        writer.close()


async def _answered(wire: Wire) -> None:
    from tests.guard.egress.upstream import answer

    pseudo = {name: value for name, value in wire.headers.items() if name.startswith(":")}
    told = {name: value for name, value in wire.headers.items() if not name.startswith(":")}
    told["host"] = pseudo[":authority"]
    wire.upstream.requests.append((pseudo[":method"], pseudo[":path"], told, wire.body))
    wire.upstream.spoken.append("h2")
    match pseudo[":path"]:
        case "/trailers":
            wire.head()
            await wire.say(b"one")
            seen = told.get("authorization", "")
            wire.http.send_headers(wire.number, [("x-sum", "7"), ("x-seen", seen)], end_stream=True)
        case "/only-trailers":
            wire.head(("grpc-status", "5"), end=True)
        case "/compressed-messages":
            wire.head(("grpc-encoding", "gzip"), end=True)
        case "/called":
            encoding, content = wire.upstream.called
            wire.head(("content-type", "application/grpc"), ("grpc-encoding", encoding))
            await wire.say(content)
            wire.http.send_headers(wire.number, [("grpc-status", "0")], end_stream=True)
        case "/leaves":
            wire.head()
            wire.http.close_connection()
            wire.http.state_machine.state = h2.connection.ConnectionState.SERVER_OPEN
            await wire.say(b"the rest")
            wire.http.end_stream(wire.number)
        case "/pushes":
            wire.http.remote_settings[h2.settings.SettingCodes.ENABLE_PUSH] = 1
            wire.http.remote_settings.acknowledge()
            wire.http.push_stream(wire.number, 2, [(k, v) for k, v in pseudo.items()])
        case "/then-ends":
            wire.head(end=True)
            raise ConnectionResetError
        case "/never-reads":
            wire.head(status=413, end=True)
        case "/not-taken":
            wire.http.close_connection(last_stream_id=0)
        case "/odd-header":
            wire.head(("x(y)", "1"), end=True)
        case "/large-head":
            wire.head(*((f"x-{n}", "y" * 1_000) for n in range(70)), end=True)
        case "/odd-status":
            wire.http.config.validate_outbound_headers = False
            wire.http.send_headers(wire.number, [(":status", "ok")], end_stream=True)
        case target:
            await _as_ever(wire, answer(wire.upstream, target, told, wire.body))
    wire.flush()


async def _as_ever(wire: Wire, pieces: list[h11.Event | bytes | asyncio.Event]) -> None:
    """Give an answer of HTTP/1.1; what would be no answer there resets the stream."""
    for piece in pieces:
        if isinstance(piece, asyncio.Event):
            await piece.wait()
        elif isinstance(piece, bytes):
            if piece:
                wire.head()
            wire.http.reset_stream(wire.number, 2)
        elif isinstance(piece, h11.Response):
            known = [(name.decode(), value.decode("latin-1")) for name, value in piece.headers]
            plain = [each for each in known if each[0] != "transfer-encoding"]
            wire.head(*plain, status=piece.status_code)
        elif isinstance(piece, h11.Data):
            await wire.say(bytes(piece.data))
        elif isinstance(piece, h11.EndOfMessage) and piece.headers:
            ends = [(name.decode(), value.decode()) for name, value in piece.headers]
            wire.http.send_headers(wire.number, ends, end_stream=True)
        elif isinstance(piece, h11.EndOfMessage):
            wire.http.end_stream(wire.number)
