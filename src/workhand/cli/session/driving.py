"""A person drives a session's browser: the process that has the session serves the page, this one asks it to.

They talk over a socket that only their own user can open, in lines of JSON: for how long; where the page is; how it
ended.  The visit lasts no longer than the connection, so Ctrl-C ends it as well as the button does.
"""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from workhand.cli.session import place as places
from workhand.cli.session.attach import attended
from workhand.cli.settings import Settings
from workhand.core import canonical, routing
from workhand.core.log import Log
from workhand.errors import ConfigError, SandboxError, SandboxUnavailable
from workhand.sandbox.attach import OVER, listening
from workhand.sandbox.register import browser_of

if TYPE_CHECKING:
    from workhand.browser.session import MachineBrowser
    from workhand.store.sqlite import SqliteStore

LINE_BYTES_MAX = 4_096
FAILED = "The browser cannot be driven: "
NO_NETWORK = "Session {} has no network, and so no browser; `workhand run --network` gives a session one."


async def drive(settings: Settings, prefix: str, seconds: float) -> None:
    """Let the person drive the browser of a session, which is opened if the session is at rest."""
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        if await visit(browser_of(row.id), seconds):
            return
        place, log = places.find(settings, row.id), Log.of(await store.read(row.id))
        if routing.in_force(log, log.policy).guard.network.mode == "none":
            raise ConfigError(NO_NETWORK.format(row.id))
        async with wiring.open_toolbox(settings, store, row.id, place, log):
            if not await visit(browser_of(row.id), seconds):
                raise ConfigError(NO_NETWORK.format(row.id))
        wiring.note(f"The browser is closed, its logins are kept; `workhand resume {row.id}` goes on.")


@asynccontextmanager
async def drivers(store: SqliteStore, session: str, browser: MachineBrowser | None) -> AsyncIterator[None]:
    """Let people drive the browser of a session, and have the log say so."""
    if browser is None:
        yield
        return
    async with listening(browser_of(session), partial(_receive, store, session, browser)):
        yield


async def _receive(store: SqliteStore, session: str, browser: MachineBrowser, visitor: SocketStream) -> None:
    """Serve one visitor until they have given the browser back, or are gone."""
    from workhand.browser.taking import take

    async with visitor:
        with suppress(*OVER):
            lines = BufferedByteReceiveStream(visitor)
            seconds = (await _read(lines))["seconds"]

            async def gone() -> None:
                with suppress(*OVER):
                    await visitor.receive(1)
                group.cancel_scope.cancel()

            async with attended(store, session, bytearray(), where="browser"), anyio.create_task_group() as group:
                group.start_soon(gone)
                try:
                    told = await take(browser, partial(_announce, visitor), seconds_max=float(str(seconds)))
                    await _write(visitor, {"ended": told})
                except SandboxError as error:
                    await _write(visitor, {"failed": f"{FAILED}{error}"})
                group.cancel_scope.cancel()


async def _announce(visitor: SocketStream, url: str) -> None:
    await _write(visitor, {"url": url})


async def visit(path: Path, seconds: float) -> bool:
    """Ask who has the browser to let the person drive, and say where; give false if nobody is there to ask."""
    from workhand.cli.session import wiring

    try:
        stream = await anyio.connect_unix(path)
    except OSError:
        return False
    wiring.note("The browser is yours once the agent has done what it is at.")
    async with stream, anyio.create_task_group() as group:
        await group.start(_leave_when_told, stream)
        try:
            await _write(stream, {"seconds": seconds})
            how = await _heard(BufferedByteReceiveStream(stream))
        except OVER:  # It was told to, or the session has ended.
            how = "its page is closed"
        group.cancel_scope.cancel()
    if how.startswith(FAILED):
        raise SandboxUnavailable(how)
    wiring.note(f"You have left the browser: {how}.")
    return True


async def _heard(lines: BufferedByteReceiveStream) -> str:
    """Tell the person where the page is; give how it ended."""
    from workhand.cli.session import wiring

    while True:
        match await _read(lines):
            case {"url": url}:
                print(url, flush=True)
                wiring.note("Open this address in your own browser. `Give back` there, or Ctrl-C here, gives it back.")
            case {"ended": how} | {"failed": how}:
                return str(how)


async def _leave_when_told(stream: SocketStream, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Say with Ctrl-C that nothing more will be said: the other side then ends the visit."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            await stream.send_eof()


async def _read(lines: BufferedByteReceiveStream) -> Mapping[str, object]:
    found = json.loads(await lines.receive_until(b"\n", LINE_BYTES_MAX))
    assert isinstance(found, dict)
    return found


async def _write(stream: SocketStream, said: Mapping[str, object]) -> None:
    await stream.send(canonical.encode(said) + b"\n")
