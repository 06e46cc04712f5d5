"""When a connection ends, or is made to, nothing of it is left: no task, no socket, and no request on its way."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import anyio
import pytest

from tests.guard.egress.upstream import Upstream
from tests.guard.egress.world import HOST, World
from workhand.guard.egress.wire import abort

pytestmark = pytest.mark.anyio


def sockets() -> set[str]:
    return set(_sockets())


def _sockets() -> Iterator[str]:
    for entry in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            yield target


async def everybody_left(upstream: Upstream) -> None:
    async with asyncio.timeout(20):
        if upstream.connections:
            await upstream.left.wait()
        await anyio.wait_all_tasks_blocked()


BEGINNINGS = {
    "nothing": b"",
    "half a head": b"GET http://api",
    "half a tunnel": b"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "half of TLS": b"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "half a body": b"POST http://{plain}/ HTTP/1.1\r\nHost: {plain}\r\nContent-Length: 9\r\n\r\nabc",
    "a question": b"GET http://{plain}/waits HTTP/1.1\r\nHost: {plain}\r\n\r\n",
    "a long answer": b"GET http://{plain}/big?bytes=50000000 HTTP/1.1\r\nHost: {plain}\r\n\r\n",
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
async def test_a_cancelled_connection_leaves_nothing(outside: World, beginning: str) -> None:
    before, tasks = sockets(), asyncio.all_tasks()
    ours, theirs = socket.socketpair()
    raw = BEGINNINGS[beginning]
    raw = raw.replace(b"{plain}", f"{HOST}:{outside.plain.port}".encode())
    raw = raw.replace(b"{host}", f"{HOST}:{outside.secure.port}".encode())
    with ours:
        async with anyio.create_task_group() as group:
            group.start_soon(outside.proxy.serve, theirs)
            ours.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(ours, raw)
            if "http" in raw.decode() and b"body" not in beginning.encode() and "head" not in beginning:
                while not outside.plain.requests:
                    await anyio.lowlevel.checkpoint()
            if b"CONNECT" in raw:
                await asyncio.get_running_loop().sock_recv(ours, 1000)
            if beginning == "half of TLS":
                await asyncio.get_running_loop().sock_sendall(ours, b"\x16\x03\x01\x02\x00\x01")
                await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    outside.plain.released.set()
    await everybody_left(outside.plain)
    assert asyncio.all_tasks() == tasks
    assert sockets() - before == set()


async def test_a_cancelled_encrypted_connection_leaves_nothing(outside: World) -> None:
    before, tasks = sockets(), asyncio.all_tasks()
    ours, theirs = socket.socketpair()
    async with anyio.create_task_group() as group:
        group.start_soon(outside.proxy.serve, theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        where = f"{HOST}:{outside.secure.port}"
        writer.write(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(outside.trusting, server_hostname=HOST)
        writer.write(f"GET /waits HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
        while not outside.secure.requests:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    writer.transport.abort()
    outside.secure.released.set()
    await everybody_left(outside.secure)
    assert asyncio.all_tasks() == tasks
    assert sockets() - before == set()


async def test_who_does_not_read_is_not_waited_for(outside: World) -> None:
    before = sockets()
    ours, theirs = socket.socketpair()
    async with anyio.create_task_group() as group:
        group.start_soon(outside.proxy.serve, theirs)
        raw = f"GET http://{HOST}:{outside.plain.port}/big?bytes=50000000 HTTP/1.1\r\nHost: {HOST}:{outside.plain.port}"
        ours.sendall(f"{raw}\r\n\r\n".encode())
        while not outside.plain.requests:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await everybody_left(outside.plain)
    assert len(sockets() - before) == 1
    ours.close()


async def test_what_is_closed_already_can_be_closed_at_once(outside: World) -> None:
    """Python 3.11.2, which is Debian's, has nothing left to close of TLS that was closed twice."""
    _, writer = await outside.tunnel()
    writer.close()
    writer.close()
    abort(writer)
    await outside.gone()
