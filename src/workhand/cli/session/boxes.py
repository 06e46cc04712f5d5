"""Machines of MCP servers: a local server runs in one of its own, unless it is stated to run on this computer.

The machine has the server's program, read-only, and what is stated for it besides; a home that is empty at each start;
the variables that are stated and no others; and a way to the hosts that are stated, through the same proxy and under
the same rules as the session's.  A secret that may be sent to one of those is only a placeholder inside.  Where no
machine can be opened the server does not run.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream

from workhand.cli.settings import Settings
from workhand.core.policy import Guard, Isolation
from workhand.errors import ConfigError, SandboxLost, SandboxUnavailable

if TYPE_CHECKING:
    from workhand.cli.session.surroundings import Surroundings
    from workhand.guard.gatekeeper import Keeper
    from workhand.mcp.config import Box, Local
    from workhand.mcp.connection import Host
    from workhand.mcp.running import Running
    from workhand.sandbox.client import DaemonSandbox
    from workhand.sandbox.piped import Piped
    from workhand.sandbox.spec import Lent, MachineSpec

GONE_S = 3.0
ON_THIS_COMPUTER = "on this computer, as you"


@dataclass(slots=True)
class Boxes:
    """Starts the local servers of one session.  What their machines reach is told with what the session's does."""

    settings: Settings
    guard: Guard
    session: Surroundings | None = None
    keepers: dict[str, Keeper] = field(default_factory=dict)  # by server, for all of its starts

    def start(self, server: Local) -> AbstractAsyncContextManager[Running]:
        from workhand.mcp.running import on_this_computer

        return on_this_computer(server) if server.box is None else self._boxed(server, server.box)

    @asynccontextmanager
    async def _boxed(self, server: Local, box: Box) -> AsyncIterator[Running]:
        from workhand.cli.session.surroundings import guarded
        from workhand.mcp.installed import check_shown, installed
        from workhand.mcp.running import SIGNAL_GRACE_S, STDIN_GRACE_S
        from workhand.sandbox.bubblewrap import PATH

        program = await anyio.to_thread.run_sync(installed, server)
        lent = _lent(self.settings, server, box, program.places)
        check_shown(server, tuple(each.path for each in lent))
        guard, keeper = self._kept(server, box)
        with tempfile.TemporaryDirectory(prefix="workhand-", ignore_cleanup_errors=True) as home:
            async with guarded(self.settings, guard, keeper=keeper) as around:
                spec = self._spec(server, Path(home), lent)
                search = ":".join([*map(str, program.search), PATH])
                variables = {"PATH": search, **server.environment}
                argv = tuple(_disguised(each, keeper) for each in program.argv)
                environment = {name: _disguised(value, keeper) for name, value in variables.items()}
                async with (
                    await _open(server, guard.isolation, replace(around.fitted(spec), environment={})) as machine,
                    await machine.start(argv, environment=environment, directory=server.directory or "") as piped,
                ):
                    yield BoxedProgram(machine, piped, (STDIN_GRACE_S, SIGNAL_GRACE_S))

    def _kept(self, server: Local, box: Box) -> tuple[Guard, Keeper]:
        """Give the guard of a server, and its gatekeeper: the session's rules, the server's own hosts."""
        from workhand.cli.session.guarding import network_from
        from workhand.cli.session.surroundings import keeper_of

        least: Isolation = "namespace" if self.guard.isolation == "none" else self.guard.isolation
        guard = replace(self.guard, isolation=least, network=network_from(box.network))
        if server.name not in self.keepers:
            self.keepers[server.name] = keeper_of(self.settings, guard, fixed=True)
            if self.session is not None:
                self.session.others.append(self.keepers[server.name])
        return guard, self.keepers[server.name]

    def _spec(self, server: Local, home: Path, lent: tuple[Lent, ...]) -> MachineSpec:
        from workhand.sandbox.spec import MachineSpec

        return MachineSpec(
            session="mcp-" + re.sub(r"[^A-Za-z0-9_.-]", "-", server.name),
            workspace=home,
            owned=True,
            limits=self.settings.machine,
            cache=self.settings.cache,
            lent=lent,
        )


