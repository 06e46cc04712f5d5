"""A port of a machine is shown on the host's loopback, to whoever has its address and to nobody else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import anyio
import pytest

from workhand.errors import ConfigError
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.publishing import CONNECTIONS_MAX, HEAD_BYTES_MAX, OPENINGS_MAX, PORTS_MAX, Publishing, Shown
from workhand.sandbox.spec import HOST_PORT, NETWORK_PORT, PACKAGES_PORT, MachineSpec

pytestmark = pytest.mark.anyio

HELLO = "from http.server import *; s = HTTPServer(('127.0.0.1', 0), SimpleHTTPRequestHandler)\n"
SERVE = f'python3 -c "{HELLO}print(s.server_port, flush=True); s.serve_forever()" 2>/dev/null'
ECHO = (
    "python3 -c \"import socket; l = socket.create_server(('127.0.0.1', 0)); print(l.getsockname()[1], flush=True)\n"
    's, _ = l.accept()\nwhile said := s.recv(1 << 16): s.sendall(said)\ns.close()"'
)


@pytest.fixture
async def machine(tmp_path: Path, require_bubblewrap: None) -> AsyncIterator[DaemonSandbox]:
    (tmp_path / "index.html").write_text("<h1>Hello")
    async with await open_sandbox(
        "bubblewrap", MachineSpec(session="shown", workspace=tmp_path, owned=True)
    ) as sandbox:
        yield sandbox


@pytest.fixture
async def publishing(machine: DaemonSandbox) -> AsyncIterator[Publishing]:
    numbers = count(1)
    async with anyio.create_task_group() as group:
        yield Publishing(group, lambda: machine.doorway, lambda: f"name{next(numbers)}")
        group.cancel_scope.cancel()


async def listening(machine: DaemonSandbox, command: str) -> int:
    """Start a server in the machine that prints its port, and give that."""
    went = await machine.shell_run("server", command, timeout_s=0, output_bytes_max=1_000)
    seen = went.stdout
    while not seen.strip().isdigit():
        seen += (await machine.shell_view("server", wait_s=0, output_bytes_max=1_000)).stdout
    return int(seen)


async def said(shown: Shown, sent: bytes) -> bytes:
    """Send bytes to where a port is shown, and give all that comes back."""
    port = int(shown.address.rpartition(":")[2].rstrip("/"))
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        received = b""
        try:
            with anyio.fail_after(60):
                await stream.send(sent)
                while True:
                    received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


def asking(shown: Shown, *, host: str | None = None, more: str = "") -> bytes:
    host = shown.address.removeprefix("http://").rstrip("/") if host is None else host
    return f"GET / HTTP/1.0\r\nHost: {host}\r\n{more}\r\n".encode()


async def test_a_page_of_the_machine_is_read_at_the_address(machine: DaemonSandbox, publishing: Publishing) -> None:
    shown, _ = await publishing.open(await listening(machine, SERVE), "site")
    assert shown.address.startswith("http://name1.localhost:")
    assert await publishing.open(shown.port, "again") == (shown, False)
    answers = [await said(shown, asking(shown)) for _ in range(3)]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [b"<h1>Hello"] * 3
    assert (await said(shown, asking(shown, host=asking(shown).split()[4].decode().upper()))).endswith(b"Hello")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "name1.localhost", "evil.example:{port}", "", "name1.localhost:1"]
)
async def test_who_does_not_have_the_address_reaches_nothing(
    machine: DaemonSandbox, publishing: Publishing, host: str
) -> None:
    shown, _ = await publishing.open(await listening(machine, SERVE), "site")
    named = host.format(port=shown.address.rpartition(":")[2].rstrip("/"))
    body = asking(shown)  # the right name, where no header is
    for sent in (asking(shown, host=named), asking(shown, host=named) + body, asking(shown, more="Host: other\r\n")):
        assert (await said(shown, sent)).startswith(b"HTTP/1.1 403 Forbidden\r\n")


async def test_the_loopback_of_the_host_is_the_only_way_to_it(publishing: Publishing) -> None:
    shown, _ = await publishing.open(8_000, "site")
    port = int(shown.address.rpartition(":")[2].rstrip("/"))
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # nobody has it, so nobody listens on every address


async def test_what_is_not_answered_is_said(machine: DaemonSandbox, publishing: Publishing) -> None:
    shown, _ = await publishing.open(9, "nothing")
    assert (await said(shown, asking(shown))).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert await said(shown, b"x" * (HEAD_BYTES_MAX * 2)) == b""
    await machine.close()
    assert (await said(shown, asking(shown))).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


async def test_bytes_pass_both_ways_after_the_head_as_they_are(machine: DaemonSandbox, publishing: Publishing) -> None:
    shown, _ = await publishing.open(await listening(machine, ECHO), "echo")
    port = int(shown.address.rpartition(":")[2].rstrip("/"))
    sent = asking(shown, more="Upgrade: websocket\r\n") + bytes(range(256)) * 8_000
    async with await anyio.connect_tcp("127.0.0.1", port) as stream, anyio.create_task_group() as group:
        group.start_soon(stream.send, sent)
        received = b""
        with anyio.fail_after(60):
            while len(received) < len(sent):
                received += await stream.receive()
    assert received == sent


async def test_a_port_is_shown_no_longer_once_it_is_closed(machine: DaemonSandbox, publishing: Publishing) -> None:
    shown, _ = await publishing.open(8_000, "site")
    publishing.close(8_000)
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(OSError):
        await said(shown, asking(shown))
    with pytest.raises(ConfigError, match="Port 8000 is not published"):
        publishing.close(8_000)


@pytest.mark.parametrize("port", [0, 1 << 16, NETWORK_PORT, HOST_PORT, PACKAGES_PORT])
async def test_a_port_that_is_none_or_leads_back_out_is_refused(publishing: Publishing, port: int) -> None:
    with pytest.raises(ConfigError, match="cannot be published"):
        await publishing.open(port, "door")


async def test_no_more_ports_are_shown_than_allowed(publishing: Publishing) -> None:
    for port in range(PORTS_MAX):
        await publishing.open(8_000 + port, "site")
    with pytest.raises(ConfigError, match="published already"):
        await publishing.open(9_000, "one more")


async def test_programs_that_ask_at_once_for_one_port_get_one_address(publishing: Publishing) -> None:
    got: list[tuple[Shown, bool]] = []

    async def ask() -> None:
        got.append(await publishing.open(8_000, "site"))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
    assert len({shown.address for shown, _ in got}) == 1 and [new for _, new in got].count(True) == 1


async def test_a_program_cannot_fill_the_log_by_publishing_again_and_again(publishing: Publishing) -> None:
    for _ in range(OPENINGS_MAX):
        await publishing.open(8_000, "site")
        publishing.close(8_000)
    with pytest.raises(ConfigError, match="200 times already"):
        await publishing.open(8_000, "site")


async def test_connections_beyond_those_allowed_are_closed_and_later_ones_served(
    machine: DaemonSandbox, publishing: Publishing
) -> None:
    shown, _ = await publishing.open(await listening(machine, SERVE), "site")
    port = int(shown.address.rpartition(":")[2].rstrip("/"))
    silent = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
    with anyio.fail_after(60):
        while publishing.room.borrowed_tokens < CONNECTIONS_MAX:
            await anyio.wait_all_tasks_blocked()
        assert await said(shown, asking(shown)) == b""
        for each in silent:
            await each.aclose()
        while publishing.room.borrowed_tokens:
            await anyio.wait_all_tasks_blocked()
    assert (await said(shown, asking(shown))).endswith(b"Hello")
