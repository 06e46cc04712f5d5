"""Both sides of a call of gRPC take turns, and every message is judged before it goes on."""

from __future__ import annotations

import gzip
import queue
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread
import h2.events
import pytest

from tests.guard.egress.client_http2 import Client, client
from tests.guard.egress.test_clients import listening
from tests.guard.egress.test_grpc import KEY, WAIT_S, served
from tests.guard.egress.world import HOST, PLACEHOLDER, SECRET, World, world
from workhand.guard.egress.calls import MESSAGE_BYTES_MAX, framed
from workhand.guard.egress.exchanging import BODY_BYTES_MAX

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
pytestmark = pytest.mark.anyio
GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
FILLED = b"*" * len(SECRET)


@dataclass
class Server:
    """What the methods of a server have seen."""

    heard: list[bytes] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # set when a call is over, however it ended

    def turns(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Answer each message before the next one is sent; say first that one is ready."""
        context.add_callback(self.left.set)
        context.set_trailing_metadata((("x-count", "many"),))
        yield b"ready"
        for request in requests:
            self.heard.append(request)
            yield b"heard " + request + (SECRET if request == b"tell" else b"")

    def reads_no_more(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        context.add_callback(self.left.set)
        yield b"begun"
        self.left.wait(WAIT_S)

    def one(self, request: bytes, context: Any) -> bytes:
        self.heard.append(request)
        return b"heard " + request

    @property
    def methods(self) -> dict[str, Any]:
        return {
            "Turns": grpc.stream_stream_rpc_method_handler(self.turns),
            "Reads": grpc.stream_stream_rpc_method_handler(self.reads_no_more),
            "One": grpc.unary_unary_rpc_method_handler(self.one),
        }


class Turn:
    """One call in which a program inside says something, and waits for what is said back."""

    def __init__(self, channel: Any, method: str = "Turns", **options: Any) -> None:
        self.said: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        requests = iter(self.said.get, None)
        self.call = channel.stream_stream(f"/t.Service/{method}")(requests, **{"timeout": WAIT_S, **options})

    def say(self, message: bytes) -> bytes:
        self.said.put(message)
        return self.hear()

    def hear(self) -> bytes:
        return bytes(next(self.call))

    def ends(self) -> tuple[str, str]:
        """Read to the end; give how the call ended."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError:
            pass
        self.said.put(None)
        return self.call.code().name, self.call.details()


async def spoken(outside: World, server: Server, within: Callable[[Any], Any]) -> Any:
    """Run a program inside, with a channel to the server."""

    def run(proxy: int, port: int) -> Any:
        trusting = grpc.ssl_channel_credentials(outside.authority.certificate)
        options = (("grpc.http_proxy", f"http://127.0.0.1:{proxy}"),)
        with grpc.secure_channel(f"{HOST}:{port}", trusting, options) as channel:
            return within(channel)

    async with listening(outside) as proxy:
        with served(outside, server.methods) as port:
            return await anyio.to_thread.run_sync(run, proxy, port)


async def test_both_sides_take_turns(outside: World) -> None:
    def within(channel: Any) -> Any:
        turn = Turn(channel, metadata=KEY)
        said = [turn.hear(), turn.say(b"a"), turn.say(b""), turn.say(b"tell"), turn.say(b"x" * 2_000_000)[-3:]]
        turn.said.put(None)
        return said, turn.ends(), dict(turn.call.trailing_metadata())

    server = Server()
    said, ended, trailers = await spoken(outside, server, within)
    assert said == [b"ready", b"heard a", b"heard ", b"heard tell" + FILLED, b"xxx"]
    assert (ended, trailers) == (("OK", ""), {"x-count": "many"})
    assert [len(each) for each in outside.gate.messages] == [1, 0, 4, 2_000_000]
    assert [each[:2] for each in outside.gate.counted] == [("POST /t.Service/Turns", 2_000_005)]


async def test_a_message_that_is_refused_ends_the_call_and_the_program_learns_why(outside: World) -> None:
    def within(channel: Any) -> Any:
        turn = Turn(channel)
        said = [turn.hear(), turn.say(b"a")]
        turn.said.put(b"this is forbidden")
        ended = turn.ends()
        return said, ended, channel.unary_unary("/t.Service/One")(b"next", timeout=WAIT_S)

    server = Server()
    said, ended, after = await spoken(outside, server, within)
    assert said == [b"ready", b"heard a"]
    assert ended == ("PERMISSION_DENIED", "workhand: refused by rule 'content': it says what must not be said.")
    assert after == b"heard next"
    assert server.heard == [b"a", b"next"], "what was refused has not left"
    assert server.left.wait(WAIT_S)
    assert [each[2:] for each in outside.gate.refusals] == [("POST /t.Service/Turns", "content")]
    assert [each[:2] for each in outside.gate.counted] == [("POST /t.Service/Turns", 1), ("POST /t.Service/One", 4)]


async def test_what_is_compressed_is_judged_and_sent_on_unpacked(outside: World) -> None:
    def within(channel: Any) -> Any:
        one = channel.unary_unary("/t.Service/One")
        said = [one(b"x" * 5_000, timeout=WAIT_S, compression=each) for each in (grpc.Compression.Gzip,)]
        said += [one(b"y" * 5_000, timeout=WAIT_S, compression=grpc.Compression.Deflate)]
        with pytest.raises(grpc.RpcError) as refused:
            one(b"forbidden" * 100, timeout=WAIT_S, compression=grpc.Compression.Gzip)
        return said, refused.value.code().name

    server = Server()
    said, refused = await spoken(outside, server, within)
    assert said == [b"heard " + b"x" * 5_000, b"heard " + b"y" * 5_000]
    assert outside.gate.messages == [b"x" * 5_000, b"y" * 5_000, b"forbidden" * 100]
    assert refused == "PERMISSION_DENIED"


async def test_a_call_that_is_given_up_is_given_up_at_the_server(outside: World) -> None:
    def within(channel: Any) -> Any:
        turn = Turn(channel)
        turn.hear()
        turn.call.cancel()
        left = server.left.wait(WAIT_S)
        turn.said.put(None)
        return left, channel.unary_unary("/t.Service/One")(b"next", timeout=WAIT_S)

    server = Server()
    assert await spoken(outside, server, within) == (True, b"heard next")
    assert [each[0] for each in outside.gate.counted] == ["POST /t.Service/Turns", "POST /t.Service/One"]


async def test_a_call_ends_at_its_deadline_for_both_sides(outside: World) -> None:
    def within(channel: Any) -> Any:
        turn = Turn(channel, timeout=3)
        turn.hear()
        return turn.ends()[0], server.left.wait(WAIT_S)

    server = Server()
    assert await spoken(outside, server, within) == ("DEADLINE_EXCEEDED", True)


async def test_a_server_that_reads_no_more_slows_its_own_call_only(outside: World) -> None:
    def within(channel: Any) -> Any:
        stuck = Turn(channel, "Reads")
        stuck.hear()
        for _ in range(40):
            stuck.said.put(b"x" * 500_000)
        said = [channel.unary_unary("/t.Service/One")(b"y" * 300_000, timeout=WAIT_S)[-1:] for _ in range(3)]
        stuck.call.cancel()
        stuck.said.put(None)
        return said

    assert await spoken(outside, Server(), within) == [b"y"] * 3


# -- frames, in the test's hand ------------------------------------------------------------


@asynccontextmanager
async def calling(directory: Path, spoken: str = "h2") -> AsyncIterator[tuple[World, Client]]:
    async with world(directory, spoken) as made:
        inside = await client(made)
        yield made, inside
        inside.writer.transport.abort()
        made.secure.released.set()
        await made.gone()


def ended(inside: Client, stream: int) -> tuple[str, str]:
    """Give how a call ended: in trailers, or in the head."""
    heads = [inside.headers_of(kind, stream) for kind in (h2.events.ResponseReceived, h2.events.TrailersReceived)]
    last = {**heads[0], **heads[1]}
    return last.get("grpc-status", ""), last.get("grpc-message", "").partition("'")[2].partition("'")[0]


def packed(content: bytes) -> bytes:
    return b"\x01" + len(content).to_bytes(4, "big") + content


GZIP, BOMB = gzip.compress(b"fine"), gzip.compress(b"\0" * (MESSAGE_BYTES_MAX + 1))
BAD: dict[str, tuple[str, bytes, str, str]] = {
    "an encoding that is not read": ("snappy", packed(b"fine"), "13", "unreadable-message"),
    "packed, as nobody said": ("identity", packed(GZIP), "13", "unreadable-message"),
    "not packed, as was said": ("gzip", packed(b"fine"), "13", "unreadable-message"),
    "something behind the end": ("gzip", packed(GZIP + SECRET), "13", "unreadable-message"),
    "a second thing that is packed": ("gzip", packed(GZIP + GZIP), "13", "unreadable-message"),
    "cut off": ("gzip", packed(GZIP[:-3]), "13", "unreadable-message"),
    "more than a message may have, once unpacked": ("gzip", packed(BOMB), "13", "unreadable-message"),
    "an unknown flag": ("gzip", b"\x02" + framed(b"fine")[1:], "13", "unreadable-message"),
    "the end within a message": ("identity", framed(b"fine")[:-1], "13", "malformed-request"),
    "the end within a length": ("identity", b"\0\0", "13", "malformed-request"),
    "longer than a message may be": ("identity", b"\0" + (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"), "8", "too-long"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_message_that_cannot_be_read_is_not_sent(tmp_path: Path, name: str) -> None:
    encoding, content, status, rule = BAD[name]
    async with calling(tmp_path) as (outside, inside):
        more = (*GRPC, ("grpc-encoding", encoding))
        stream = inside.ask(inside.headers(outside, "/waits", "POST", *more), content)
        await inside.until(h2.events.StreamEnded, stream)
        assert ended(inside, stream) == (status, rule)
        assert outside.gate.messages == []
        assert [request[3] for request in outside.secure.requests] in ([], [b""])


async def test_messages_in_bytes_one_by_one_are_put_together(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        stream = inside.ask(inside.headers(outside, "/echo", "POST", *GRPC), ends=False)
        content = framed(b"one") + framed(b"") + b"\0" + framed(b"three")[1:]
        for byte in content:
            inside.http.send_data(stream, bytes([byte]))
            inside.flush()
        inside.http.end_stream(stream)
        inside.flush()
        assert (await inside.answer(stream))[0] == 200
        assert outside.gate.messages == [b"one", b"", b"three"]
        assert outside.secure.requests[0][3] == content


async def test_a_placeholder_in_a_message_is_replaced_and_its_length_is_right(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        headers = inside.headers(outside, "/", "POST", *GRPC, ("authorization", PLACEHOLDER.decode()))
        await inside.answer(inside.ask(headers, framed(b"<" + PLACEHOLDER + b">")))
        assert outside.secure.requests[0][3] == framed(b"<" + SECRET + b">")
        assert outside.secure.requests[0][2]["authorization"] == SECRET.decode()


async def test_an_answer_that_is_compressed_is_unpacked_and_searched(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        for encoding, content in (("gzip", gzip.compress(SECRET)), ("deflate", zlib.compress(SECRET))):
            outside.secure.called = (encoding, framed(b"a") + packed(content))
            asked = inside.ask(inside.headers(outside, "/called", "POST", *GRPC), framed(b""))
            assert await inside.answer(asked) == (200, framed(b"a") + framed(FILLED))
        outside.secure.called = ("snappy", packed(SECRET))
        asked = inside.ask(inside.headers(outside, "/called", "POST", *GRPC), framed(b""))
        assert await inside.answer(asked) == (200, b"")
        assert ended(inside, asked) == ("14", "unreadable-answer")


async def test_an_answer_that_ends_within_a_message_is_not_made_whole(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        outside.secure.called = ("identity", framed(SECRET)[:-1])
        asked = inside.ask(inside.headers(outside, "/called", "POST", *GRPC), framed(b""))
        assert await inside.answer(asked) == (0, b"")


async def test_what_is_no_answer_of_grpc_passes_as_it_is(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        more = (*GRPC, ("authorization", PLACEHOLDER.decode()))
        stream = inside.ask(inside.headers(outside, "/reflect", "POST", *more), framed(b""))
        assert await inside.answer(stream) == (200, b"<" + FILLED + b">")


async def test_messages_that_are_held_are_bounded_over_all_calls(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        headers = inside.headers(outside, "/waits", "POST", *GRPC)
        begin = b"\0" + MESSAGE_BYTES_MAX.to_bytes(4, "big")
        asked = [inside.ask(headers, begin, ends=False) for _ in range(3)]
        for stream in asked[:2]:
            await inside.upload(stream, BODY_BYTES_MAX // 2 - 1_000)
        await inside.upload(asked[2], 10_000)
        await inside.until(h2.events.StreamEnded, asked[2])
        assert ended(inside, asked[2]) == ("8", "too-long")


async def test_a_server_without_http2_cannot_be_called(tmp_path: Path) -> None:
    async with calling(tmp_path, "http/1.1") as (outside, inside):
        stream = inside.ask(inside.headers(outside, "/", "POST", *GRPC), framed(b""))
        assert await inside.answer(stream) == (200, b"")
        assert ended(inside, stream) == ("14", "no-http2")
        assert outside.secure.requests == []


async def test_grpc_of_browsers_and_what_reads_only_are_taken_whole(tmp_path: Path) -> None:
    async with calling(tmp_path) as (outside, inside):
        for method, kind in (("POST", "application/grpc-web+proto"), ("PUT", "application/grpc")):
            headers = inside.headers(outside, "/", method, ("content-type", kind))
            assert (await inside.answer(inside.ask(headers, b"body")))[0] == 200
        assert [outgoing.body for outgoing in outside.gate.inspected] == [b"body", b"body"]
