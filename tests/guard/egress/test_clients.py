"""Real programs use the proxy as they use any other."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import httpx2
import pytest

from tests.guard.egress.world import HOST, World

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def listening(world: World) -> AsyncIterator[int]:
    """Let programs connect to the proxy at a port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    async def accept() -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            world.group.start_soon(world.proxy.serve, connection)

    async with anyio.create_task_group() as group:
        group.start_soon(accept)
        with listener:
            yield listener.getsockname()[1]
            group.cancel_scope.cancel()


async def test_httpx_goes_through_for_pages_of_both_kinds(outside: World) -> None:
    async with listening(outside) as port:
        proxy = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(proxy=proxy, verify=outside.trusting, trust_env=False) as client:
            secure = f"https://{HOST}:{outside.secure.port}"
            assert (await client.get(f"{secure}/a")).json()["target"] == "/a"
            assert (await client.post(f"{secure}/b", content=b"x" * 100_000)).json()["bytes"] == 100_000
            assert (await client.get(f"{secure}/chunked")).text == "one two"
            assert (await client.get(f"http://{HOST}:{outside.plain.port}/c")).json()["target"] == "/c"
            refused = await client.get(f"{secure}/forbidden")
            assert (refused.status_code, refused.text[:35]) == (403, "workhand: refused by rule 'content'")
        assert outside.secure.connections == 1


async def test_a_redirect_to_a_private_address_is_judged_as_its_own_request(outside: World) -> None:
    async with listening(outside) as port:
        proxy = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(
            proxy=proxy, verify=outside.trusting, trust_env=False, follow_redirects=True
        ) as client:
            where = f"https://{HOST}:{outside.secure.port}/redirect?to=http://169.254.169.254/latest"
            found = await client.get(where)
            assert (found.status_code, "private-address" in found.text) == (403, True)


async def test_the_standard_library_goes_through(outside: World) -> None:
    done = threading.Event()

    def ask(port: int) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=outside.trusting, timeout=20)
        connection.set_tunnel(HOST, outside.secure.port)
        connection.request("POST", "/", body=iter([b"a", b"b"]), encode_chunked=True)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        done.set()
        return answer.status, content

    async with listening(outside) as port:
        status, content = await anyio.to_thread.run_sync(ask, port)
    assert (status, b'"body": "ab"' in content) == (200, True)
    assert done.is_set()


async def test_who_sends_too_much_before_reading_is_still_told(outside: World) -> None:
    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            where = f"{HOST}:{outside.plain.port}"
            head = f"POST http://{where}/ HTTP/1.1\r\nHost: {where}\r\nContent-Length: 50000000\r\n\r\n"
            connection.sendall(head.encode() + b"x" * 50_000_000)
            return connection.recv(1_000)

    async with listening(outside) as port:
        assert b" 413 " in await anyio.to_thread.run_sync(ask, port)


async def test_http_without_tls_in_a_tunnel_is_inspected_as_such(outside: World) -> None:
    _, reader, writer = await outside.connect(f"{HOST}:{outside.plain.port}")
    where = f"{HOST}:{outside.plain.port}"
    writer.write(f"GET /x HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n".encode())
    assert b'"target": "/x"' in await reader.read()
    assert outside.gate.inspected[0].scheme == "http"
    writer.close()


@pytest.mark.parametrize(
    "spoken", [b"SSH-2.0-OpenSSH_9.9\r\n\r\n", b"\x80\x2e\x01\x03\x01\r\n\r\n", b"EHLO me\r\n\r\n"]
)
async def test_what_is_neither_http_nor_tls_does_not_pass(outside: World, spoken: bytes) -> None:
    _, reader, writer = await outside.connect(f"{HOST}:{outside.plain.port}")
    writer.write(spoken)
    assert b"workhand: refused by rule 'malformed-request'" in await reader.read()
    assert outside.plain.connections == 0
    writer.close()
