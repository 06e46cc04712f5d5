"""A gateway to a real server: what it offers, what calls bring, and what happens when it misbehaves."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteReceiveStream

from tests.mcp.real_server import PIXEL
from workhand.errors import ConfigError, ServerFailed
from workhand.mcp.config import Local
from workhand.mcp.connection import FAILURES_MAX, Host, Limits
from workhand.mcp.content import Argument, Blob, Prompt, Resource, Result, Text, Tool
from workhand.mcp.gateway import Gateway, Progress, gateway
from workhand.mcp.running import Running, on_this_computer

pytestmark = pytest.mark.anyio

RAW = Local("raw", sys.executable, (str(Path(__file__).with_name("raw_server.py")),))
CALL_S = 30.0
WAIT_S = 30.0


async def test_what_a_server_offers_and_answers_are_plain_values(door: Gateway) -> None:
    tools = {tool.name: tool for tool in await door.tools("real")}
    assert tools["echo"] == Tool(
        "echo",
        "Say it again.",
        '{"type":"object","properties":{"text":{"title":"Text","type":"string"}},"required":["text"],'
        '"title":"echoArguments"}',
        '{"properties":{"result":{"title":"Result","type":"string"}},"required":["result"],"title":"echoOutput",'
        '"type":"object"}',
    )
    assert await call(door, "add", a=1, b=2) == Result((Text('{\n  "total": 3\n}'),), '{"total":3}')
    assert await call(door, "picture") == Result((Blob("image/png", PIXEL),))
    assert await call(door, "fail") == Result((Text("Error executing tool fail"),), ok=False)
    assert await call(door, "nothing") == Result((Text("Unknown tool: nothing"),), ok=False)
    assert await door.resources("real") == (
        Resource("notes://today", "today", "", "text/plain"),
        Resource("notes://pixel", "pixel", "", "image/png"),
        Resource("notes://of/{day}", "of", "", "text/plain", template=True),
    )
    assert await door.read("real", "notes://today") == Result((Text("Buy milk.", "notes://today"),))
    assert await door.read("real", "notes://pixel") == Result((Blob("image/png", PIXEL, "notes://pixel"),))
    arguments = (Argument("code", "", True), Argument("style", "", False))
    assert await door.prompts("real") == (Prompt("review", "Ask for a review.", arguments),)
    assert await door.prompt("real", "review", {"code": "x"}) == Result(
        (Text("Review this in a kind way: x"),), roles=("user",)
    )
    (state,) = door.servers()
    assert state.running and state.version == "real 1.2" and state.instructions == "Ask for sums."


async def test_a_server_starts_when_it_is_first_used_and_is_gone_in_the_end(real: Local, host: Host) -> None:
    async with gateway((real,), host) as door:
        assert [state.running for state in door.servers()] == [False]
        first, second = await call(door, "process"), await call(door, "process")
        assert first == second
        pid = pid_of(door)
    assert not alive(pid)


async def test_a_server_is_gone_when_its_callers_are_cancelled(real: Local, host: Host) -> None:
    async with anyio.create_task_group() as group, gateway((real,), host) as door:
        await call(door, "echo", text="x")
        pid = pid_of(door)
        group.cancel_scope.cancel()
    assert not alive(pid)


async def test_twenty_callers_at_once_each_get_their_own_answer(door: Gateway) -> None:
    answers: dict[int, Result] = {}

    async def one(number: int) -> None:
        answers[number] = await call(door, "echo", text=str(number))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one, number)
    assert len({state.pid for state in door.servers()}) == 1
    assert {number: answer.parts for number, answer in answers.items()} == {n: (Text(str(n)),) for n in range(20)}


async def test_more_calls_than_may_run_at_once_wait_within_their_time_limit(
    real: Local, spot: Path, host: Host
) -> None:
    async with gateway((real,), replace(host, limits=Limits(calls_at_once=1))) as door:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(call, door, "hang", directory=str(spot)))
            await appears(spot / "begun")
            said = await failure(door.call("real", "echo", {"text": "x"}, timeout_s=0.3))
            group.cancel_scope.cancel()
        assert (await call(door, "echo", text="x")).ok
    assert "did not answer the call of 'echo' within 0.3 s" in said


async def test_progress_is_passed_on(door: Gateway) -> None:
    seen: list[Progress] = []
    await door.call("real", "steps", {"count": 3}, timeout_s=CALL_S, progress=seen.append)
    assert seen == [Progress(1, 3, "step 1"), Progress(2, 3, "step 2"), Progress(3, 3, "step 3")]


async def test_a_cancelled_call_is_cancelled_at_the_server_and_no_other(door: Gateway, spot: Path) -> None:
    await door.tools("real")
    pid = pid_of(door)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(call, door, "hang", directory=str(spot)))
        await appears(spot / "begun")
        group.cancel_scope.cancel()
    await appears(spot / "cancelled")
    assert (await call(door, "echo", text="still here")).ok
    assert pid_of(door) == pid


async def test_a_call_past_its_time_limit_is_cancelled_at_the_server(door: Gateway, spot: Path) -> None:
    await door.tools("real")
    said = await failure(door.call("real", "hang", {"directory": str(spot)}, timeout_s=3))
    await appears(spot / "cancelled")
    assert said == (
        "The MCP server 'real' did not answer the call of 'hang' within 3 s; give it more time, or ask for less."
    )


async def test_a_crash_is_one_error_with_the_last_words_and_the_next_call_starts_it_again(door: Gateway) -> None:
    said = await failure(call(door, "crash"))
    assert (await call(door, "echo", text="x")).ok
    assert said == (
        "The MCP server 'real' ended during the call of 'crash', which may or may not have been done; the next "
        "request starts it again; its exit code was 3; its last words were 'I fall, and my key is [hidden]'."
    )


async def test_every_call_that_is_under_way_learns_of_a_crash(door: Gateway, spot: Path) -> None:
    said: list[str] = []

    async def one() -> None:
        said.append(await failure(call(door, "hang", directory=str(spot))))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)
        await appears(spot / "begun")
        os.kill(pid_of(door), signal.SIGKILL)
    assert (await call(door, "echo", text="x")).ok
    assert len(said) == 5 and all("its exit code was -9" in each for each in said)


async def test_a_server_that_was_killed_while_idle_is_started_again(door: Gateway) -> None:
    await call(door, "process")
    killed = pid_of(door)
    os.kill(killed, signal.SIGKILL)
    await holds(lambda: not door.servers()[0].running)
    assert (await call(door, "process")).ok
    assert pid_of(door) != killed


async def test_a_program_that_cannot_start_is_tried_a_few_times_and_then_left_alone(host: Host) -> None:
    broken = Local("broken", sys.executable, ("-c", "raise SystemExit('no licence')"))
    async with gateway((broken,), host) as door:
        said = [await failure(door.tools("broken")) for _ in range(FAILURES_MAX + 1)]
    assert said[0] == (
        "The MCP server 'broken' could not be started: MCPError: Connection closed; its exit code was 1; "
        "its last words were 'no licence'."
    )
    assert said[1:-1] == [said[0]] * (FAILURES_MAX - 1)
    assert said[-1].startswith("The MCP server 'broken' failed 5 times in a row and is left alone for up to 60 s;")


async def test_an_older_server_that_turns_pages_and_talks_out_of_turn_is_understood(host: Host) -> None:
    async with gateway((RAW,), host) as door:
        assert [tool.name for tool in await door.tools("raw")] == ["echo", "exit", "odd"]
        assert (await door.resources("raw"), await door.prompts("raw")) == ((), ())
        assert (await door.call("raw", "echo", {}, timeout_s=CALL_S)).parts == (Text("heard"),)
        assert "gave an answer to the call of 'odd' that is not valid" in await failure(
            door.call("raw", "odd", {}, timeout_s=CALL_S)
        )
        assert door.servers()[0].protocol < "2026"


async def test_a_server_that_ends_often_and_works_in_between_is_not_left_alone(host: Host) -> None:
    async with gateway((RAW,), host) as door:
        for _ in range(FAILURES_MAX + 1):
            said = await failure(door.call("raw", "exit", {}, timeout_s=CALL_S))
            assert said.endswith("these are the last words'.") and len(said) < 3_000
            assert (await door.call("raw", "echo", {}, timeout_s=CALL_S)).ok


async def test_last_words_that_arrive_after_the_end_are_told(real: Local, host: Host) -> None:
    @asynccontextmanager
    async def start(server: Local) -> AsyncIterator[Running]:
        async with host.start(server) as running:
            yield Overheard(running)

    async with gateway((real,), replace(host, start=start)) as door:
        assert (await failure(call(door, "crash"))).endswith("its last words were 'I fall, and my key is [hidden]'.")


async def test_a_server_lives_on_past_the_time_limit_of_its_start(host: Host) -> None:
    async with gateway((RAW,), replace(host, limits=Limits(start_s=5.0))) as door:
        await door.call("raw", "echo", {}, timeout_s=CALL_S)
        await anyio.sleep(5.0)  # which is what must not matter
        assert door.servers()[0].running


async def test_a_program_that_says_nothing_is_given_up_at_the_time_limit(host: Host) -> None:
    mute = Local("mute", sys.executable, ("-c", "import sys; sys.stdin.read()"))
    async with gateway((mute,), replace(host, limits=Limits(start_s=0.3))) as door:
        said = await failure(door.tools("mute"))
    assert "could not be started: it was not ready within 0.3 s" in said


async def test_a_program_that_is_not_there_and_a_value_that_is_missing_fail_only_their_server(
    real: Local, host: Host
) -> None:
    gone = Local("gone", "/no/such/program")
    async with gateway((gone, real), replace(host, values={})) as door:
        assert "could not be started: FileNotFoundError" in await failure(door.tools("gone"))
        with pytest.raises(ConfigError, match=r"\$\{KEY\} has no value"):
            await door.tools("real")
        with pytest.raises(ConfigError, match="no MCP server 'other'; there are 'gone', 'real'"):
            await door.tools("other")


async def test_a_result_past_the_limit_is_cut_and_counted(real: Local, host: Host) -> None:
    async with gateway((real,), replace(host, limits=Limits(result_bytes_max=1_000))) as door:
        result = await call(door, "huge", characters=5_000)
    assert result.parts == (Text("a" * 1_000),)
    assert (result.structured, result.dropped_bytes) == ("", 4_000 + len('{"result":""}') + 5_000)


async def test_a_message_past_the_limit_ends_the_server_and_not_the_gateway(real: Local, host: Host) -> None:
    async with gateway((real,), replace(host, limits=Limits(message_bytes_max=100_000))) as door:
        said = await failure(call(door, "huge", characters=3_000_000))
        assert (await call(door, "echo", text="x")).ok
    assert "it sent a message of more than 100,000 bytes" in said


async def test_a_program_is_started_inside_something_else_with_its_variables_and_none_of_our_keys(
    real: Local, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    def start(server: Local) -> AbstractAsyncContextManager[Running]:
        arguments = ("INSIDE=yes", server.command, *server.arguments)
        return on_this_computer(replace(server, command="/usr/bin/env", arguments=arguments))

    monkeypatch.setenv("ANTHROPIC_API_KEY", "sesame")
    async with gateway((real,), replace(host, start=start)) as door:
        variables = [await call(door, "variable", name=name) for name in ("INSIDE", "KEY", "ANTHROPIC_API_KEY")]
    assert [each.parts for each in variables] == [(Text("yes"),), (Text("sesame-street"),), (Text("unset"),)]


class Late(ByteReceiveStream):
    """What a program says on standard error, none of which arrives before the program's end is known."""

    def __init__(self, running: Running) -> None:
        self.said = running.stderr
        self.over = anyio.Event()

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await self.over.wait()
        return await self.said.receive(max_bytes)

    async def aclose(self) -> None:
        await self.said.aclose()


class Overheard:
    """A program that is heard late."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.stderr = Late(running)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.running, name)

    async def end(self) -> None:
        await self.running.end()
        self.stderr.over.set()


@pytest.fixture
def spot(shown: Path) -> Path:
    """Give a fresh directory that the server may write in."""
    return Path(tempfile.mkdtemp(dir=shown))


async def call(door: Gateway, tool: str, **arguments: object) -> Result:
    return await door.call("real", tool, arguments, timeout_s=CALL_S)


async def failure(calling: Awaitable[object]) -> str:
    with pytest.raises(ServerFailed) as raised:
        await calling
    return str(raised.value)


async def appears(file: Path) -> None:
    await holds(file.exists)


async def holds(condition: Callable[[], bool]) -> None:
    """Wait for what another process does, which tells nobody."""
    with anyio.fail_after(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.01)


def pid_of(door: Gateway) -> int:
    (state,) = door.servers()
    assert state.pid is not None
    return state.pid


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
