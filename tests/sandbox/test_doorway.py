"""Connections come out of a machine at its door, whole, in both directions, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from workhand.core.ports import Executed
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.doorway import Doorway
from workhand.sandbox.inside.tunnel import TUNNELS_MAX, WINDOW_BYTES
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import HOST_PORT, NETWORK_PORT, Door, MachineSpec

pytestmark = pytest.mark.anyio

CONNECT = f"import socket, sys, threading; s = socket.create_connection(('127.0.0.1', {NETWORK_PORT}))\n"
ECHO = CONNECT + (
    "sent = bytes(range(256)) * 40_000\n"
    "threading.Thread(target=lambda: (s.sendall(sent), s.shutdown(1))).start()\n"
    "print(b''.join(iter(lambda: s.recv(1 << 16), b'')) == sent)"
)
MANY = CONNECT + (
    f"all = [s] + [socket.create_connection(('127.0.0.1', {NETWORK_PORT})) for _ in range({TUNNELS_MAX})]\n"
    "answers = []\n"
    "for each in all:\n"
    "    each.settimeout(20)\n"
    "    try:\n"
    "        each.sendall(b'x')\n"
    "        answers.append(each.recv(1))\n"
    "    except OSError:\n"
    "        answers.append(b'')\n"
    "print(answers.count(b'x'), answers.count(b''))"
)
LISTEN = (
    "import os, socket, threading; l = socket.create_server(('127.0.0.1', 0)); print(l.getsockname()[1], flush=True)\n"
)
SAYS_BACK = LISTEN + ("s, _ = l.accept()\nwhile said := s.recv(1 << 16): s.sendall(said)\ns.close()")
FULL = LISTEN.replace("0))", "0), backlog=0)") + "threading.Event().wait()"
HELD = CONNECT + "s.sendall(b'x'); s.recv(1); print('open', flush=True); s.recv(1)"


class Outside:
    """A door behind which everything is said back, and what was opened at it."""

    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self.group = group
        self.opened: list[socket.socket] = []

    def __call__(self, connection: socket.socket) -> None:
        self.opened.append(connection)
        self.group.start_soon(self.echo, connection)

    async def echo(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        with connection:
            while content := await loop.sock_recv(connection, 1 << 16):
                await loop.sock_sendall(connection, content)


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with anyio.create_task_group() as group:
        yield Outside(group)
        group.cancel_scope.cancel()


@pytest.fixture
async def machine(outside: Outside, tmp_path: Path, require_bubblewrap: None) -> AsyncIterator[DaemonSandbox]:
    spec = MachineSpec(
        session="door", workspace=tmp_path, owned=True, doors={NETWORK_PORT: outside}, environment={"KEY": "wh_1"}
    )
    async with await open_sandbox("bubblewrap", spec) as sandbox:
        yield sandbox


async def python(sandbox: DaemonSandbox, code: str) -> Executed:
    return await sandbox.execute(("python3", "-c", code), timeout_s=60, output_bytes_max=10_000)


async def test_ten_megabytes_come_back_as_they_were(machine: DaemonSandbox) -> None:
    assert (await python(machine, ECHO)).stdout == b"True\n"


async def test_as_many_connections_as_allowed_are_open_at_once(machine: DaemonSandbox, outside: Outside) -> None:
    assert (await python(machine, MANY)).stdout == f"{TUNNELS_MAX} 1\n".encode()
    assert len(outside.opened) == TUNNELS_MAX


async def test_connections_end_with_the_machine(machine: DaemonSandbox, outside: Outside) -> None:
    seen = asyncio.Event()
    async with anyio.create_task_group() as group:

        async def hold() -> None:
            with pytest.raises(Exception, match="gone"):
                await machine.execute(
                    ("python3", "-c", HELD), timeout_s=60, output_bytes_max=100, watch=lambda _: seen.set()
                )

        group.start_soon(hold)
        await seen.wait()
        await machine.close()
    with anyio.fail_after(10):
        while outside.opened[0].fileno() >= 0:
            await anyio.lowlevel.checkpoint()


async def test_programs_inside_find_the_door_and_their_environment(machine: DaemonSandbox) -> None:
    names = ["HTTP_PROXY", "https_proxy", "NO_PROXY", "KEY"]
    found = await python(machine, f"import os; print([os.environ[name] for name in {names}])")
    url = f"http://127.0.0.1:{NETWORK_PORT}"
    assert found.stdout.decode().strip() == str([url, url, "localhost,127.0.0.1,::1", "wh_1"])
    assert machine.capabilities.network == "guarded"


async def test_each_port_leads_to_its_own_door(tmp_path: Path, outside: Outside, require_bubblewrap: None) -> None:
    other: list[socket.socket] = []

    def refused(connection: socket.socket) -> None:
        other.append(connection)
        connection.close()

    doors: dict[int, Door] = {NETWORK_PORT: outside, HOST_PORT: refused}
    spec = MachineSpec(session="doors", workspace=tmp_path, owned=True, doors=doors)
    async with await open_sandbox("bubblewrap", spec) as machine:
        ask = "s.sendall(b'x'); s.shutdown(socket.SHUT_WR); print(s.recv(1))"
        assert (await python(machine, CONNECT + ask)).stdout == b"b'x'\n"
        elsewhere = CONNECT.replace(str(NETWORK_PORT), str(HOST_PORT)) + "print(s.recv(1))"
        assert (await python(machine, elsewhere)).stdout == b"b''\n"
    assert len(other) == 1


async def test_without_a_door_nothing_listens(tmp_path: Path, require_bubblewrap: None) -> None:
    async with await open_sandbox("bubblewrap", MachineSpec(session="shut", workspace=tmp_path, owned=True)) as sandbox:
        assert b"ConnectionRefusedError" in (await python(sandbox, CONNECT)).stderr
        assert sandbox.capabilities.network == "none"


@asynccontextmanager
async def listening(machine: DaemonSandbox, code: str) -> AsyncIterator[int]:
    """Have a program in the machine that listens, and says first on which port."""
    said: asyncio.Queue[str] = asyncio.Queue()

    async def serve() -> None:
        argv = ("python3", "-c", code)
        await machine.execute(argv, timeout_s=60, output_bytes_max=100, watch=lambda live: said.put_nowait(live.text))  # type: ignore[union-attr]

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        yield int(await said.get())
        group.cancel_scope.cancel()


async def test_ten_megabytes_go_in_and_come_back_as_they_were(machine: DaemonSandbox) -> None:
    sent = bytes(range(256)) * 40_000
    async with listening(machine, SAYS_BACK) as port:
        reader, writer = await asyncio.open_connection(sock=machine.doorway.connect(port))
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                writer.write(sent)
                writer.write_eof()
                group.start_soon(writer.drain)
                assert await reader.read(-1) == sent
        writer.close()


async def ends(connection: socket.socket) -> bool:
    """Wait until the other end has closed a connection, and say whether it did so without a word."""
    connection.setblocking(False)
    with connection, anyio.fail_after(20):
        return await asyncio.get_running_loop().sock_recv(connection, 100) == b""


async def test_where_nothing_listens_a_connection_inward_ends_at_once(machine: DaemonSandbox) -> None:
    assert await ends(machine.doorway.connect(9))
    assert (await python(machine, "print('there')")).stdout == b"there\n"


async def test_a_listener_that_takes_nobody_holds_nothing_else_up(machine: DaemonSandbox) -> None:
    async with listening(machine, FULL) as port:
        held = [machine.doorway.connect(port) for _ in range(8)]
        assert (await python(machine, "print('there')")).stdout == b"there\n"
        for each in held:
            each.close()


async def test_connections_inward_are_as_many_as_allowed_and_end_with_the_machine(machine: DaemonSandbox) -> None:
    async with listening(machine, FULL) as port:
        held = [machine.doorway.connect(port) for _ in range(TUNNELS_MAX)]
        assert await ends(machine.doorway.connect(port))
    await machine.close()
    assert [await ends(each) for each in held] == [True] * TUNNELS_MAX
    assert await ends(machine.doorway.connect(port))


def frame(event: str, *, tunnel: Any = 1, count: Any = 0) -> dict[str, Any]:
    return {"tunnel": tunnel, "event": event, "count": count}


class Alone:
    """A doorway without a machine: what it sends inside, and what is opened at its door."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.opened: list[socket.socket] = []
        self.doorway = Doorway({0: self.opened.append}, lambda header, payload: self.sent.append(header["event"]))


