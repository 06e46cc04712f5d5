"""A program that speaks HTTP/2 is held to the same rules, whatever it does with its streams."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import pytest

from tests.guard.egress.world import HOST, OTHER, PLACEHOLDER, SECRET, World
from workhand.guard.egress.exchanging import BODY_BYTES_MAX
from workhand.guard.egress.streams import RESETS_MAX

pytestmark = pytest.mark.anyio
Headers = list[tuple[str, str]]


@dataclass
class Client:
    """A client whose every frame is in the test's hand; it can be told to say what no client may."""

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
        async with asyncio.timeout(20):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and getattr(event, "stream_id", None) == stream:
                        return event
                chunk = await self.reader.read(1 << 14)
                assert chunk, f"it ended before a {kind.__name__}"
                for event in self.http.receive_data(chunk):
                    self.events.append(event)
                    if isinstance(event, h2.events.StreamReset) and event.stream_id == stream and event.error_code:
                        assert kind is h2.events.StreamReset, "it was reset"
                    if isinstance(event, h2.events.DataReceived) and self.reads:
                        assert event.flow_controlled_length is not None
                        self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
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
                    self.events += self.http.receive_data(await self.reader.read(1 << 14))

    async def answer(self, stream: int) -> tuple[int, bytes]:
        """Give the status and the content of an answer."""
        await self.until(h2.events.StreamEnded, stream)
        mine = [event for event in self.events if getattr(event, "stream_id", None) == stream]
        head = next(event for event in mine if isinstance(event, h2.events.ResponseReceived))
        assert head.headers is not None
        status = int(dict(head.headers)[b":status"])
        return status, b"".join(event.data or b"" for event in mine if isinstance(event, h2.events.DataReceived))


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


async def test_who_speaks_both_is_spoken_to_in_the_simpler(outside: World) -> None:
    _, writer = await outside.tunnel(protocols=("h2", "http/1.1"))
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()


async def test_requests_at_once_are_each_answered(outside: World) -> None:
    inside = await client(outside)
    asked = [inside.ask(inside.headers(outside, f"/{n}", "POST"), b"body %d" % n) for n in range(5)]
    for number, stream in enumerate(asked):
        status, content = await inside.answer(stream)
        told = json.loads(content)
        assert (status, told["target"], told["body"]) == (200, f"/{number}", f"body {number}")
    inside.writer.close()


async def test_cookies_secrets_and_the_host_leave_as_in_the_other_protocol(outside: World) -> None:
    inside = await client(outside)
    more = (("cookie", "a=1"), ("cookie", "b=2"), ("authorization", f"Bearer {PLACEHOLDER.decode()}"))
    _, content = await inside.answer(inside.ask(inside.headers(outside, "/reflect", "GET", *more)))
    _, _, headers, _ = outside.secure.requests[0]
    assert headers["cookie"] == "a=1; b=2"
    assert headers["authorization"] == f"Bearer {SECRET.decode()}"
    assert headers["host"] == f"{HOST}:{outside.secure.port}"
    assert content == b"<Bearer " + b"*" * len(SECRET) + b">"
    inside.writer.close()


async def test_an_answer_is_sent_no_faster_than_it_is_read(outside: World) -> None:
    outside.gate.secret_hosts = frozenset()
    inside = await client(outside)
    inside.reads = False
    slow = inside.ask(inside.headers(outside, "/big?bytes=1000000"))
    await inside.until(h2.events.DataReceived, slow)
    while inside.http.remote_flow_control_window(slow) > 0:
        for event in inside.http.receive_data(await inside.reader.read(1 << 14)):
            inside.events.append(event)
    inside.reads = True
    inside.http.increment_flow_control_window(2_000_000)
    inside.http.increment_flow_control_window(2_000_000, slow)
    inside.flush()
    _, content = await inside.answer(slow)
    assert len(content) == 1_000_000
    inside.writer.close()


