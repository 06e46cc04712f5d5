"""A program that speaks HTTP/2 is held to the same rules, whatever it does with its streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from tests.guard.egress.client_http2 import client
from tests.guard.egress.test_ends import everybody_left, sockets
from tests.guard.egress.world import HOST, OTHER, PLACEHOLDER, SECRET, World, world
from workhand.guard.egress.exchanging import BODY_BYTES_MAX
from workhand.guard.egress.http2 import STREAMS_MAX, TABLE_BYTES_MAX, bounded, taken
from workhand.guard.egress.streams import RESETS_MAX

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["http/1.1", "h2"])
async def outside(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Servers that speak the one or the other."""
    async with world(tmp_path, request.param) as made:
        yield made


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
        await inside.hear()
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
        ({":method": "CONNECT"}, ((":protocol", "websocket"),)),
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
    status, content = await inside.answer(stream)
    assert (status, content[:9]) in ((400, b"workhand:"), (403, b"workhand:"), (0, b""))
    assert [each[3] for each in outside.gate.refusals] in (
        ["malformed-request"],
        ["malformed-host"],
        ["host-mismatch"],
        ["malformed-target"],
    )
    assert (outside.secure.requests, outside.resolved) == ([], [])
    inside.writer.close()


async def test_bodies_are_bounded_over_all_streams(outside: World) -> None:
    inside = await client(outside)
    first, second = (inside.ask(inside.headers(outside, "/", "POST"), ends=False) for _ in range(2))
    await inside.upload(first, BODY_BYTES_MAX // 2 + 1)
    await inside.upload(second, BODY_BYTES_MAX // 2 + 1)
    status, content = await inside.answer(second)
    assert (status, b"refused by rule 'too-long'" in content) == (413, True)
    await inside.until(h2.events.StreamReset, second)  # no more of it is wanted
    inside.http.reset_stream(first)
    assert (await inside.answer(inside.ask(inside.headers(outside, "/", "POST"), b"x" * 10_000)))[0] == 200
    assert outside.gate.refusals == [(HOST, outside.secure.port, "POST", "too-long")]
    inside.writer.close()


async def test_a_request_that_is_taken_back_is_not_carried_on(outside: World) -> None:
    inside = await client(outside)
    stream = inside.ask(inside.headers(outside, "/waits"))
    await inside.answer(inside.ask(inside.headers(outside, "/before")))
    before = sockets()
    inside.http.reset_stream(stream)
    await inside.answer(inside.ask(inside.headers(outside, "/after")))
    assert before - sockets(), "its connection to the server is closed"
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
    inside.writer.close()
    outside.secure.released.set()


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


HEADERS, PRIORITY, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 1, 2, 4, 6, 7, 8, 9
BROKEN = {
    "a head in a flood of pieces": frame(HEADERS, 1, 1, b"") + frame(CONTINUATION, 0, 1, b"") * 65,
    "a head that does not end": frame(HEADERS, 1, 1, b"\x00\x01a\x7f\x81\xff\x03" + b"b" * 16_000)
    + frame(CONTINUATION, 0, 1, b"b" * 16_000) * 5
    + frame(CONTINUATION, 4, 1, b""),
    "a small head that unpacks to a large one": frame(
        HEADERS, 5, 1, b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4_000 + b"\xbe" * 12_000
    ),
    "a table that is larger than allowed": frame(HEADERS, 5, 1, b"\x3f\xe2\x1f\x82"),
    "a frame that is too long": frame(0, 0, 1, b"x" * 16_385),
    "a window that overflows": frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"),
    "a stream of the server's own": frame(HEADERS, 5, 2, b"\x82"),
    "content of no request": frame(0, 0, 1, b"x"),
    "a head that cannot be unpacked": frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
    "push from a program": frame(5, 4, 1, b"\0\0\0\2\x82"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_who_breaks_the_protocol_or_its_bounds_is_sent_away(outside: World, name: str) -> None:
    inside = await client(outside)
    inside.writer.write(BROKEN[name])
    ended = await inside.until(h2.events.ConnectionTerminated)
    assert isinstance(ended, h2.events.ConnectionTerminated)
    assert ended.error_code != 0
    inside.writer.close()
    await outside.gone()
    assert [each[2:] for each in outside.gate.refusals] == [("a request", "malformed-request")]
    assert outside.secure.requests == []


@pytest.mark.parametrize("kind", [frame(PING, 0, 0, b"8 bytes."), frame(SETTINGS, 0, 0, b""), frame(0, 0, 1, b"")])
async def test_a_flood_of_small_frames_does_not_keep_others_waiting(outside: World, kind: bytes) -> None:
    flooding, inside = await client(outside), await client(outside)
    flooding.ask(flooding.headers(outside, "/", "POST"), ends=False)
    flooding.writer.write(kind * 20_000)
    assert (await inside.answer(inside.ask(inside.headers(outside))))[0] == 200
    flooding.writer.transport.abort()
    inside.writer.close()
    await outside.gone()


async def test_no_more_requests_at_once_than_allowed(outside: World) -> None:
    inside = await client(outside)
    await inside.until(h2.events.RemoteSettingsChanged)
    assert inside.http.remote_settings.max_concurrent_streams == STREAMS_MAX
    inside.http.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 1_000
    inside.http.remote_settings.acknowledge()
    for _ in range(STREAMS_MAX + 1):
        inside.ask(inside.headers(outside, "/waits"))
    await inside.until(h2.events.ConnectionTerminated)
    outside.secure.released.set()
    inside.writer.close()
    await outside.gone()


async def test_what_is_remembered_for_the_other_end_is_bounded(outside: World) -> None:
    proxied = bounded(client=False)
    told = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    told.initiate_connection()
    told.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: 1 << 30})
    taken(proxied, told.data_to_send())
    assert proxied.encoder.header_table_size == TABLE_BYTES_MAX


async def test_a_torn_answer_is_not_made_whole(outside: World) -> None:
    inside = await client(outside)
    status, _ = await inside.answer(inside.ask(inside.headers(outside, "/torn")))
    assert status in (0, 502)
    inside.writer.close()


async def test_a_program_that_vanishes_takes_its_requests_with_it(outside: World) -> None:
    inside = await client(outside)
    inside.ask(inside.headers(outside, "/waits"))
    await inside.answer(inside.ask(inside.headers(outside, "/other")))
    inside.writer.transport.abort()
    await outside.gone()
    outside.secure.released.set()


async def test_a_cancelled_connection_leaves_nothing(outside: World) -> None:
    before, tasks = sockets(), asyncio.all_tasks()
    group = outside.group
    async with anyio.create_task_group() as outside.group:
        inside = await client(outside)
        for target in ("/waits", "/big?bytes=50000000"):
            inside.ask(inside.headers(outside, target))
        await inside.answer(inside.ask(inside.headers(outside, "/other")))
        outside.group.cancel_scope.cancel()
    outside.group = group
    inside.writer.transport.abort()
    outside.secure.released.set()
    await everybody_left(outside.secure)
    assert asyncio.all_tasks() == tasks
    assert sockets() - before == set()


async def test_what_is_no_http2_ends_its_connection_only(outside: World) -> None:
    reader, writer = await outside.tunnel(protocols=("h2",))
    writer.write(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
    await reader.read()
    assert [each[2:] for each in outside.gate.refusals] == [("a request", "malformed-request")]
    writer.close()
    await outside.gone()
