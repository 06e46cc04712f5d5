"""The commands about MCP servers, and the port that a sign-in comes back to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import click
import pytest
from anyio.lowlevel import checkpoint
from click.testing import CliRunner, Result

from tests.mcp.conftest import REAL_SERVER
from tests.mcp.test_web import free_port, listens
from tests.sandbox.conftest import require
from workhand.cli.commands.mcp import mcp_command
from workhand.cli.session.sign_in import SealedTokens, sign_in
from workhand.cli.settings import Settings
from workhand.errors import ConfigError, ServerFailed

KEY = "sesame-street"


def test_a_server_is_added_listed_tested_and_removed(tmp_path: Path) -> None:
    require("bubblewrap")
    program = (sys.executable, str(REAL_SERVER))
    assert mcp(tmp_path, "add", "real", "--env", "KEY=${KEY}", "--", *program).exit_code == 0
    added = json.loads((tmp_path / "home" / "mcp.json").read_text())
    assert added == {"mcpServers": {"real": {"command": program[0], "args": [program[1]], "env": {"KEY": "${KEY}"}}}}
    listed = mcp(tmp_path, "ls", "--json").stdout
    inside = "in a machine of its own; network none"
    assert json.loads(listed) == {"name": "real", "runs": sys.executable, "where": inside}
    tested = json.loads(mcp(tmp_path, "test", "real", "--json").stdout)
    assert (tested["version"], tested["prompts"], "add" in tested["tools"]) == ("real 1.2", ["review"], True)
    assert tested["where"] == inside
    assert mcp(tmp_path, "remove", "real").stdout == "real is removed.\n"
    assert mcp(tmp_path, "ls", "--json").stdout == ""


def test_a_server_on_the_web_is_added_and_its_headers_are_shown_nowhere(tmp_path: Path) -> None:
    mcp(tmp_path, "add", "web", "--url", f"https://h/?key={KEY}", "--header", f"Authorization: Bearer {KEY}")
    added = json.loads((tmp_path / "home" / "mcp.json").read_text())["mcpServers"]["web"]
    assert added == {"type": "http", "url": f"https://h/?key={KEY}", "headers": {"Authorization": f"Bearer {KEY}"}}
    assert mcp(tmp_path, "ls").stdout == f"{'web':<20} https://h/ (elsewhere)\n"


def test_what_a_servers_machine_is_given_is_written_down_and_listed(tmp_path: Path) -> None:
    given = ("--network", "example.com", "--network", "*.example.org", "--read", "/data", "--write", "/data/out")
    mcp(tmp_path, "add", "given", *given, "--", "program")
    mcp(tmp_path, "add", "open", "--network", "open", "--", "program")
    mcp(tmp_path, "add", "here", "--no-sandbox", "--", "program")
    added = json.loads((tmp_path / "home" / "mcp.json").read_text())["mcpServers"]
    boxes = {name: server["sandbox"] for name, server in added.items()}
    assert boxes == {
        "given": {"network": ["example.com", "*.example.org"], "files": ["/data"], "write": ["/data/out"]},
        "open": {"network": "open"},
        "here": False,
    }
    where = "in a machine of its own; network example.com,*.example.org; reads /data; writes /data/out"
    assert mcp(tmp_path, "ls").stdout.splitlines() == [
        f"{'given':<20} program ({where})",
        f"{'open':<20} program (in a machine of its own; network open)",
        f"{'here':<20} program (on this computer, as you)",
    ]


@pytest.mark.parametrize(
    ("arguments", "kind", "complaint"),
    [
        (["add", "x"], click.UsageError, "Give either a program"),
        (["add", "x", "--url", "https://h/", "--", "program"], click.UsageError, "Give either a program"),
        (["add", "x", "--env", "KEY", "--", "program"], ConfigError, "write NAME=VALUE"),
        (["add", "x", "--url", "https://h/", "--header", ": x"], ConfigError, "write NAME:VALUE"),
        (["add", "x", "--no-sandbox", "--read", "/", "--", "program"], click.UsageError, "there is no machine to give"),
        (["add", "x", "--url", "https://h/", "--network", "open"], click.UsageError, "has no machine here"),
        (["add", "x", "--network", "http://h/", "--", "program"], ConfigError, "give hosts such as example.com"),
        (["remove", "x"], ConfigError, "has no server 'x'"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: list[str], kind: type[Exception], complaint: str
) -> None:
    raised = mcp(tmp_path, *arguments).exception
    assert isinstance(raised, kind)
    assert complaint in (raised.message if isinstance(raised, click.UsageError) else str(raised))


def test_a_server_that_cannot_start_is_told(tmp_path: Path) -> None:
    mcp(tmp_path, "add", "gone", "--", "/no/such/program")
    raised = mcp(tmp_path, "test", "gone").exception
    assert isinstance(raised, ExceptionGroup)  # which the command `workhand` unwraps
    (failed,) = raised.exceptions
    assert isinstance(failed, ServerFailed) and "FileNotFoundError" in str(failed)


@pytest.mark.anyio
async def test_a_sign_in_comes_back_to_a_port_of_this_computer() -> None:
    port = free_port()
    came: list[str] = []

    async def wait() -> None:
        came.append(await sign_in("https://auth.example.com/", port=port))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        while not listens(port):
            await checkpoint()
        assert await asked(port, b"GET /favicon.ico HTTP/1.1\r\n\r\n") == b""
        assert await asked(port, b"nonsense") == b""
        answered = await asked(port, b"GET /callback?code=1&state=2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 200 OK\r\n")
    assert came == [f"http://127.0.0.1:{port}/callback?code=1&state=2"]


@pytest.mark.anyio
async def test_a_sign_in_says_when_its_port_is_taken() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(ConfigError, match=f"Port {port} of this computer is taken"):
            await sign_in("https://auth.example.com/", port=port)


@pytest.mark.anyio
async def test_tokens_are_kept_sealed_and_for_one_url(tmp_path: Path) -> None:
    tokens = SealedTokens(Settings(home=tmp_path))
    await tokens.keep("https://h/", "tokens", '{"access_token": "sesame-street"}')
    assert (
        await SealedTokens(Settings(home=tmp_path)).kept("https://h/", "tokens") == '{"access_token": "sesame-street"}'
    )
    assert await tokens.kept("https://h/", "client") is None
    assert await tokens.kept("https://other/", "tokens") is None
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files and not any(b"sesame" in file.read_bytes() for file in files)


def mcp(directory: Path, *arguments: str) -> Result:
    environment = {"WORKHAND_HOME": str(directory / "home"), "XDG_CONFIG_HOME": str(directory), "KEY": KEY}
    return CliRunner(env=environment).invoke(mcp_command, arguments, standalone_mode=False)


async def asked(port: int, request: bytes) -> bytes:
    """Send a request, and give all of the answer."""
    async with await anyio.connect_tcp("127.0.0.1", port) as connection:
        await connection.send(request)
        await connection.send_eof()
        return b"".join([chunk async for chunk in connection])
