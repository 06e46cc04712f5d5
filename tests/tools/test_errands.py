"""A program in a machine asks the host for something: one request a connection, whatever is said on it."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest

from workhand.errors import ConfigError
from workhand.tools.errands import PAYLOAD_BYTES_MAX, Errands, Reply, Tell

pytestmark = pytest.mark.anyio

LENGTHS = struct.Struct(">II")


class Echo:
    """A service that says back what it was asked, after telling how far it has come; it knows what was given up."""

    def __init__(self) -> None:
        self.given_up = anyio.Event()

    async def __call__(self, request: Mapping[str, Any], payload: bytes, tell: Tell) -> Reply:
        match request.get("op"):
            case "wait":
                try:
                    await anyio.sleep_forever()
                finally:
                    self.given_up.set()
            case "refuse":
                raise ConfigError("There is no such thing; ask for another.")
        await tell({"progress": 1})
        return Reply({"ok": True, "op": request.get("op")}, (payload, payload[::-1]))


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, Errands]]:
    made = Echo()
    async with anyio.create_task_group() as group:
        yield made, Errands(group, {"echo": made})
        group.cancel_scope.cancel()


def framed(request: object, payload: bytes = b"") -> bytes:
    text = json.dumps(request).encode()
    return LENGTHS.pack(len(text), len(payload)) + text + payload


async def ask(services: Errands, sent: bytes) -> bytes:
    ours, theirs = socket.socketpair()
    services.door(theirs)
    ours.setblocking(False)
    async with await anyio.abc.UNIXSocketStream.from_socket(ours) as stream:
        await stream.send(sent)
        received = b""
        try:
            with anyio.fail_after(20):
                while True:
                    received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


async def test_a_request_is_answered_with_its_progress_and_its_contents(echo: tuple[Echo, Errands]) -> None:
    answer = await ask(echo[1], framed({"service": "echo", "op": "say"}, b"abc"))
    done = {"ok": True, "op": "say", "done": True, "sizes": [3, 3]}
    assert answer == framed({"progress": 1}) + framed(done, b"abccba")


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"service": "other"}, "This machine has no service 'other'."),
        ({"op": "say"}, "This machine has no service None."),
        ({"service": "echo", "op": "refuse"}, "There is no such thing; ask for another."),
    ],
)
async def test_what_cannot_be_done_is_said(echo: tuple[Echo, Errands], request_: Mapping[str, Any], error: str) -> None:
    assert await ask(echo[1], framed(request_)) == framed({"ok": False, "error": error, "done": True, "sizes": []})


@pytest.mark.parametrize(
    "sent",
    [
        LENGTHS.pack(4, 0) + b"{]}x",
        framed(["a list"]),
        LENGTHS.pack(1 << 30, 0),
        LENGTHS.pack(2, PAYLOAD_BYTES_MAX + 1) + b"{}",
        LENGTHS.pack(2, 0) + b"\xff\xff",
    ],
)
async def test_what_is_no_request_gets_no_answer_and_harms_no_other(echo: tuple[Echo, Errands], sent: bytes) -> None:
    assert await ask(echo[1], sent) == b""
    assert b'"ok": true' in await ask(echo[1], framed({"service": "echo"}))


async def test_work_that_nobody_waits_for_is_given_up(echo: tuple[Echo, Errands]) -> None:
    made, services = echo
    ours, theirs = socket.socketpair()
    services.door(theirs)
    with ours:
        ours.sendall(framed({"service": "echo", "op": "wait"}))
        await anyio.lowlevel.checkpoint()
    with anyio.fail_after(20):
        await made.given_up.wait()
