"""What the host does for programs in a machine, asked for over a door of its own.

A connection carries one request: a frame of JSON that names a service, and bytes.  The answer is frames, too:
any number that tell how far it has come, then one with ``done`` and the sizes of what comes with it.  What a
machine says is not trusted: lengths are bounded, and what is no request ends its connection only.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup, UNIXSocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from workhand.errors import WorkhandError

LENGTHS = struct.Struct(">II")
HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX = 1 << 20, 64 << 20
REQUEST_S = 60.0  # until a request has come whole
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answers: JSON, and contents that go with it."""

    said: Mapping[str, Any]
    contents: tuple[bytes, ...] = field(default=(), repr=False)


Tell: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Service: TypeAlias = Callable[[Mapping[str, Any], bytes, Tell], Awaitable[Reply]]
"""Does what a request asks for.  A ``WorkhandError`` that it raises is said to the program that asked."""


class Errands:
    """The services of one session's machine, by name."""

    def __init__(self, group: TaskGroup, services: Mapping[str, Service]) -> None:
        self.group = group
        self.services = services

    def door(self, connection: socket.socket) -> None:
        """Take over a connection from inside."""
        self.group.start_soon(self.serve, connection)

    async def serve(self, connection: socket.socket) -> None:
        """Answer the request of a connection; if whoever asked goes away, the work for it ends."""
        connection.setblocking(False)
        async with await UNIXSocketStream.from_socket(connection) as stream:
            try:
                with anyio.fail_after(REQUEST_S):
                    request, payload = await _receive(stream)
                async with anyio.create_task_group() as group:
                    group.start_soon(_until_gone, stream, group)
                    reply = await self._answer(request, payload, stream)
                    said = {**reply.said, "done": True, "sizes": [len(each) for each in reply.contents]}
                    await _send(stream, said, *reply.contents)
                    group.cancel_scope.cancel()
            except (TimeoutError, ValueError, *GONE):
                return  # It is no request, or nobody waits for the answer.

    async def _answer(self, request: Mapping[str, Any], payload: bytes, stream: UNIXSocketStream) -> Reply:
        service = self.services.get(str(request.get("service")))
        if service is None:
            return Reply({"ok": False, "error": f"This machine has no service {request.get('service')!r}."})
        try:
            return await service(request, payload, partial(_send, stream))
        except WorkhandError as error:
            return Reply({"ok": False, "error": str(error)})


async def _until_gone(stream: UNIXSocketStream, group: TaskGroup) -> None:
    try:
        while await stream.receive():
            pass
    except GONE:
        group.cancel_scope.cancel()


async def _receive(stream: UNIXSocketStream) -> tuple[Mapping[str, Any], bytes]:
    """Read a request.  Raises ``ValueError`` for what is none."""
    reader = BufferedByteReceiveStream(stream)
    header_bytes, payload_bytes = LENGTHS.unpack(await reader.receive_exactly(LENGTHS.size))
    if header_bytes > HEADER_BYTES_MAX or payload_bytes > PAYLOAD_BYTES_MAX:
        raise ValueError("The request is longer than any may be.")
    request = json.loads(await reader.receive_exactly(header_bytes))
    if not isinstance(request, dict):
        raise ValueError("The request is no object.")
    return request, await reader.receive_exactly(payload_bytes)


async def _send(stream: UNIXSocketStream, said: Mapping[str, Any], *contents: bytes) -> None:
    text = json.dumps(said).encode()
    await stream.send(LENGTHS.pack(len(text), sum(map(len, contents))) + text)
    for content in contents:
        await stream.send(content)
