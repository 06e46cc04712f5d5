"""Eight servers that nobody here wrote, in Python and Node, of both generations of the protocol.

``tests/mcp/servers.sh DIRECTORY`` installs them; ``MCP_SERVERS`` names the directory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.mcp.test_gateway import alive, failure, holds
from tests.mcp.test_web import at, free_port, listens
from workhand.errors import ServerFailed
from workhand.mcp.config import Box, Local
from workhand.mcp.connection import Host
from workhand.mcp.content import Blob, Link, Result, Text
from workhand.mcp.gateway import Gateway, Progress, gateway

INSTALLED = Path(os.environ.get("MCP_SERVERS", "/nowhere"))
CALL_S = 60.0

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.machines,
    pytest.mark.skipif(not (INSTALLED / "older").exists(), reason="MCP_SERVERS names no directory of servers"),
]

NODE = ("everything", "filesystem", "memory", "sequential-thinking")
TOOLS = {
    "everything": "get-sum",
    "filesystem": "read_text_file",
    "memory": "create_entities",
    "sequential-thinking": "sequentialthinking",
    "fetch": "fetch",
    "git": "git_log",
    "time": "convert_time",
    "sqlite": "read_query",
}
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "everything": ("get-sum", {"a": 2, "b": 3}, "5"),
    "filesystem": ("list_directory", {"path": "{work}"}, "notes.txt"),
    "memory": ("create_entities", {"entities": [{"name": "Ada", "entityType": "person", "observations": []}]}, "Ada"),
    "sequential-thinking": (
        "sequentialthinking",
        {"thought": "a", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1},
        "thoughtHistoryLength",
    ),
    "git": ("git_log", {"repo_path": "{work}"}, "The first"),
    "time": ("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}, "21:00"),
    "sqlite": ("read_query", {"query": "select 6 * 7 as x"}, "42"),
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Give a directory with a file and a commit."""
    (tmp_path / "notes.txt").write_text("Buy milk.\n")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "The first")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


@asynccontextmanager
async def opened(work: Path, host: Host) -> AsyncIterator[Gateway]:
    async with gateway(tuple(stated(name, work) for name in TOOLS), host) as door:
        yield door


def stated(name: str, work: Path) -> Local:
    box = Box("host.internal:9" if name == "fetch" else "none", write=(str(work),))
    if name in NODE:
        program = INSTALLED / "node_modules/@modelcontextprotocol" / f"server-{name}" / "dist/index.js"
        allowed = (str(work),) if name == "filesystem" else ()
        variables = {"MEMORY_FILE_PATH": str(work / "memory.json")}
        return Local(name, "node", (str(program), *allowed), variables, box=box)
    options = {"git": ("--repository", str(work)), "sqlite": ("--db-path", str(work / "data.db"))}.get(name, ())
    version = "older" if name == "sqlite" else "python"
    return Local(name, str(INSTALLED / version / "bin" / f"mcp-server-{name}"), options, box=box)


@pytest.mark.parametrize("name", TOOLS)
async def test_its_tools_resources_and_prompts_are_listed(name: str, work: Path, host: Host) -> None:
    async with opened(work, host) as door:
        tools = {tool.name: tool for tool in await door.tools(name)}
        await door.resources(name)
        await door.prompts(name)
        pids = [state.pid for state in door.servers() if state.pid is not None]
    assert tools[TOOLS[name]].description
    assert json.loads(tools[TOOLS[name]].parameters)["type"] == "object"
    assert len(pids) == 1 and not alive(pids[0])


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_brings_its_result(name: str, work: Path, host: Host) -> None:
    tool, arguments, expected = CALLS[name]
    async with opened(work, host) as door:
        result = await door.call(name, tool, filled_in(arguments, work), timeout_s=CALL_S)
    assert result.ok and expected in words(result)


@pytest.mark.parametrize("name", CALLS)
async def test_a_kill_is_got_over_and_twenty_callers_are_served(name: str, work: Path, host: Host) -> None:
    tool, arguments, _ = CALLS[name]
    results: list[Result] = []

    async def one() -> None:
        results.append(await door.call(name, tool, filled_in(arguments, work), timeout_s=CALL_S))

    async with opened(work, host) as door:
        await one()
        (pid,) = [state.pid for state in door.servers() if state.pid is not None]
        os.kill(pid, signal.SIGKILL)
        await holds(lambda: not any(state.running for state in door.servers()))
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        assert pid not in [state.pid for state in door.servers()]
    assert len(results) == 21 and all(result.ok for result in results)


