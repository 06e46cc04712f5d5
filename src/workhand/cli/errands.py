"""What programs in a machine ask the host for, and the programs that Workhand brings into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

import workhand.utilities
from workhand.cli.settings import Settings
from workhand.errors import Denied
from workhand.utilities.commands import COMMANDS, LIST

if TYPE_CHECKING:
    from workhand.guard.gatekeeper import Keeper
    from workhand.sandbox.spec import Door
    from workhand.tools.errands import Reply, Tell

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
            said = await answer(reached, request)
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
