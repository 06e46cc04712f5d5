"""What passes the proxy is what was judged, and goes to the host that was judged."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl

import anyio.lowlevel
import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.guard.egress.conftest import SECRET, TOKEN, World
from workhand.guard.exchange import Ruling

pytestmark = pytest.mark.anyio
NO = Ruling(False, "my-rule", "it is not allowed.", asks=True)
END_S = 20.0


def client(world: World) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        proxy=f"http://127.0.0.1:{world.port}", verify=world.trust, trust_env=False, timeout=END_S
    )


async def raw(world: World, content: bytes) -> bytes:
    """Say something to the proxy, and read all that it answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(content)
    writer.write_eof()
    async with asyncio.timeout(END_S):
        answer = await reader.read()
    writer.close()
    return answer


async def tunnelled(world: World, port: int, content: bytes, *, sni: str = "server.example") -> bytes:
    """Say something in a tunnel to the server, and read what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(f"CONNECT server.example:{port} HTTP/1.1\r\nHost: server.example:{port}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head:
        return head + await reader.read()
    world.trust.check_hostname = False
    await writer.start_tls(world.trust, server_hostname=sni)
    writer.write(content)
    async with asyncio.timeout(END_S):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("tls", [True, False])
async def test_requests_pass_on_one_connection_and_are_judged_whole(world: World, tls: bool) -> None:
    server = await world.serve(tls=tls)
    url = f"{'https' if tls else 'http'}://server.example:{server.port}"
    async with client(world) as http:
        first = await http.get(
            f"{url}/a?b=c", headers={"X-Mine": "1", "Proxy-Authorization": "Basic x", "TE": "trailers"}
        )
        second = await http.post(f"{url}/d", content=b"0123456789" * 20_000)
        third = await http.head(f"{url}/e")
    assert (first.status_code, first.headers["x-echo"], third.text) == (200, "yes", "")
    assert second.content.endswith(b"0123456789")
    assert [(each.method, each.target, len(each.body)) for each in world.gate.inspected] == [
        ("GET", "/a?b=c", 0),
        ("POST", "/d", 200_000),
        ("HEAD", "/e", 0),
    ]
    sent = dict(server.seen[0][0].headers)
    assert sent[b"x-mine"] == b"1"
    assert not {b"proxy-authorization", b"te", b"connection"} & sent.keys()
    assert sent[b"host"] == f"server.example:{server.port}".encode()
    assert server.seen[1][1] == b"0123456789" * 20_000
    assert server.connections == 1
    assert world.gate.counted[1][0] == 200_000


async def test_what_is_refused_is_told_and_never_sent(world: World) -> None:
    server = await world.serve()
    world.gate.ruling = NO
    async with client(world) as http:
        answer = await http.post(f"https://server.example:{server.port}/x?secret=1", content=b"x")
    assert answer.status_code == 403
    assert answer.text == "workhand: refused by rule 'my-rule': it is not allowed.\n"
    assert (server.seen, world.gate.refusals) == ([], [("my-rule", "POST /x")])


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_host_that_may_not_be_contacted_is_not(world: World, scheme: str) -> None:
    server = await world.serve(tls=scheme == "https")
    world.gate.contact_ruling = NO
    line = "CONNECT server.example:{0}" if scheme == "https" else "GET http://server.example:{0}/"
    answer = await raw(world, f"{line} HTTP/1.1\r\nHost: server.example:{{0}}\r\n\r\n".format(server.port).encode())
    assert b" 403 " in answer and b"refused by rule 'my-rule'" in answer
    assert server.connections == 0


async def test_an_address_that_is_not_public_is_not_connected_to(world: World) -> None:
    server = await world.serve(tls=False)
    world.gate.permits = False
    async with client(world) as http:
        answer = await http.get(f"http://server.example:{server.port}/")
    assert answer.status_code == 403 and "server.example is at 127.0.0.1: it is this computer itself" in answer.text
    assert server.connections == 0


@pytest.mark.parametrize(
    "host", ["other.example", "server.example", "server.example:1", "127.0.0.1", "SERVER.example.evil"]
)
async def test_the_name_in_a_request_must_be_that_of_the_tunnel(world: World, host: str) -> None:
    server = await world.serve()
    answer = await tunnelled(world, server.port, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert b" 403 " in answer and b"'host-mismatch'" in answer
    assert server.seen == []


async def test_the_name_in_tls_must_be_that_of_the_tunnel(world: World) -> None:
    server = await world.serve()
    with contextlib.suppress(OSError, ssl.SSLError):
        assert await tunnelled(world, server.port, b"GET / HTTP/1.1\r\n\r\n", sni="other.example") == b""
    assert (world.gate.refusals, server.connections) == ([("host-mismatch", "TLS")], 0)


async def test_a_server_with_another_certificate_is_not_spoken_to(world: World) -> None:
    server = await world.serve(name="other.example")
    async with client(world) as http:
        answer = await http.get(f"https://server.example:{server.port}/")
    assert (answer.status_code, server.seen) == (502, [])


HOST = b"Host: server.example\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET https://server.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET ftp://server.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://a@server.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://server.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"GET http://server.example/ HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET http://server.example/ HTTP/1.1\r\n\r\n",
        b"GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n",
        b"GET http://2130706433/ HTTP/1.1\r\nHost: 2130706433\r\n\r\n",
        b"GET http://server%2eexample/ HTTP/1.1\r\nHost: server%2eexample\r\n\r\n",
        b"POST http://server.example/ HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST http://server.example/ HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST http://server.example/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST http://server.example/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://server.example/ HTTP/1.1\r\n" + HOST + b"A: b\0c\r\n\r\n",
        b"GET http://server.example/ HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n",
        b"GET http://server.example/a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT server.example HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT 127.1:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT a@server.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"A" * 70_000,
    ],
)
async def test_what_could_be_read_in_two_ways_goes_nowhere(world: World, content: bytes) -> None:
    answer = await raw(world, content)
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"403")
    assert world.gate.inspected == []


@pytest.mark.parametrize(
    ("said", "passes"),
    [(b"GET / HTTP/1.1\r\nHost: server.example:%d\r\n\r\n", 1), (b"SSH-2.0-x\r\n%d", 0), (b"EHLO a\r\n%d", 0)],
)
async def test_what_is_neither_tls_nor_http_does_not_pass_a_tunnel(world: World, said: bytes, passes: int) -> None:
    server = await world.serve(tls=False)
    head = f"CONNECT server.example:{server.port} HTTP/1.1\r\nHost: server.example\r\n\r\n".encode()
    await raw(world, head + said % server.port)
    assert (len(world.gate.inspected), server.connections) == (passes, passes)


async def test_a_redirect_is_not_followed(world: World) -> None:
    away = (302, [("Location", "http://169.254.169.254/"), ("Content-Length", "0")], b"")
    server = await world.serve(lambda request, body: away)
    async with client(world) as http:
        answer = await http.get(f"https://server.example:{server.port}/")
    assert (answer.status_code, len(server.seen), len(world.gate.inspected)) == (302, 1, 1)


async def test_a_secret_goes_out_in_its_header_and_does_not_come_back(world: World) -> None:
    server = await world.serve()
    world.gate.redacts = True
    async with client(world) as http:
        answer = await http.get(
            f"https://server.example:{server.port}/", headers={"Authorization": f"Bearer {TOKEN.decode()}"}
        )
    sent = dict(server.seen[0][0].headers)
    assert (sent[b"authorization"], sent[b"accept-encoding"]) == (b"Bearer " + SECRET, b"identity")
    assert SECRET not in answer.content and b"authorization: Bearer " + b"*" * len(SECRET) in answer.content
    assert all(SECRET not in value for _, value in world.gate.inspected[0].headers)


async def test_an_answer_that_cannot_be_searched_for_secrets_is_refused(world: World) -> None:
    packed = gzip.compress(SECRET)
    server = await world.serve(
        lambda request, body: (200, [("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))], packed)
    )
    world.gate.redacts = True
    async with client(world) as http:
        answer = await http.get(f"https://server.example:{server.port}/")
    assert answer.status_code == 502 and "'unreadable-answer'" in answer.text


async def test_a_body_past_the_limit_is_refused_before_it_is_sent(world: World) -> None:
    server = await world.serve(tls=False)
    head = f"POST http://server.example:{server.port}/ HTTP/1.1\r\nHost: server.example:{server.port}\r\n"
    answer = await raw(world, head.encode() + b"Content-Length: 33554433\r\n\r\n" + b"a" * 33_554_433)
    assert b" 413 " in answer
    assert server.connections == 0


async def test_a_server_that_closes_a_kept_connection_is_asked_again(world: World) -> None:
    server = await world.serve(
        lambda request, body: (200, [("Content-Length", "2"), ("Connection", "close")], b"ok"), tls=False
    )
    async with client(world) as http:
        for _ in range(3):
            assert (await http.get(f"http://server.example:{server.port}/")).text == "ok"
    assert server.connections == 3


async def test_a_long_answer_is_passed_on_as_it_comes(world: World) -> None:
    content = bytes(range(256)) * 40_000
    server = await world.serve(lambda request, body: (200, [("Transfer-Encoding", "chunked")], content))
    async with client(world) as http:
        answer = await http.get(f"https://server.example:{server.port}/")
    assert answer.content == content


async def test_nothing_is_left_open_when_everybody_has_gone(world: World) -> None:
    server = await world.serve()
    async with client(world) as http:
        await http.get(f"https://server.example:{server.port}/")
    async with asyncio.timeout(END_S):
        while any(each.fileno() >= 0 for each in world.opened):
            await anyio.lowlevel.checkpoint()


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)
        if message == "leak":
            await connection.send(b"x" + SECRET + b"y")


@contextlib.asynccontextmanager
async def conversation(world: World):  # type: ignore[no-untyped-def]  # the library's own types say more than is known here
    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        proxy = f"http://127.0.0.1:{world.port}"
        async with connect(f"ws://server.example:{port}/chat", proxy=proxy) as socket:
            yield socket


async def test_messages_of_a_websocket_are_judged_one_by_one(world: World) -> None:
    world.gate.redacts = True
    async with conversation(world) as socket:
        for message in ("hello", b"\0\1\2", "x" * 200_000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in ", "pieces"])
        assert await socket.recv() == "in pieces"
        await socket.send("leak")
        assert [await socket.recv(), await socket.recv()] == ["leak", b"x" + b"*" * len(SECRET) + b"y"]
    assert world.gate.inspected[0].websocket
    assert world.gate.messages[:2] == [b"hello", b"\0\1\2"]


async def test_a_message_that_leaks_ends_the_conversation(world: World) -> None:
    async with conversation(world) as socket:
        await socket.send(b"- " + SECRET)
        with pytest.raises(ConnectionClosed) as raised:
            await socket.recv()
    assert raised.value.rcvd is not None and raised.value.rcvd.code == 1008
    assert world.gate.refusals == [("secret", "WebSocket message")]
