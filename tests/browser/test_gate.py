"""The listener lets in who knows the secret, and turns everybody else away at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import pytest

from workhand.browser.gate import WAITING_MAX, Gate

pytestmark = pytest.mark.anyio

PATH = "/devtools/browser/0f3c-secret"
RIGHT = f"GET {PATH} HTTP/1.1\r\n".encode()


class Inside:
    def __init__(self) -> None:
        self.led: list[socket.socket] = []
        self.gate = Gate(PATH, self.led.append)
        self.port = int(self.gate.url.split(":")[2].partition("/")[0])


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    made = Inside()
    yield made
    made.gate.close()
    for each in made.led:
        each.close()


async def connected(inside: Inside) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", inside.port)


async def test_who_knows_the_secret_is_led_on_with_all_that_was_said(inside: Inside) -> None:
    assert inside.gate.url == f"ws://127.0.0.1:{inside.port}{PATH}"
    _, writer = await connected(inside)
    writer.write(RIGHT + b"Host: x\r\n\r\n")
    with anyio.fail_after(10):
        while not inside.led:
            await anyio.lowlevel.checkpoint()
    assert inside.led[0].recv(1_000) == RIGHT + b"Host: x\r\n\r\n"
    writer.close()


@pytest.mark.parametrize(
    "said",
    [
        RIGHT[:-3],
        RIGHT[:5],
        RIGHT.replace(b"secret", b"secre7"),
        RIGHT.replace(PATH.encode(), b"/json/version"),
        RIGHT.replace(b"GET", b"PUT"),
        b"x" * 10_000,
    ],
)
async def test_everybody_else_is_turned_away_without_a_word(inside: Inside, said: bytes) -> None:
    reader, writer = await connected(inside)
    writer.write(said)
    with anyio.fail_after(10), suppress(ConnectionResetError):  # of what it said that was not read
        assert await reader.read() == b""
    assert inside.led == []
    writer.close()


async def test_who_says_nothing_holds_nobody_else_up(inside: Inside) -> None:
    silent = [await connected(inside) for _ in range(WAITING_MAX + 3)]
    with anyio.fail_after(10):
        assert [await reader.read() for reader, _ in silent[:3]] == [b""] * 3
    _, writer = await connected(inside)
    writer.write(RIGHT)
    with anyio.fail_after(10):
        while not inside.led:
            await anyio.lowlevel.checkpoint()
    inside.gate.close()
    with anyio.fail_after(10):
        assert [await reader.read() for reader, _ in silent[4:]] == [b""] * (WAITING_MAX - 1)
    for _, each in [*silent, (None, writer)]:
        each.close()
    inside.gate = Gate(PATH, inside.led.append)
