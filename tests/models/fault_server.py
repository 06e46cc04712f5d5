"""A server on loopback that answers with what it is told to, however broken: real sockets, no mocks."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio

EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; its body ends with the connection, as told by ``end``.  Status 0 is no response at all."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: EVENTS)
    end: Literal["close", "reset", "stall"] = "close"


@dataclass(slots=True)
class FaultServer:
    """What was asked, and what will be answered: the last reply again and again."""

    replies: list[Reply]
    gets: dict[str, Reply]
    base_url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    left: anyio.Event = field(default_factory=anyio.Event)  # the client gave up a connection

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            if method == "GET":
                reply = self.gets.get(path, Reply(status=404, headers={}))
            else:
                length = next(line for line in head.lower().splitlines() if line.startswith("content-length"))
                self.bodies.append(await reader.readexactly(int(length.split(":")[1])))
                self.headers.append(head)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            if reply.end == "reset":
                reset_when_closed(writer)
            if reply.status == 0:
                return
            headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
            writer.write(f"HTTP/1.1 {reply.status} X\r\n{headers}connection: close\r\n\r\n".encode() + reply.body)
            await writer.drain()
            if reply.end == "stall":
                await reader.read()
                self.left.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()


def reset_when_closed(writer: asyncio.StreamWriter) -> None:
    """Let a connection be closed with a reset, not with an end."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@asynccontextmanager
async def fault_server(*replies: Reply, gets: dict[str, Reply] | None = None) -> AsyncIterator[FaultServer]:
    faults = FaultServer(list(replies), gets or {})
    server = await asyncio.start_server(faults.serve, "127.0.0.1", 0)
    async with server:
        faults.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield faults


def error(status: int, message: str = "broken", headers: dict[str, str] = JSON, **fields: object) -> Reply:
    """Give an error in the form of OpenAI."""
    return Reply(json.dumps({"error": {"message": message, **fields}}).encode(), status, headers)


def events(*chunks: object, end: str = "data: [DONE]\n\n") -> bytes:
    """Give the bytes of an event stream."""
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + end.encode()


def delta(finish: str | None = None, **content: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


def call(name: str = "", arguments: str = "", *, index: int = 0, id: str = "") -> dict[str, object]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


USAGE = {
    "choices": [],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 15},
        "completion_tokens_details": {"reasoning_tokens": 4},
    },
}
HELLO = Reply(
    events(delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop"), USAGE)
)
