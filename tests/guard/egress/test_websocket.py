"""A WebSocket is judged as a request, and then message by message in both directions."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from tests.guard.egress.world import HOST, PLACEHOLDER, SECRET, World

pytestmark = pytest.mark.anyio


async def echo(connection: ServerConnection) -> None:
    assert connection.request is not None
    await connection.send(f"you are {connection.request.headers.get('Authorization')}")
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def conversation(
    outside: World, path: str = "/", *, encrypted: bool = True, listener: socket.socket | None = None
) -> AsyncIterator[ClientConnection]:
    context = outside.internet.context(HOST) if encrypted else None
    if context is not None:
        context.sni_callback = None
    listener = listener or socket.create_server(("127.0.0.1", 0))
    async with serve(echo, sock=listener, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        outside.group.start_soon(outside.serve, theirs)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ours, f"CONNECT {HOST}:{port} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        assert (await loop.sock_recv(ours, 1_000)).startswith(b"HTTP/1.1 200")
        url = f"{'wss' if encrypted else 'ws'}://{HOST}:{port}{path}"
        headers = {"Authorization": f"Bearer {PLACEHOLDER.decode()}"}
        trusting: ssl.SSLContext | None = outside.trusting if encrypted else None
        async with connect(
            url, sock=ours, ssl=trusting, additional_headers=headers, proxy=None, compression="deflate"
        ) as client:
            yield client


@pytest.mark.parametrize("encrypted", [True, False])
async def test_messages_pass_in_both_directions(outside: World, encrypted: bool) -> None:
    async with conversation(outside, encrypted=encrypted) as client:
        assert await client.recv() == f"you are Bearer {'*' * len(SECRET)}"
        await client.send("a text \u00fc")
        await client.send(b"\x00\xff bytes")
        await client.send(["in ", "pieces"])
        assert [await client.recv() for _ in range(3)] == ["a text \u00fc", b"\x00\xff bytes", "in pieces"]
        assert client.protocol.extensions == []
    assert outside.gate.messages == ["a text \u00fc".encode(), b"\x00\xff bytes", b"in pieces"]
    assert outside.gate.inspected[0].websocket
    assert dict(outside.gate.inspected[0].headers).get(b"sec-websocket-extensions") is None


async def test_a_message_that_may_not_pass_ends_the_conversation_with_its_rule(outside: World) -> None:
    async with conversation(outside) as client:
        await client.recv()
        await client.send(["forbid", "den"])
        with pytest.raises(ConnectionClosed) as ended:
            await client.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1008
    assert ended.value.rcvd.reason == "workhand: refused: content: it says what must not be said."
    assert [each[2:] for each in outside.gate.refusals] == [("WebSocket message", "content")]


async def test_a_handshake_is_judged_as_a_request(outside: World) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        async with conversation(outside, "/forbidden"):
            raise AssertionError("it must not open")


async def test_the_reason_for_closing_does_not_pass(outside: World) -> None:
    reasons: list[str] = []

    async def listen(connection: ServerConnection) -> None:
        await connection.wait_closed()
        reasons.append(connection.close_reason or "")

    async with serve(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        head, reader, writer = await outside.connect(f"{HOST}:{port}")
        assert b"200" in head
        key = base64.b64encode(b"0123456789abcdef").decode()
        lines = [f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        writer.write("\r\n".join(lines).encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        frames = Connection(ConnectionType.CLIENT)
        writer.write(frames.send(TextMessage("hello")) + frames.send(CloseConnection(1000, "what leaks")))
        await reader.read()
        writer.close()
    assert reasons == [""]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_program_that_vanishes_takes_its_conversation_with_it(outside: World, encrypted: bool) -> None:
    async with conversation(outside, encrypted=encrypted) as client:
        await client.recv()
        client.transport.abort()
    await outside.gone()


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_program_that_vanishes_while_it_is_judged_harms_nobody(outside: World, encrypted: bool) -> None:
    outside.gate.pondering = anyio.Event()
    async with conversation(outside, encrypted=encrypted) as client:
        await client.recv()
        await client.send("forbidden")
        await anyio.wait_all_tasks_blocked()
        client.transport.abort()
        await anyio.wait_all_tasks_blocked()
        outside.gate.pondering.set()
    await outside.gone()
    assert outside.gate.refusals[0][3] == "content"


async def test_a_handshake_that_gives_a_secret_back_does_not_reach_the_inside(outside: World) -> None:
    async def reflecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen = head.lower().split(b"authorization: ")[1].split(b"\r\n")[0]
        lines = [b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: websocket", b"X-Seen: " + seen]
        writer.write(b"\r\n".join([*lines, b"Sec-WebSocket-Extensions: permessage-deflate", b"", b""]))
        writer.close()

    server = await asyncio.start_server(reflecting, "127.0.0.1", 0)
    where = f"{HOST}:{server.sockets[0].getsockname()[1]}"
    headers = f"Connection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: {PLACEHOLDER.decode()}\r\n"
    answer = await outside.said(f"GET http://{where}/ HTTP/1.1\r\nHost: {where}\r\n{headers}\r\n".encode())
    server.close()
    assert b" 101 " in answer
    assert b"x-seen: " + b"*" * len(SECRET) in answer.lower()
    assert b"extensions" not in answer.lower()


async def test_a_message_in_a_great_many_pieces_is_put_together(outside: World) -> None:
    async with conversation(outside, encrypted=False) as client:
        await client.recv()
        await client.send(["x"] * 20_000)
        assert await client.recv() == "x" * 20_000
