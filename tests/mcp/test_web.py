"""Servers over streamable HTTP on loopback: the same values, headers, restarts, and a sign-in by OAuth."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.mcp.conftest import REAL_SERVER
from tests.mcp.signing_server import Authority, serving
from tests.mcp.test_gateway import failure, holds
from workhand.mcp.config import Remote
from workhand.mcp.connection import Host, Limits
from workhand.mcp.content import Result, Text
from workhand.mcp.gateway import Progress, gateway
from workhand.mcp.web import OAuth

pytestmark = pytest.mark.anyio

CALL_S = 30.0


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Remote]:
    port = free_port()
    async with running(port):
        yield at(port)


async def test_a_server_on_the_web_answers_as_one_on_a_pipe_does(served: Remote, tmp_path: Path) -> None:
    seen = list[Progress]()
    async with gateway((served,), Host(limits=Limits(result_bytes_max=1_000))) as door:
        assert await door.call("web", "add", {"a": 1, "b": 2}, timeout_s=CALL_S) == Result(
            (Text('{\n  "total": 3\n}'),), '{"total":3}'
        )
        await door.call("web", "steps", {"count": 2}, timeout_s=CALL_S, progress=seen.append)
        assert seen == [Progress(1, 2, "step 1"), Progress(2, 2, "step 2")]
        assert (await door.read("web", "notes://today")).parts == (Text("Buy milk.", "notes://today"),)
        assert (await door.call("web", "huge", {"characters": 5_000}, timeout_s=CALL_S)).parts == (Text("a" * 1_000),)
        said = await failure(door.call("web", "hang", {"directory": str(tmp_path)}, timeout_s=3))
        assert "did not answer the call of 'hang' within 3 s" in said
        await holds((tmp_path / "cancelled").exists)


async def test_a_server_on_the_web_that_falls_is_reached_again_once_it_is_back() -> None:
    port = free_port()
    async with gateway((at(port),), Host()) as door:
        async with running(port) as process:
            await door.tools("web")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            said = await failure(door.call("web", "echo", {"text": "x"}, timeout_s=CALL_S))
            assert said.startswith("The MCP server 'web' ended during the call of 'echo'")
        assert "could not be started: ConnectError" in await failure(door.tools("web"))
        async with running(port):
            assert (await door.call("web", "echo", {"text": "x"}, timeout_s=CALL_S)).ok


async def test_an_answer_past_the_limit_fails_its_call(served: Remote) -> None:
    async with gateway((served,), Host(limits=Limits(message_bytes_max=50_000))) as door:
        said = await failure(door.call("web", "huge", {"characters": 200_000}, timeout_s=CALL_S))
        assert (await door.call("web", "echo", {"text": "x"}, timeout_s=CALL_S)).ok
    assert "the answer has more than 50,000 bytes" in said


async def test_headers_are_sent_with_their_values_filled_in() -> None:
    async with serving(None) as url:
        remote = Remote("web", url, {"X-Key": "${KEY}"})
        async with gateway((remote,), Host(values={"KEY": "sesame"})) as door:
            assert (await door.call("web", "header", {"name": "x-key"}, timeout_s=CALL_S)).parts == (Text("sesame"),)


async def test_a_person_signs_in_once_and_the_tokens_are_kept() -> None:
    authority, keeper = Authority(), Kept()
    async with serving(authority) as url:
        remote = Remote("web", url)
        for _ in range(2):
            async with gateway((remote,), Host(oauth=OAuth(keeper, sign_in=browse))) as door:
                result = await door.call("web", "header", {"name": "authorization"}, timeout_s=CALL_S)
                assert result.parts == (Text("Bearer token-for-code-1"),)
    assert authority.asked == 1
    assert sorted(keeper.texts) == [(url, "client"), (url, "tokens")]


async def test_where_nobody_can_sign_in_the_error_says_where_to() -> None:
    async with serving(Authority()) as url, gateway((Remote("web", url),), Host(oauth=OAuth(Kept()))) as door:
        said = await failure(door.tools("web"))
    assert said == (
        "The MCP server 'web' could not be started: The MCP server 'web' wants you to sign in; do so with "
        "`workhand mcp test web`."
    )


async def test_a_sign_in_that_is_refused_is_told() -> None:
    async def refuse(url: str) -> str:
        return "http://127.0.0.1:8931/callback?error=access_denied"

    oauth = OAuth(Kept(), sign_in=refuse)
    async with serving(Authority()) as url, gateway((Remote("web", url),), Host(oauth=oauth)) as door:
        assert "failed: 'access_denied'" in await failure(door.tools("web"))


class Kept:
    """A keeper of tokens, in memory."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], str] = {}

    async def kept(self, url: str, what: str) -> str | None:
        return self.texts.get((url, what))

    async def keep(self, url: str, what: str, text: str) -> None:
        self.texts[url, what] = text


async def browse(url: str) -> str:
    """Do what a person's browser does, as far as the redirect back."""
    async with httpx2.AsyncClient() as client:
        return (await client.get(url)).headers["location"]


@asynccontextmanager
async def running(port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, str(REAL_SERVER), str(port)])
    try:
        await holds(lambda: listens(port))
        yield process
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def at(port: int) -> Remote:
    return Remote("web", f"http://127.0.0.1:{port}/mcp")
