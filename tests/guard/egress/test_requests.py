"""A request that may pass reaches its server as it was judged, and its answer comes back whole."""

from __future__ import annotations

import json

import anyio
import pytest

from tests.guard.egress.world import HOST, PLACEHOLDER, SECRET, World

pytestmark = pytest.mark.anyio


def parts(answer: bytes) -> tuple[int, bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


async def test_a_request_in_a_tunnel_reaches_its_server(outside: World) -> None:
    status, _, body = parts(await outside.told(outside.request("/a?b=c", "X-One: 1", method="POST", body=b"hello")))
    told = json.loads(body)
    assert (status, told["target"], told["body"]) == (200, "/a?b=c", "hello")
    assert told["headers"]["x-one"] == "1"
    assert outside.resolved == [HOST]


async def test_a_request_for_a_whole_url_reaches_its_server(outside: World) -> None:
    where = f"{HOST}:{outside.plain.port}"
    between = (
        "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\nConnection: close, X-Near"
    )
    raw = f"GET http://{where}/x?y HTTP/1.1\r\nHost: {where}\r\n{between}\r\nX-Near: 1\r\nX-Far: 2\r\n\r\n"
    status, _, body = parts(await outside.said(raw.encode()))
    told = json.loads(body)
    assert (status, told["target"]) == (200, "/x?y")
    assert set(told["headers"]) == {"host", "x-far", "accept-encoding"}


@pytest.mark.parametrize(
    ("target", "status", "content"),
    [
        ("/big?bytes=300001", 200, b"x" * 300001),
        ("/until-close", 200, b"all of it"),
        ("/empty?status=204", 204, b""),
        ("/empty?status=304", 304, b""),
        ("/early", 200, b"late"),
    ],
)
async def test_answers_of_every_framing_come_back_whole(
    outside: World, target: str, status: int, content: bytes
) -> None:
    outside.gate.secret_hosts = frozenset()
    found, head, body = parts(await outside.told(outside.request(target)))
    assert found == status
    if b"chunked" in head:
        body = unchunked(body)
    assert body == content


async def test_chunks_are_passed_on_and_trailers_are_not(outside: World) -> None:
    _, head, body = parts(await outside.told(outside.request("/chunked")))
    assert b"Transfer-Encoding: chunked" in head
    assert unchunked(body) == b"one two"
    assert b"X-Sum" not in body


async def test_head_has_the_length_and_no_body(outside: World) -> None:
    outside.gate.secret_hosts = frozenset()
    _, head, body = parts(await outside.told(outside.request("/", method="HEAD")))
    assert b"content-length" in head.lower()
    assert body == b""


async def test_a_redirect_is_passed_on_and_not_followed(outside: World) -> None:
    status, head, _ = parts(await outside.told(outside.request("/redirect?to=http://169.254.169.254/")))
    assert status == 302
    assert b"http://169.254.169.254/" in head
    assert outside.resolved == [HOST]


async def test_a_placeholder_becomes_the_secret_and_what_comes_back_is_filled(outside: World) -> None:
    answer = await outside.told(outside.request("/reflect", f"Authorization: Bearer {PLACEHOLDER.decode()}"))
    assert outside.secure.requests[0][2]["authorization"] == f"Bearer {SECRET.decode()}"
    assert SECRET not in answer
    assert answer.count(b"Bearer " + b"*" * len(SECRET)) == 2


async def test_an_answer_that_cannot_be_searched_is_refused(outside: World) -> None:
    answer = await outside.told(outside.request("/gzip", "Accept-Encoding: gzip"))
    assert outside.secure.requests[0][2]["accept-encoding"] == "identity"
    assert b" 502 " in answer.split(b"\r\n")[0]
    assert b"unreadable-answer" in answer


async def test_an_answer_that_need_not_be_searched_stays_as_it_is(outside: World) -> None:
    outside.gate.secret_hosts = frozenset()
    answer = await outside.told(outside.request("/gzip", "Accept-Encoding: gzip"))
    assert outside.secure.requests[0][2]["accept-encoding"] == "gzip"
    assert b"\x1f\x8b" in answer


async def test_connections_are_kept_on_both_sides(outside: World) -> None:
    reader, writer = await outside.tunnel()
    for number in range(3):
        writer.write(f"GET /{number} HTTP/1.1\r\nHost: {HOST}:{outside.secure.port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(length))["target"] == f"/{number}"
    writer.close()
    assert outside.secure.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(outside: World) -> None:
    reader, writer = await outside.tunnel()
    where = f"{HOST}:{outside.secure.port}"
    writer.write(f"GET /then-closes HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    await outside.secure.left.wait()
    await anyio.wait_all_tasks_blocked()
    writer.write(f"POST / HTTP/1.1\r\nHost: {where}\r\nContent-Length: 1\r\n\r\nx".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_waiting_for_a_hundred_is_answered_here(outside: World) -> None:
    reader, writer = await outside.tunnel()
    where = f"{HOST}:{outside.secure.port}"
    writer.write(f"POST / HTTP/1.1\r\nHost: {where}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    assert outside.secure.requests == []
    writer.write(b"abc")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert "expect" not in outside.secure.requests[0][2]
    writer.close()


async def test_what_an_answer_cost_is_counted(outside: World) -> None:
    await outside.told(outside.request("/big?bytes=1000", method="POST", body=b"12345"))
    assert outside.gate.counted == [("POST /big", 5, 1000)]


@pytest.mark.parametrize(("target", "status"), [("/hang-up", 502), ("/not-http", 502)])
async def test_a_server_that_does_not_answer_is_said_so(outside: World, target: str, status: int) -> None:
    found, _, body = parts(await outside.told(outside.request(target)))
    assert found == status
    assert body.startswith(b"workhand: refused by rule ")


async def test_a_torn_answer_is_not_made_whole(outside: World) -> None:
    _, head, body = parts(await outside.told(outside.request("/torn")))
    assert b"100" in head
    assert len(body) < 100


def unchunked(body: bytes) -> bytes:
    content = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            assert body == b"\r\n"
            return content
        content, body = content + body[: int(size, 16)], body[int(size, 16) + 2 :]
