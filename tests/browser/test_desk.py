"""Only who has the address of the page that drives a browser gets it, and only that page may connect."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import anyio
import pytest

from workhand.browser.desk import HEAD_BYTES_MAX, Wire, desk

pytestmark = pytest.mark.anyio

SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
}


async def hold(wire: Wire) -> None:
    async for _ in wire.messages():
        continue


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with desk(hold) as address:
        yield address


async def ask(url: str, target: str = "", method: str = "GET", **headers: str) -> str:
    """Give the head of an answer: its status and its headers."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    named = {"Host": parts.netloc} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {target or parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    stream = await anyio.connect_tcp(parts.hostname, parts.port)
    async with stream:
        await stream.send("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await stream.receive()
    return answer.partition(b"\r\n\r\n")[0].decode()


def status(head: str) -> int:
    return int(head.split()[1])


def origin(url: str) -> str:
    return f"http://{urlsplit(url).netloc}"


async def test_who_has_the_address_gets_the_page_which_may_load_nothing_and_be_framed_by_nobody(url: str) -> None:
    head = await ask(url)
    assert status(head) == 200
    assert "default-src 'none'" in head and "frame-ancestors 'none'" in head and "no-referrer" in head


async def test_who_guesses_the_address_gets_nothing(url: str) -> None:
    for target in ("/", "/wire", "/" + "A" * 43 + "/", urlsplit(url).path[:-1], urlsplit(url).path + "other"):
        assert status(await ask(url, target)) == 404
    assert status(await ask(url, method="POST", Content_Length="0")) == 404


async def test_another_hosts_name_that_leads_here_gets_nothing(url: str) -> None:
    port = urlsplit(url).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1"):
        assert status(await ask(url, Host=host)) == 404


async def test_only_the_page_itself_may_connect(url: str) -> None:
    wire = urlsplit(url).path + "wire"
    assert status(await ask(url, wire, **SOCKET, Origin=origin(url))) == 101
    for other in ("http://evil.example", "null", "https" + origin(url)[4:], "http://localhost:1"):
        assert status(await ask(url, wire, **SOCKET, Origin=other)) == 404
    assert status(await ask(url, wire, **SOCKET)) == 404


async def test_a_request_whose_head_does_not_end_is_cut_off(url: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    stream = await anyio.connect_tcp(parts.hostname, parts.port)
    async with stream:
        await stream.send(b"GET / HTTP/1.1\r\nLong: " + b"a" * (HEAD_BYTES_MAX * 2))
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()


async def test_each_visit_has_an_address_of_its_own(url: str) -> None:
    async with desk(hold) as other:
        assert urlsplit(other).path != urlsplit(url).path