@pytest.mark.parametrize("name", ["everything", "filesystem", "git", "time", "sqlite"])
async def test_a_wrong_call_is_a_result_that_says_so_or_one_error(name: str, work: Path, host: Host) -> None:
    async with opened(work, host) as door:
        try:
            result = await door.call(name, TOOLS[name], {}, timeout_s=CALL_S)
        except ServerFailed as error:
            assert "refused" in str(error)
        else:
            assert not result.ok or "error" in words(result).lower()
        assert await door.tools(name)


async def test_progress_cancellation_and_a_kill_in_the_middle_of_a_call(work: Path, host: Host) -> None:
    seen: list[Progress] = []
    long = "trigger-long-running-operation"
    async with opened(work, host) as door:
        await door.call("everything", long, {"duration": 0.4, "steps": 4}, timeout_s=CALL_S, progress=seen.append)
        said = await failure(door.call("everything", long, {"duration": 600, "steps": 2}, timeout_s=0.3))
        assert "did not answer" in said
        assert words(await door.call("everything", "echo", {"message": "still here"}, timeout_s=CALL_S)) == (
            "Echo: still here"
        )
        (pid,) = [state.pid for state in door.servers() if state.pid is not None]
        strokes = [partial(os.kill, pid, signal.SIGKILL)]

        def kill_once(_: Progress) -> None:
            while strokes:
                strokes.pop()()

        many = {"duration": 600, "steps": 6_000}
        killed = await failure(door.call("everything", long, many, timeout_s=CALL_S, progress=kill_once))
        assert (await door.call("everything", "echo", {"message": "again"}, timeout_s=CALL_S)).ok
    assert [(each.done, each.total) for each in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "its exit code was -9" in killed


async def test_pictures_links_structures_resources_and_prompts(work: Path, host: Host) -> None:
    async with opened(work, host) as door:
        pictured = await door.call("everything", "get-tiny-image", {}, timeout_s=CALL_S)
        linked = await door.call("everything", "get-resource-links", {"count": 2}, timeout_s=CALL_S)
        weather = await door.call("everything", "get-structured-content", {"location": "Chicago"}, timeout_s=CALL_S)
        resources = await door.resources("everything")
        read = await door.read("everything", "demo://resource/static/document/features.md")
        unread = await failure(door.read("everything", "demo://nothing"))
        prompted = await door.prompt("everything", "args-prompt", {"city": "Paris"})
    (picture,) = [part for part in pictured.parts if isinstance(part, Blob)]
    assert picture.media_type == "image/png" and picture.content.startswith(b"\x89PNG")
    assert len([part for part in linked.parts if isinstance(part, Link)]) == 2
    assert set(json.loads(weather.structured)) == {"temperature", "conditions", "humidity"}
    assert any(each.template for each in resources) and not all(each.template for each in resources)
    assert "Everything Server" in words(read)
    assert "refused the resource 'demo://nothing'" in unread
    assert prompted == Result((Text("What's weather in Paris?"),), roles=("user",))


async def test_a_session_on_the_web_that_its_server_has_forgotten_is_begun_anew() -> None:
    port, echo = free_port(), {"message": "x"}
    async with gateway((at(port),), Host()) as door:
        async with everything(port):
            assert (await door.call("web", "echo", echo, timeout_s=CALL_S)).ok
            assert door.servers()[0].protocol == "2025-11-25"
        async with everything(port):
            assert "refused the call of 'echo'" in await failure(door.call("web", "echo", echo, timeout_s=CALL_S))
            assert (await door.call("web", "echo", echo, timeout_s=CALL_S)).ok


@asynccontextmanager
async def everything(port: int) -> AsyncIterator[None]:
    program = INSTALLED / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    environment = os.environ | {"PORT": str(port)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(["node", str(program), "streamableHttp"], env=environment, stdout=quiet, stderr=quiet)
    try:
        await holds(lambda: listens(port))
        yield
    finally:
        process.kill()
        process.wait()


async def test_a_fetch_from_loopback_is_refused_in_words(work: Path, host: Host) -> None:
    async with opened(work, host) as door:
        result = await door.call("fetch", "fetch", {"url": "http://127.0.0.1:9/"}, timeout_s=CALL_S)
    assert not result.ok and words(result)


def filled_in(arguments: dict[str, Any], work: Path) -> dict[str, Any]:
    return {key: str(work) if value == "{work}" else value for key, value in arguments.items()}


def words(result: Result) -> str:
    return "\n".join(part.text for part in result.parts if isinstance(part, Text))
