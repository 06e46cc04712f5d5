"""What programs in a machine ask the host for, and the programs that Workhand brings into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

import workhand.utilities
from workhand.cli.settings import Settings
from workhand.errors import Denied
from workhand.utilities.commands import COMMANDS, LIST

if TYPE_CHECKING:
    from workhand.guard.gatekeeper import Keeper
    from workhand.mcp.gateway import Progress, Watch
    from workhand.mcp.service import Answer
    from workhand.sandbox.spec import Door
    from workhand.tools.errands import Reply, Tell

PROGRESS_MAX = 64  # that wait to be told
INSIDE = "/opt/workhand/utilities"
SHOWN = {INSIDE: Path(workhand.utilities.__file__).parent}
LINKS = {f"/opt/workhand/bin/{name}": f"{INSIDE}/launch.py" for name in (LIST, *COMMANDS)}


@asynccontextmanager
async def door(settings: Settings, keeper: Keeper | None) -> AsyncIterator[Mapping[int, Door]]:
    """Give the door behind which the host does what programs ask for; none where nothing is set up."""
    from workhand.cli import mcp
    from workhand.mcp import config
    from workhand.mcp.connection import Host
    from workhand.mcp.gateway import gateway
    from workhand.mcp.service import answer
    from workhand.sandbox.spec import HOST_PORT
    from workhand.tools.errands import Errands, Reply

    servers = config.load(settings.home / mcp.FILE)
    if not servers:
        yield {}
        return
    around: Host = mcp.host(settings)
    async with gateway(servers, around) as reached, anyio.create_task_group() as group:

        async def call(request: Mapping[str, Any], payload: bytes, tell: Tell) -> Reply:
            if request.get("op") == "call":
                _check(keeper, str(request.get("server")), str(request.get("tool")))
            said = await _followed(partial(answer, reached, request), tell)
            return Reply(said.reply, said.attachments)

        yield {HOST_PORT: Errands(group, {"mcp": call}).door}
        group.cancel_scope.cancel()


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
