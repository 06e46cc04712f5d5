"""Many MCP servers behind one door: what they offer, and calls to them, as plain values.

Servers come and go and are asked anew each time, so that what is listed is what there is.  Every method raises
``ConfigError`` for a server that is not known or cannot be used as it is stated, and ``ServerFailed`` for one that
gives no usable answer.  What a tool itself calls a failure is a result that is not ``ok``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from workhand.errors import ConfigError
from workhand.mcp import content
from workhand.mcp.config import Server
from workhand.mcp.connection import Connection, Host, State
from workhand.mcp.content import Prompt, Resource, Result, Tool

if TYPE_CHECKING:
    import mcp
    from mcp.shared.dispatcher import ProgressFnT

LIST_S = 60.0
READ_S = 120.0
LISTED_MAX = 10_000
PAGES_MAX = 50


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come, in the server's own units."""

    done: float
    total: float | None
    message: str


Watch: TypeAlias = Callable[[Progress], None]


@asynccontextmanager
async def gateway(servers: tuple[Server, ...], host: Host) -> AsyncIterator[Gateway]:
    """Open a gateway; servers start when they are first used, and are gone when the context is left."""
    async with anyio.create_task_group() as group:
        opened = Gateway({server.name: Connection(server, host, group) for server in servers})
        yield opened
        group.cancel_scope.deadline = anyio.current_time() + host.limits.close_s
        await opened.close()
        group.cancel_scope.cancel()


class Gateway:
    """Servers by name.  Any number of tasks may call at once."""

    def __init__(self, connections: Mapping[str, Connection]) -> None:
        self._connections = connections

    def servers(self) -> tuple[State, ...]:
        return tuple(connection.state() for connection in self._connections.values())

    async def tools(self, server: str) -> tuple[Tool, ...]:
        async def listed(client: mcp.Client) -> tuple[Tool, ...]:
            found = await _pages(client.list_tools, "tools", client.server_capabilities.tools)
            return tuple(map(content.tool, found))

        return await self._of(server).ask("the list of its tools", listed, timeout_s=LIST_S)

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: float,
        progress: Watch | None = None,
    ) -> Result:
        async def called(client: mcp.Client) -> Result:
            answer = await client.call_tool(tool, dict(arguments), progress_callback=_told(progress))
            return content.called(answer, bytes_max=self._of(server).result_bytes_max)

        return await self._of(server).ask(f"the call of {tool!r}", called, timeout_s=timeout_s)

    async def resources(self, server: str) -> tuple[Resource, ...]:
        """List what can be read, and then the templates of what can be."""

        async def listed(client: mcp.Client) -> tuple[Resource, ...]:
            stated = client.server_capabilities.resources
            found = await _pages(client.list_resources, "resources", stated)
            templates = await _pages(client.list_resource_templates, "resource_templates", stated)
            return tuple(map(content.resource, (*found, *templates)))

        return await self._of(server).ask("the list of its resources", listed, timeout_s=LIST_S)

    async def read(self, server: str, uri: str) -> Result:
        async def read(client: mcp.Client) -> Result:
            answer = await client.read_resource(uri)
            return content.contents(answer, bytes_max=self._of(server).result_bytes_max)

        return await self._of(server).ask(f"the resource {uri!r}", read, timeout_s=READ_S)

    async def prompts(self, server: str) -> tuple[Prompt, ...]:
        async def listed(client: mcp.Client) -> tuple[Prompt, ...]:
            found = await _pages(client.list_prompts, "prompts", client.server_capabilities.prompts)
            return tuple(map(content.prompt, found))

        return await self._of(server).ask("the list of its prompts", listed, timeout_s=LIST_S)

    async def prompt(self, server: str, name: str, arguments: Mapping[str, str]) -> Result:
        async def got(client: mcp.Client) -> Result:
            answer = await client.get_prompt(name, dict(arguments))
            return content.messages(answer, bytes_max=self._of(server).result_bytes_max)

        return await self._of(server).ask(f"the prompt {name!r}", got, timeout_s=READ_S)

    async def close(self) -> None:
        """Stop all servers at once."""
        async with anyio.create_task_group() as group:
            for connection in self._connections.values():
                group.start_soon(connection.close)

    def _of(self, server: str) -> Connection:
        if server not in self._connections:
            known = ", ".join(map(repr, self._connections)) or "none; add one with `workhand mcp add`"
            raise ConfigError(f"There is no MCP server {server!r}; there are {known}.")
        return self._connections[server]


async def _pages(page: Callable[..., Awaitable[Any]], name: str, stated: object) -> list[Any]:
    """Turn the pages of a list, as far as a list may go; there are none if the server does not have what is listed."""
    import mcp
    from mcp_types import METHOD_NOT_FOUND

    found: list[Any] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX if stated is not None else 0):
        try:
            answer = await page(cursor=cursor)
        except mcp.MCPError as error:
            if error.code != METHOD_NOT_FOUND:  # as of a server that has resources, and no templates of them
                raise
            break
        found += getattr(answer, name)
        cursor = answer.next_cursor
        if cursor is None or len(found) >= LISTED_MAX:
            break
    return found[:LISTED_MAX]


def _told(watch: Watch | None) -> ProgressFnT | None:
    if watch is None:
        return None

    async def told(progress: float, total: float | None, message: str | None) -> None:
        watch(Progress(progress, total, message or ""))

    return told
