"""Workhand as an MCP server: other agents start sessions, follow them, answer their questions and take the results.

What sessions are is behind ``Sessions``; here they are only offered.  Standard output belongs to the protocol.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote

from workhand.errors import WorkhandError

if TYPE_CHECKING:
    import mcp_types as wire
    from mcp.server.mcpserver import MCPServer

FILES_BYTES_MAX = 16_000_000
INSTRUCTIONS = (
    "Workhand is an agent that works on a task by itself, in a machine of its own. Start a task, follow it until its "
    "status is 'ended', and fetch the result. While its status is 'waiting' it has asked something: answer it."
)


@dataclass(frozen=True, slots=True)
class Followed:
    """What a session has said since."""

    lines: tuple[str, ...]
    after: int  # give this the next time
    status: Literal["working", "waiting", "ended"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file that a session delivered."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class Sessions(Protocol):
    """What is offered.  A ``WorkhandError`` is told to the caller."""

    async def start(self, task: str) -> str:
        """Start a session, and give its id at once."""
        ...

    async def follow(self, id: str, after: int) -> Followed:
        """Give what came after a position; wait for something to come, some seconds at most."""
        ...

    async def answer(self, id: str, text: str) -> None:
        """Answer what a session has asked, or tell it more."""
        ...

    async def result(self, id: str) -> tuple[str, tuple[Delivered, ...]]:
        """Give what a session delivered: its words and its files."""
        ...


async def serve(sessions: Sessions) -> None:
    """Offer sessions on standard input and output until the input ends."""
    await offered(sessions).run_stdio_async()


def offered(sessions: Sessions) -> MCPServer:
    """Give the server that offers sessions."""
    from mcp.server.mcpserver import MCPServer
    from mcp_types import TextContent

    server = MCPServer("workhand", instructions=INSTRUCTIONS, log_level="ERROR")

    async def start(task: str) -> str:
        """Start working on a task; gives the id of the session."""
        with _told():
            return await sessions.start(task)

    async def follow(id: str, after: int = 0) -> dict[str, Any]:
        """Give the lines that a session has said after a position (0: from the beginning), the position to give the
        next time, and the status: working, waiting (for an answer) or ended."""
        with _told():
            return asdict(await sessions.follow(id, after))

    async def answer(id: str, text: str) -> str:
        """Answer what a session has asked, or tell it more."""
        with _told():
            await sessions.answer(id, text)
        return "The session has your answer."

    async def result(id: str) -> list[Any]:
        """Give what a session has delivered: its words, and its files."""
        with _told():
            text, files = await sessions.result(id)
        return [TextContent(text=text), *_files(id, files)]

    for tool in (start, follow, answer):
        server.add_tool(tool)
    server.add_tool(result, structured_output=False)
    return server


def _files(id: str, files: tuple[Delivered, ...]) -> Iterator[wire.ContentBlock]:
    """Give the files as far as they fit, and say which do not."""
    from mcp_types import BlobResourceContents, EmbeddedResource, ImageContent, TextContent

    left = FILES_BYTES_MAX
    for file in files:
        if len(file.content) > left:
            yield TextContent(text=f"{file.name} has {len(file.content):,} bytes and was left out.")
            continue
        left -= len(file.content)
        data = base64.b64encode(file.content).decode()
        if file.media_type.startswith("image/"):
            yield ImageContent(data=data, mime_type=file.media_type)
        else:
            uri = f"workhand://{id}/{quote(file.name)}"
            yield EmbeddedResource(resource=BlobResourceContents(uri=uri, blob=data, mime_type=file.media_type))


@contextmanager
def _told() -> Iterator[None]:
    """Let the caller read what was wrong; the library keeps every other error to itself."""
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        yield
    except WorkhandError as error:
        raise ToolError(str(error)) from error
