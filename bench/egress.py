"""What the way out of a machine costs: ``python -m bench.egress``.

A server on the loopback is asked directly and through the proxy, in turns within one run: a small request on a kept
connection, and an upload of a megabyte that is searched for secrets.  The clients are the same; machines are left out.
"""

from __future__ import annotations

import argparse
import datetime
import os
import socket
import ssl
import statistics
import tempfile
import time
from asyncio import get_running_loop
from pathlib import Path

import anyio
import httpx2

from workhand.core.policy import Approvals, Network
from workhand.guard.egress.authority import Authority
from workhand.guard.egress.proxy import Proxy
from workhand.guard.gatekeeper import Keeper
from workhand.guard.secrets import Held, Secret

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HELD = (Held(Secret("KEY", ("other.example",), "wh_KEY_0"), b"dummy-value-123456"),)


async def main(requests: int, uploads: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        now = datetime.datetime.now(datetime.UTC)
        ours, theirs = Authority(Path(directory, "ours"), now), Authority(Path(directory, "theirs"), now)
        trust, newer = (
            ssl.create_default_context(cadata=(ours.certificate + theirs.certificate).decode()) for _ in range(2)
        )
        async with anyio.create_task_group() as group:
            server = await group.start(serve, theirs.context("127.0.0.1"))
            keeper = Keeper(Network("allow", (f"127.0.0.1:{server}",), requests_max=1 << 30), Approvals(), HELD)
            proxy = await group.start(listen, Proxy(keeper, ours, trust, newer))
            clients = {
                "directly": httpx2.AsyncClient(verify=trust, trust_env=False),
                "by the proxy": httpx2.AsyncClient(verify=trust, trust_env=False, proxy=f"http://127.0.0.1:{proxy}"),
            }
            url = f"https://127.0.0.1:{server}/"
            await compare(clients, url, "a small request, connection kept", b"", requests)
            await compare(clients, url, "1 MB of random bytes sent", os.urandom(1 << 20), uploads)
            await compare(
                clients, url, "1 MB of text sent", b"some ordinary words, one after the other\n" * 25_575, uploads
            )
            for client in clients.values():
                await client.aclose()
            group.cancel_scope.cancel()


async def compare(clients: dict[str, httpx2.AsyncClient], url: str, what: str, body: bytes, times: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(times + 2):
        for name, client in clients.items():
            began = time.perf_counter()
            answer = await client.post(url, content=body)
            if answer.status_code != 200:
                raise SystemExit(f"{what} {name}: {answer.text}")
            if turn > 1:  # the first ones connect, and start the process that searches
                taken[name].append((time.perf_counter() - began) * 1_000)
    middle = {name: statistics.median(each) for name, each in taken.items()}
    added = middle["by the proxy"] - middle["directly"]
    figures = f"{middle['directly']:7.2f} ms directly, {middle['by the proxy']:7.2f} by the proxy"
    print(f"{what:<34} n={times:<4} p50 {figures}: {added:+.2f}")


async def serve(context: ssl.SSLContext, *, task_status: anyio.abc.TaskStatus[int]) -> None:
    """Answer every request with two letters."""
    import asyncio

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context, limit=1 << 22)
    async with server:
        task_status.started(server.sockets[0].getsockname()[1])
        await anyio.sleep_forever()


async def listen(proxy: Proxy, *, task_status: anyio.abc.TaskStatus[int]) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so that its answers do not wait
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    task_status.started(listener.getsockname()[1])
    async with anyio.create_task_group() as group:
        while True:
            connection, _ = await get_running_loop().sock_accept(listener)
            group.start_soon(proxy.serve, connection)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--uploads", type=int, default=10)
    asked = parser.parse_args()
    anyio.run(main, asked.requests, asked.uploads)