@pytest.fixture
async def alone() -> AsyncIterator[Alone]:
    made = Alone()
    yield made
    made.doorway.close()
    for connection in made.opened:
        connection.close()


@pytest.mark.parametrize(
    ("frames", "answers"),
    [
        ([(frame("open"), b""), (frame("open"), b"")], ["reset"]),
        ([(frame("open"), b""), (frame("taken", count=1), b"")], ["reset"]),
        ([(frame("open"), b""), (frame("taken", count=-1), b"")], ["reset"]),
        ([(frame("open"), b""), (frame("data"), b"x" * (WINDOW_BYTES + 1))], ["reset"]),
        ([(frame("open"), b""), (frame("no such"), b"")], ["reset"]),
        ([(frame("open"), b""), (frame("end"), b""), (frame("data"), b"x")], ["reset"]),
        ([(frame("open", tunnel=-1), b""), (frame("open", tunnel=0), b"")], ["reset", "reset"]),
        ([(frame("open", count=9), b"")], ["reset"]),  # where there is no door
        ([(frame("data"), b"x")], []),
        ([(frame("open", tunnel="1"), b""), (frame("open", count=None), b""), (frame("open", tunnel=None), b"")], []),
        ([({"tunnel": 1}, b""), ({"tunnel": 1, "event": ["open"], "count": 0}, b"")], []),
    ],
)
async def test_an_inside_that_breaks_the_rules_ends_its_own_connection_only(
    alone: Alone, frames: list[tuple[dict[str, Any], bytes]], answers: list[str]
) -> None:
    alone.doorway.take(frame("open", tunnel=7), b"")
    for header, payload in frames:
        alone.doorway.take(json.loads(json.dumps(header)), payload)
    alone.doorway.take(frame("data", tunnel=7), b"still there")
    assert [event for event in alone.sent if event not in ("taken", "data")] == answers
    assert alone.opened[0].recv(100) == b"still there"


async def test_more_connections_than_allowed_are_reset(alone: Alone) -> None:
    for number in range(1, TUNNELS_MAX + 3):
        alone.doorway.take(frame("open", tunnel=number), b"")
    assert (len(alone.opened), alone.sent) == (TUNNELS_MAX, ["reset", "reset"])


async def test_connections_that_the_door_still_has_count_though_the_inside_dropped_them(alone: Alone) -> None:
    for number in range(1, TUNNELS_MAX + 2):
        alone.doorway.take(frame("open", tunnel=number), b"")
        alone.doorway.take(frame("reset", tunnel=number), b"")
    assert (len(alone.opened), alone.sent) == (TUNNELS_MAX, ["reset"])
    alone.opened[0].close()
    alone.doorway.take(frame("open", tunnel=TUNNELS_MAX + 2), b"")
    assert len(alone.opened) == TUNNELS_MAX + 1
