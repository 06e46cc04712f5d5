"""What programs in a machine ask the host for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from workhand.cli.settings import Settings
from workhand.core.events import Event, Published
from workhand.errors import ConfigError, Denied

if TYPE_CHECKING:
    from workhand.cli.session.surroundings import Surroundings
    from workhand.core.policy import Guard
    from workhand.guard.gatekeeper import Keeper
    from workhand.mcp.gateway import Progress, Watch
    from workhand.mcp.service import Answer
    from workhand.sandbox.doorway import Doorway
    from workhand.sandbox.publishing import Publishing
    from workhand.sandbox.spec import Door
    from workhand.tools.errands import Reply, Service, Tell

PROGRESS_MAX = 64  # that wait to be told
ADDRESS_BYTES = 16  # of chance in an address
WHAT_CHARS_MAX = 200


@asynccontextmanager
async def door(
    settings: Settings,
    guard: Guard,
    around: Surroundings,
    doorway: Callable[[], Doorway | None],
    tell: Callable[[Event], Awaitable[None]],
) -> AsyncIterator[Mapping[int, Door]]:
    """Give the door behind which the host does what programs ask for.  ``tell`` is told what the log must say of it."""
    from workhand.cli.session import asking, datasets
    from workhand.sandbox.publishing import Publishing
    from workhand.sandbox.spec import HOST_PORT
    from workhand.tools.errands import Errands

    async with servers(settings, guard, around) as mcp, anyio.create_task_group() as group:
        publishing = Publishing(group, doorway, partial(secrets.token_hex, ADDRESS_BYTES))
        services: dict[str, Service] = {"mcp": mcp, "publish": partial(publish, publishing, tell)}
        services["data"] = partial(asking.answer, asking.Asked(settings, datasets.of(settings, guard), around.keeper))
        yield {HOST_PORT: Errands(group, services).door}
        group.cancel_scope.cancel()


@asynccontextmanager
async def servers(settings: Settings, guard: Guard, around: Surroundings) -> AsyncIterator[Service]:
    """Give what asks the MCP servers that are set up."""
    from workhand.cli.session.boxes import Boxes, file_of, host_of
    from workhand.mcp import config
    from workhand.mcp.connection import Host
    from workhand.mcp.gateway import gateway
    from workhand.mcp.service import answer
    from workhand.tools.errands import Reply

    stated = config.load(file_of(settings))
    if not stated:
        yield _no_servers
        return
    host: Host = host_of(settings, Boxes(settings, guard, around))
    async with gateway(stated, host) as reached:

        async def call(request: Mapping[str, Any], payload: bytes, tell: Tell) -> Reply:
            if request.get("op") == "call":
                _check(around.keeper, str(request.get("server")), str(request.get("tool")))
            said = await _followed(partial(answer, reached, request), tell)
            return Reply(said.reply, said.attachments)

        yield call


async def _no_servers(request: Mapping[str, Any], payload: bytes, tell: Tell) -> Reply:
    raise ConfigError("No MCP server is set up; the user can add one with `workhand mcp add`.")


async def publish(
    publishing: Publishing, record: Callable[[Event], Awaitable[None]], request: Mapping[str, Any], _: bytes, tell: Tell
) -> Reply:
    """Show a port of the machine to the person, or no longer, or list those that are shown."""
    from workhand.tools.errands import Reply

    operation, port, what = request.get("op"), request.get("port", 0), str(request.get("what", ""))[:WHAT_CHARS_MAX]
    if operation == "open" and isinstance(port, int):
        shown, new = await publishing.open(port, what)
        if new:
            await record(Published(port, shown.address, what))
    elif operation == "close" and isinstance(port, int):
        publishing.close(port)
        await record(Published(port, ""))
    elif operation != "list":
        raise ConfigError(f"Nothing can be published by {operation!r}; ask to open, close or list.")
    listed = [{"port": each.port, "address": each.address, "what": each.what} for each in publishing.shown.values()]
    return Reply({"ok": True, "published": listed})


def _check(keeper: Keeper | None, server: str, tool: str) -> None:
    """Ask the rules about a tool of a server, as ``mcp:SERVER/TOOL``.  Raises ``Denied``."""
    if keeper is None:
        return
    ruling = keeper.use(f"mcp:{server}/{tool}", f"a call of {tool}")
    if not ruling.allowed:
        raise Denied(f"Refused by rule {ruling.rule!r}: {ruling.reason}")


async def _followed(ask: Callable[[Watch], Awaitable[Answer]], tell: Tell) -> Answer:
    """Wait for an answer, and tell meanwhile how far it has come; what comes faster than it can be told is left out."""
    come, news = anyio.create_memory_object_stream["Progress"](PROGRESS_MAX)

    def heard(progress: Progress) -> None:
        with suppress(anyio.WouldBlock):
            come.send_nowait(progress)

    async def pass_on() -> None:
        async for each in news:
            await tell({"progress": each.done, "total": each.total, "message": each.message})

    async with news, anyio.create_task_group() as group:
        group.start_soon(pass_on)
        async with come:
            said = await ask(heard)
    return said
