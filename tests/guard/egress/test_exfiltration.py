"""A secret that got inside after all does not get out: every channel of a request, in the ways it can be written there.

What is refused is one half; the other is what the proxy does not carry at all, such as pings and trailers of requests.
That the answers of a server give nothing back stands at the end.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import h2.events
import pytest
from websockets.exceptions import ConnectionClosed

from tests.guard.egress.client_http2 import client
from tests.guard.egress.test_websocket import conversation
from tests.guard.egress.world import HOST, OTHER, World, world
from tests.guard.test_scan import ENCODINGS
from workhand.core.policy import Approvals, Network
from workhand.guard.gatekeeper import Keeper
from workhand.guard.secrets import Held, Secret

pytestmark = pytest.mark.anyio
VALUE = b"sk_dummy_9f8E7d6C5b4A"
PLACEHOLDER = "wh_KEY_0123"
Send: TypeAlias = Callable[[World, str], Awaitable[object]]


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[World]:
    """A proxy whose gatekeeper is the real one, in front of servers that speak HTTP/2 with whoever does."""
    async with world(tmp_path, "h2") as made:
        allowed = [f"{host}:{port}" for host in (HOST, OTHER) for port in (made.secure.port, made.plain.port)]
        held = (Held(Secret("KEY", (f"{HOST}:{made.secure.port}",), PLACEHOLDER), VALUE),)
        keeper = Keeper(Network("allow", (*allowed, f"*.{HOST}")), Approvals(asked="never"), held)
        made.proxy = replace(made.proxy, gatekeeper=keeper)
        yield made


def keeper_of(guarded: World) -> Keeper:
    keeper = guarded.proxy.gatekeeper
    assert isinstance(keeper, Keeper)
    return keeper


def multipart(it: str) -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n{it}\r\n--x--\r\n'.encode()


def chunked(it: str, *, trailer: str = "") -> bytes:
    chunks = [it[at : at + 3] for at in range(0, len(it), 3)] if not trailer else ["hello"]
    return "".join([*(f"{len(each):x}\r\n{each}\r\n" for each in chunks), "0\r\n", trailer, "\r\n"]).encode()


def in_one(target: str = "/", *headers: str, method: str = "GET", body: str = "") -> Send:
    """Send a request of HTTP/1.1; an asterisk becomes what is to get out."""

    async def send(guarded: World, it: str) -> None:
        filled = [each.replace("*", it) for each in (target, method, body, *headers)]
        await guarded.told(guarded.request(filled[0], *filled[3:], method=filled[1], body=filled[2].encode()))

    return send


def in_two(target: str = "/", *headers: tuple[str, str], method: str = "GET", body: str = "") -> Send:
    """Send a request of HTTP/2."""

    async def send(guarded: World, it: str) -> None:
        inside = await client(guarded, lawful=False)
        more = [(name.replace("*", it), value.replace("*", it)) for name, value in headers]
        asked = inside.headers(guarded, target.replace("*", it), method.replace("*", it), *more)
        await inside.answer(inside.ask(asked, body.replace("*", it).encode()))
        inside.writer.close()

    return send


async def chunks(guarded: World, it: str) -> None:
    await guarded.told(guarded.request("/", "Transfer-Encoding: chunked", method="POST") + chunked(it))


async def trailer(guarded: World, it: str) -> None:
    raw = guarded.request("/", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST")
    await guarded.told(raw + chunked(it, trailer=f"X-Sum: {it}\r\n"))


async def form(guarded: World, it: str) -> None:
    kind = "Content-Type: multipart/form-data; boundary=x"
    await guarded.told(guarded.request("/", kind, method="POST", body=multipart(it)))


async def whole_url(guarded: World, it: str) -> None:
    where = f"{HOST}:{guarded.plain.port}"
    await guarded.said(f"GET http://{where}/?k={it} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n".encode())


async def name_of_a_host(guarded: World, it: str) -> None:
    await guarded.said(f"CONNECT {it}.{HOST}:443 HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def name_of_a_page(guarded: World, it: str) -> None:
    await guarded.said(f"GET http://{it}.{HOST}/ HTTP/1.1\r\nHost: {it}.{HOST}\r\n\r\n".encode())


async def redirect(guarded: World, it: str) -> None:
    """Go where a page sends one, with what it orders to bring along."""
    where = f"{OTHER}:{guarded.plain.port}"
    sent = await guarded.told(guarded.request(f"/redirect?to=http://{where}/take"))
    assert f"http://{where}/take".encode() in sent
    raw = f"GET http://{where}/take?k={it} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n"
    await guarded.said(raw.encode())


async def message(guarded: World, it: str) -> None:
    """Say it on a WebSocket, in pieces; the other end would say it back."""
    listener = socket.create_server(("127.0.0.1", 0))
    keeper = keeper_of(guarded)
    keeper.network = Network("allow", (*keeper.network.hosts, f"{HOST}:{listener.getsockname()[1]}"))
    async with conversation(guarded, encrypted=False, listener=listener) as talking:
        await talking.recv()
        await talking.send([it[:5], it[5:]])
        with pytest.raises(ConnectionClosed):
            await talking.recv()


async def frames(guarded: World, it: str) -> None:
    inside = await client(guarded)
    stream = inside.ask(inside.headers(guarded, "/", "POST"), ends=False)
    for letter in it:
        inside.http.send_data(stream, letter.encode())
    inside.http.end_stream(stream)
    inside.flush()
    await inside.answer(stream)
    inside.writer.close()


async def beside_frames(guarded: World, it: str) -> None:
    """Put it where HTTP/2 has room beside requests."""
    inside = await client(guarded)
    stream = inside.ask(inside.headers(guarded, "/", "POST"), b"hello", ends=False)
    inside.http.ping(it.encode()[:8])
    inside.writer.write(len(it).to_bytes(3, "big") + b"\xee\0" + stream.to_bytes(4, "big") + it.encode())
    padded = b"\x01" + b"x" + it.encode()[:1]
    inside.writer.write(len(padded).to_bytes(3, "big") + b"\0\x08" + stream.to_bytes(4, "big") + padded)
    inside.http.send_headers(stream, [("x-sum", it)], end_stream=True)
    inside.flush()
    assert (await inside.answer(stream))[0] == 200
    await inside.until(h2.events.PingAckReceived)
    inside.writer.close()


@dataclass(frozen=True, slots=True)
class Channel:
    send: Send
    written: tuple[str, ...] = ("plain", "base64 one on", "hex", "gzip in base64", "percent", "reversed")
    refused: bool = True  # or not carried


WORDS = ("plain", "hex", "reversed")  # where few letters may stand
LABELS = ("plain", "hex", "base32 without its end")
CHANNELS = {
    "path": Channel(in_one("/a/*")),
    "query": Channel(in_one("/?k=*")),
    "header": Channel(in_one("/", "X-Data: *")),
    "name of a header": Channel(in_one("/", "X-*: 1"), LABELS),
    "method": Channel(in_one(method="*"), WORDS),
    "cookie": Channel(in_one("/", "Cookie: session=*; theme=dark")),
    "body": Channel(in_one(method="POST", body="*")),
    "body of a GET": Channel(in_one(body="*")),
    "chunks": Channel(chunks),
    "trailer of chunks": Channel(trailer, refused=False),
    "multipart": Channel(form),
    "URL without TLS": Channel(whole_url),
    "name of a host": Channel(name_of_a_host, LABELS),
    "name of a page's host": Channel(name_of_a_page, LABELS),
    "redirect": Channel(redirect),
    "WebSocket": Channel(message),
    "h2 path": Channel(in_two("/a/*")),
    "h2 query": Channel(in_two("/?k=*")),
    "h2 header": Channel(in_two("/", ("x-data", "*"))),
    "h2 name of a header": Channel(in_two("/", ("x-*", "1")), LABELS),
    "h2 method": Channel(in_two(method="*"), WORDS),
    "h2 cookie": Channel(in_two("/", ("cookie", "theme=dark"), ("cookie", "session=*"))),
    "h2 body": Channel(in_two(method="POST", body="*")),
    "h2 body, a letter in a frame": Channel(frames),
    "h2 beside frames": Channel(beside_frames, refused=False),
}
WAYS: dict[str, Callable[[bytes], bytes]] = {
    **ENCODINGS,
    "base32 without its end": lambda it: base64.b32encode(it).rstrip(b"="),
}


ECHOES = ("plain", "hex", "hex in capitals", "base64")


@pytest.mark.parametrize("name", CHANNELS)
async def test_a_secret_leaves_by_no_channel(guarded: World, name: str) -> None:
    channel = CHANNELS[name]
    for way in channel.written:
        written = WAYS[way](VALUE).decode("ascii")
        await channel.send(guarded, written.lower() if channel.written is LABELS else written)
        reached = str((guarded.secure.requests, guarded.plain.requests)).lower()
        assert written.lower() not in reached, way
        rules = {each.rule for each in keeper_of(guarded).contacts() if each.verdict == "refused"}
        assert rules == ({"secret"} if channel.refused else set()), way


@pytest.mark.parametrize("way", ECHOES)
async def test_what_a_server_says_back_is_filled(guarded: World, way: str) -> None:
    guarded.secure.spelt = WAYS[way]
    one = await guarded.told(guarded.request("/reflect", f"Authorization: {PLACEHOLDER}"))
    inside = await client(guarded)
    stream = inside.ask(inside.headers(guarded, "/reflect", "GET", ("authorization", PLACEHOLDER)))
    _, two = await inside.answer(stream)
    inside.writer.close()
    filled = b"*" * len(WAYS[way](VALUE))
    assert [headers["authorization"] for _, _, headers, _ in guarded.secure.requests] == [VALUE.decode()] * 2
    assert one.count(filled) == 2, "in a header and in the content"
    assert (two, inside.headers_of(h2.events.ResponseReceived, stream)["x-seen"]) == (
        b"<" + filled + b">",
        filled.decode(),
    )
