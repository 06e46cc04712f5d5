"""Servers are spoken to in HTTP/2 by whoever was spoken to so, and what they say back is held to the same rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import h2.events
import httpx2
import pytest

from tests.guard.egress.client_http2 import client
from tests.guard.egress.test_clients import listening
from tests.guard.egress.world import HOST, PLACEHOLDER, SECRET, World, world

pytestmark = pytest.mark.anyio
KEY = ("authorization", f"Bearer {PLACEHOLDER.decode()}")


@pytest.fixture
async def newer(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, "h2") as made:
        yield made


async def test_httpx_goes_through_over_http2(newer: World) -> None:
    async with (
        listening(newer) as port,
        httpx2.AsyncClient(
            proxy=f"http://127.0.0.1:{port}", verify=newer.trusting, trust_env=False, http1=False, http2=True
        ) as inside,
    ):
        url = f"https://{HOST}:{newer.secure.port}"
        first = await inside.get(f"{url}/a")
        assert (first.http_version, first.json()["target"]) == ("HTTP/2", "/a")
        assert (await inside.post(f"{url}/b", content=b"x" * 300_000)).json()["bytes"] == 300_000
        assert len((await inside.get(f"{url}/big?bytes=3000000")).content) == 3_000_000
        refused = await inside.get(f"{url}/forbidden")
        assert (refused.status_code, refused.text[:35]) == (403, "workhand: refused by rule 'content'")
    assert (newer.secure.connections, newer.secure.spoken) == (1, ["h2"] * 3)


async def test_a_request_is_judged_the_same_in_either_protocol(newer: World) -> None:
    await newer.told(newer.request("/a?b=c", "X-One: 1", "Cookie: a=1; b=2", method="POST", body=b"hello"))
    inside = await client(newer)
    more = (("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2"))
    await inside.answer(inside.ask(inside.headers(newer, "/a?b=c", "POST", *more), b"hello"))
    assert newer.gate.inspected[0] == newer.gate.inspected[1]
    assert newer.secure.spoken == ["h2"], "only who speaks HTTP/2 is carried over it"
    inside.writer.close()


async def test_trailers_come_back_without_secrets(newer: World) -> None:
    inside = await client(newer)
    stream = inside.ask(inside.headers(newer, "/trailers", "GET", KEY, ("te", "trailers")))
    assert await inside.answer(stream) == (200, b"one")
    assert inside.headers_of(h2.events.TrailersReceived, stream) == {
        "x-sum": "7",
        "x-seen": f"Bearer {'*' * len(SECRET)}",
    }
    assert newer.secure.requests[0][2]["te"] == "trailers"
    inside.writer.close()


@pytest.mark.parametrize("spoken", ["http/1.1", "h2"])
async def test_trailers_of_chunks_reach_who_can_take_them(tmp_path: Path, spoken: str) -> None:
    async with world(tmp_path, spoken) as made:
        inside = await client(made)
        stream = inside.ask(inside.headers(made, "/chunked"))
        assert await inside.answer(stream) == (200, b"one two")
        assert inside.headers_of(h2.events.TrailersReceived, stream) == {"x-sum": "7"}
        inside.writer.close()


async def test_an_answer_that_ends_with_its_head_still_does(newer: World) -> None:
    inside = await client(newer)
    stream = inside.ask(inside.headers(newer, "/only-trailers"))
    assert await inside.answer(stream) == (200, b"")
    (head,) = [event for event in inside.events if isinstance(event, h2.events.ResponseReceived)]
    assert head.stream_ended is not None
    inside.writer.close()


async def test_messages_that_are_compressed_cannot_be_searched(newer: World) -> None:
    inside = await client(newer)
    accepts = (("grpc-accept-encoding", "gzip"), ("accept-encoding", "br"))
    status, content = await inside.answer(inside.ask(inside.headers(newer, "/compressed-messages", "POST", *accepts)))
    assert (status, b"unreadable-answer" in content) == (502, True)
    sent = newer.secure.requests[0][2]
    assert (sent["accept-encoding"], sent.get("grpc-accept-encoding")) == ("identity", None)
    inside.writer.close()


async def test_a_server_that_takes_no_more_requests_is_heard_out_and_left(newer: World) -> None:
    inside = await client(newer)
    assert await inside.answer(inside.ask(inside.headers(newer, "/leaves"))) == (200, b"the rest")
    assert (await inside.answer(inside.ask(inside.headers(newer, "/", "POST"), b"x")))[0] == 200
    assert newer.secure.connections == 2
    inside.writer.close()


async def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(newer: World) -> None:
    inside = await client(newer)
    assert (await inside.answer(inside.ask(inside.headers(newer, "/then-ends"))))[0] == 200
    await newer.secure.left.wait()
    await anyio.wait_all_tasks_blocked()
    assert (await inside.answer(inside.ask(inside.headers(newer, "/", "POST"), b"x")))[0] == 200
    assert newer.secure.connections == 2
    inside.writer.close()


async def test_who_is_answered_before_it_has_sent_all_sends_no_more(newer: World) -> None:
    inside = await client(newer)
    stream = inside.ask(inside.headers(newer, "/never-reads", "POST"), ends=False)
    await inside.upload(stream, 1_000_000)
    inside.http.end_stream(stream)
    inside.flush()
    assert await inside.answer(stream) == (413, b"")
    assert (await inside.answer(inside.ask(inside.headers(newer))))[0] == 200
    assert newer.secure.connections == 2, "on the first one a request is left half sent"
    inside.writer.close()


@pytest.mark.parametrize("target", ["/hang-up", "/pushes", "/large-head", "/odd-status", "/odd-header", "/not-taken"])
async def test_a_server_that_breaks_the_protocol_gives_no_answer(newer: World, target: str) -> None:
    inside = await client(newer)
    status, content = await inside.answer(inside.ask(inside.headers(newer, target, "POST"), b"x"))
    assert (status, b"refused by rule 'no-answer'" in content) == (502, True)
    assert (await inside.answer(inside.ask(inside.headers(newer, "/good"))))[0] == 200
    inside.writer.close()


async def test_what_a_server_sends_waits_until_it_is_read(newer: World) -> None:
    newer.gate.secret_hosts = frozenset()
    inside = await client(newer)
    inside.reads = False
    stream = inside.ask(inside.headers(newer, "/big?bytes=20000000"))
    await inside.until(h2.events.DataReceived, stream)
    while inside.http.remote_flow_control_window(stream) > 0:
        await inside.hear()
    await anyio.wait_all_tasks_blocked()
    sent = newer.secure.sent
    assert sent < 4_000_000, "windows are opened as content is taken, and not before"
    inside.writer.close()
    await newer.gone()