async def test_what_is_refused_is_told_on_its_stream_and_the_others_go_on(outside: World) -> None:
    inside = await client(outside)
    bad = inside.ask(inside.headers(outside, "/", "POST"), b"this is forbidden")
    good = inside.ask(inside.headers(outside, "/good"))
    assert await inside.answer(bad) == (
        403,
        b"workhand: refused by rule 'content': it says what must not be said.\n",
    )
    assert (await inside.answer(good))[0] == 200
    assert [request[1] for request in outside.secure.requests] == ["/good"]
    inside.writer.close()


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({":authority": OTHER}, ()),
        ({":authority": f"user@{HOST}:1"}, ()),
        ({":authority": ""}, ()),
        ({":scheme": "http"}, ()),
        ({":path": "*"}, ()),
        ({":path": ""}, ()),
        ({":path": "https://other.test/"}, ()),
        ({":path": "/a b"}, ()),
        ({":path": "/a\r\nHost: other.test"}, ()),
        ({":method": "GET / HTTP/1.1\r\nA: b"}, ()),
        ({":method": "CONNECT"}, ()),
        ({}, (("host", OTHER),)),
        ({}, (("Upper", "case"),)),
        ({}, (("a\r\nb", "c"),)),
        ({}, (("a b", "c"),)),
        ({}, (("a", "b\r\nc: d"),)),
        ({}, (("a", "b\nc"),)),
        ({}, (("a", "b\0c"),)),
        ({}, (("connection", "keep-alive"),)),
        ({}, (("transfer-encoding", "chunked"),)),
        ({}, (("upgrade", "websocket"),)),
        ({}, (("te", "gzip"),)),
        ({}, ((":path", "/twice"),)),
        ({}, ((":protocol", "websocket"),)),
        ({}, (("content-length", "x"),)),
    ],
)
async def test_what_could_become_another_request_is_refused(
    outside: World, changed: dict[str, str], more: tuple[tuple[str, str], ...]
) -> None:
    inside = await client(outside, lawful=False)
    headers = [(name, changed.get(name, value)) for name, value in inside.headers(outside)] + [*more]
    stream = inside.ask([each for each in headers if each[1] or each[0] != ":authority"])
    try:
        status, content = await inside.answer(stream)
    except AssertionError:
        status, content = 400, b"workhand"  # the stream or the connection was reset
    assert status in (400, 403)
    assert b"workhand" in content
    assert (outside.secure.requests, outside.resolved) == ([], [])
    inside.writer.close()


async def test_bodies_are_bounded_over_all_streams(outside: World) -> None:
    inside = await client(outside)
    first, second = (inside.ask(inside.headers(outside, "/", "POST"), ends=False) for _ in range(2))
    await inside.upload(first, BODY_BYTES_MAX // 2 + 1)
    await inside.upload(second, BODY_BYTES_MAX // 2 + 1)
    status, content = await inside.answer(second)
    assert (status, b"refused by rule 'too-long'" in content) == (413, True)
    inside.http.send_data(first, b"", end_stream=True)
    inside.flush()
    assert (await inside.answer(first))[0] == 200
    assert outside.gate.refusals == [(HOST, outside.secure.port, "POST", "too-long")]
    inside.writer.close()


async def test_a_request_that_is_taken_back_is_not_carried_on(outside: World) -> None:
    inside = await client(outside)
    stream = inside.ask(inside.headers(outside, "/waits"))
    await inside.answer(inside.ask(inside.headers(outside, "/before")))
    inside.http.reset_stream(stream)
    inside.flush()
    await inside.answer(inside.ask(inside.headers(outside, "/after")))
    outside.secure.released.set()
    inside.writer.close()
    await outside.gone()
    assert [each[0] for each in outside.gate.counted] == ["GET /before", "GET /after"]


async def test_who_only_takes_back_is_sent_away(outside: World) -> None:
    inside = await client(outside)
    for _ in range(RESETS_MAX + 1):
        stream = inside.ask(inside.headers(outside, "/waits"))
        inside.http.reset_stream(stream)
        inside.flush()
    await inside.until(h2.events.ConnectionTerminated)
    outside.secure.released.set()


async def test_a_torn_answer_resets_its_stream(outside: World) -> None:
    inside = await client(outside)
    await inside.until(h2.events.StreamReset, inside.ask(inside.headers(outside, "/torn")))
    inside.writer.close()


async def test_a_program_that_vanishes_takes_its_requests_with_it(outside: World) -> None:
    inside = await client(outside)
    inside.ask(inside.headers(outside, "/waits"))
    await inside.answer(inside.ask(inside.headers(outside, "/other")))
    inside.writer.transport.abort()
    await outside.gone()
    outside.secure.released.set()


async def test_what_is_no_http2_ends_its_connection_only(outside: World) -> None:
    reader, writer = await outside.tunnel(protocols=("h2",))
    writer.write(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
    await reader.read()
    assert [each[2:] for each in outside.gate.refusals] == [("a request", "malformed-request")]
    writer.close()
    await outside.gone()