async def _open(server: Local, least: Isolation, spec: MachineSpec) -> DaemonSandbox:
    """Open a machine on this host, where the server's program is.  Raises ``SandboxUnavailable`` with the remedy."""
    from workhand.sandbox.tiers import open_machine

    try:
        return await open_machine(least, spec)
    except SandboxUnavailable as error:
        raise SandboxUnavailable(
            f"{error} Without a machine it does not run, unless `workhand mcp add {server.name} --no-sandbox` says so."
        ) from error


def _lent(settings: Settings, server: Local, box: Box, places: tuple[Path, ...]) -> tuple[Lent, ...]:
    """Give what a server's machine shows of this computer, what is within something else last."""
    from workhand.sandbox.spec import Lent

    writable = {
        path: path in _paths(server, box.write) for path in (*places, *_paths(server, (*box.files, *box.write)))
    }
    for path in writable:
        if settings.home.is_relative_to(path.resolve()) or path.resolve().is_relative_to(settings.home):
            raise ConfigError(
                f"The MCP server {server.name!r} cannot be shown {str(path)!r}: Workhand's own files are in it."
            )
    return tuple(Lent(path, writable[path]) for path in sorted(writable))


def _paths(server: Local, stated: tuple[str, ...]) -> Iterator[Path]:
    for each in stated:
        path = Path(each).expanduser()
        if not path.is_absolute() or not path.exists() or path == Path("/"):
            raise ConfigError(
                f"The MCP server {server.name!r} cannot be shown {each!r}; state what is there, by its whole path."
            )
        yield Path(os.path.normpath(path))


def _disguised(text: str, keeper: Keeper) -> str:
    """Put placeholders for the secrets that the proxy fills in again on the way to their hosts."""
    for each in keeper.held:
        text = text.replace(each.value.decode("utf-8", "surrogateescape"), each.secret.placeholder)
    return text


@dataclass(slots=True)
class BoxedProgram:
    """A server in its machine."""

    machine: DaemonSandbox
    piped: Piped
    graces_s: tuple[float, float]  # for the end of its input, and for a signal
    exit_code: int | None = None

    @property
    def stdin(self) -> ByteSendStream:
        return self.piped.stdin

    @property
    def stdout(self) -> ByteReceiveStream:
        return self.piped.stdout

    @property
    def stderr(self) -> ByteReceiveStream:
        return self.piped.stderr

    @property
    def pid(self) -> int:
        return self.machine.pid

    @property
    def fault(self) -> str:
        return "; ".join(self.machine.hits())

    async def end(self) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await self.piped.stdin.aclose()
        try:
            if not await self._ended_within(self.graces_s[0]):
                await self.piped.signal(signal.SIGTERM)
                if not await self._ended_within(self.graces_s[1]):
                    await self.piped.signal(signal.SIGKILL)
                    await self._ended_within(self.graces_s[1])
        except SandboxLost:
            with anyio.move_on_after(GONE_S):
                self.exit_code = await self.machine.gone()

    async def _ended_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds) as scope:
            self.exit_code = await self.piped.wait()
        return not scope.cancelled_caught


def where(server: Local) -> str:
    """Say in a line where a server runs, and what it is given there."""
    if server.box is None:
        return ON_THIS_COMPUTER
    given: Mapping[str, tuple[str, ...]] = {"reads": server.box.files, "writes": server.box.write}
    said = [f"network {server.box.network}", *(f"{what} {', '.join(each)}" for what, each in given.items() if each)]
    return f"in a machine of its own; {'; '.join(said)}"


def file_of(settings: Settings) -> Path:
    """Say where the servers are stated."""
    return settings.home / "mcp.json"


def host_of(settings: Settings, boxes: Boxes) -> Host:
    """Give what servers get of this computer: values for placeholders, machines, and tokens of sign-ins."""
    from workhand.cli.session.sign_in import REDIRECT_URL, SealedTokens
    from workhand.cli.session.surroundings import readable
    from workhand.mcp.connection import Host
    from workhand.mcp.web import OAuth

    held = {each.secret.name: each.value.decode() for each in readable(settings)}
    return Host(values=os.environ | held, start=boxes.start, oauth=OAuth(SealedTokens(settings), REDIRECT_URL))
