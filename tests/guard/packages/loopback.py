"""An index on the loopback that answers what a test says, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream

from workhand.guard.packages.pages import HTML_TYPE


@dataclass
class Loopback:
    port: int
    answers: dict[str, bytes] = field(default_factory=dict)  # by path; an empty one is silence
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, and the head of the request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/python"

    async def answer(self, stream: SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            path = head.split()[1].decode()
            self.asked.append((path, head.decode().lower()))
            answer = self.answers.get(path, response(b"no", status=404))
            if not answer:
                await anyio.sleep_forever()
            await stream.send(answer)


def response(content: bytes, *, status: int = 200, kind: str = HTML_TYPE, location: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n"
    return (head + (f"Location: {location}\r\n" if location else "") + "\r\n").encode() + content


@asynccontextmanager
async def loopback() -> AsyncIterator[Loopback]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        index = Loopback(listener.extra(SocketAttribute.local_port))
        group.start_soon(listener.serve, index.answer)
        yield index
        group.cancel_scope.cancel()
