"""A person gets a terminal in an open machine, and what it showed is known afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from tests.sandbox.conftest import Opener
from workhand.sandbox import attach
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import Kind

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def visited(sandbox: DaemonSandbox, path: Path) -> AsyncIterator[tuple[SocketStream, list[bytes]]]:
    """Visit a machine; the list gets what each terminal had shown when its visitor left."""
    shown_before: list[bytes] = []

    @asynccontextmanager
    async def attended(shown: bytearray) -> AsyncIterator[None]:
        try:
            yield
        finally:
            shown_before.append(bytes(shown))

    async with attach.reception(path, lambda: sandbox.doorway, attended), await anyio.connect_unix(path) as visitor:
        yield visitor, shown_before


async def rest(visitor: SocketStream) -> bytes:
    """Read until the terminal is gone."""
    found = b""
    try:
        while True:
            found += await visitor.receive()
    except anyio.EndOfStream:
        return found


async def test_a_visitor_has_a_terminal_of_their_size_where_the_agent_works(
    sandbox: DaemonSandbox, kind: Kind, tmp_path: Path
) -> None:
    await sandbox.write("made-by-the-agent", b"")
    async with visited(sandbox, tmp_path / "socket") as (visitor, shown):
        await visitor.send(attach.frame(attach.SIZED, attach.SIZE.pack(40, 100)))
        await visitor.send(attach.frame(attach.TYPED, b"stty size; ls; test -t 0 && echo a $TERM; exit\n"))
        seen = await rest(visitor)
    assert b"40 100\r\nmade-by-the-agent\r\na xterm-256color\r\n" in seen
    assert shown == [seen]
    assert await sandbox.status("made-by-the-agent") is not None  # the machine is as it was


async def test_what_is_typed_before_the_shell_is_ready_is_not_lost(sandbox: DaemonSandbox, tmp_path: Path) -> None:
    async with visited(sandbox, tmp_path / "socket") as (visitor, _):
        await visitor.send(attach.frame(attach.TYPED, b"echo $((6*7))\nexit\n"))
        assert b"42\r\n" in await rest(visitor)


async def test_a_visitor_who_breaks_the_rules_is_shown_out(sandbox: DaemonSandbox, tmp_path: Path) -> None:
    async with visited(sandbox, tmp_path / "socket") as (visitor, shown):
        await visitor.send(attach.FRAME.pack(attach.TYPED, attach.FRAME_BYTES_MAX + 1))
        await rest(visitor)
    assert len(shown) == 1


async def test_two_visitors_have_terminals_of_their_own(sandbox: DaemonSandbox, tmp_path: Path) -> None:
    async with visited(sandbox, tmp_path / "one") as (one, _), visited(sandbox, tmp_path / "two") as (two, _):
        for visitor, name in ((one, b"one"), (two, b"two")):
            await visitor.send(attach.frame(attach.TYPED, b"X=" + name + b"; echo 'is:'$X; exit\n"))
        assert b"is:one" in await rest(one)
        assert b"is:two" in await rest(two)


async def test_a_machine_that_is_closed_shows_its_visitors_out(opener: Opener, tmp_path: Path) -> None:
    sandbox = await opener("unsafe")
    async with visited(sandbox, tmp_path / "socket") as (visitor, shown):
        await visitor.receive()
        await sandbox.close()
        await rest(visitor)
    assert len(shown) == 1
    assert (tmp_path / "socket").exists() is False


async def test_only_the_own_user_may_enter(sandbox: DaemonSandbox, tmp_path: Path) -> None:
    async with visited(sandbox, tmp_path / "socket"):
        assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600
