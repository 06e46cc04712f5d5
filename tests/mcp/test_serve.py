"""Workhand as an MCP server, asked by the official client and through our own gateway."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mcp
import pytest

from tests.mcp.offering_server import Scripted
from workhand.mcp.config import Local
from workhand.mcp.connection import Host
from workhand.mcp.content import Blob, Text
from workhand.mcp.gateway import gateway
from workhand.mcp.serve import offered

pytestmark = pytest.mark.anyio

CALL_S = 30.0
OFFERING = Local("workhand", sys.executable, (str(Path(__file__).with_name("offering_server.py")),))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_session_is_started_followed_answered_and_its_result_taken(mode: str) -> None:
    async with mcp.Client(offered(Scripted()), mode=mode) as client:
        id = (await client.call_tool("start", {"task": "Paint"})).structured_content
        first = (await client.call_tool("follow", {"id": "s1"})).structured_content
        await client.call_tool("answer", {"id": "s1", "text": "blue"})
        second = (await client.call_tool("follow", {"id": "s1", "after": 2})).structured_content
        result = await client.call_tool("result", {"id": "s1"})
    assert id == {"result": "s1"}
    assert first == {"lines": ["I work on: Paint", "Which colour?"], "after": 2, "status": "waiting"}
    assert second == {"lines": ["Thank you."], "after": 3, "status": "ended"}
    assert [part.type for part in result.content] == ["text", "image", "text", "resource"]


async def test_it_serves_on_a_pipe_and_ends_with_it() -> None:
    async with gateway((OFFERING,), Host()) as door:
        assert [tool.name for tool in await door.tools("workhand")] == ["start", "follow", "answer", "result"]
        started = await door.call("workhand", "start", {"task": "Paint"}, timeout_s=CALL_S)
        assert started.structured == '{"result":"s1"}'
        await door.call("workhand", "answer", {"id": "s1", "text": "red"}, timeout_s=CALL_S)
        result = await door.call("workhand", "result", {"id": "s1"}, timeout_s=CALL_S)
        (state,) = door.servers()
    assert result.parts == (
        Text("It is red."),
        Blob("image/png", b"a picture"),
        Text("too large.bin has 16,000,000 bytes and was left out."),
        Blob("text/csv", b"a,b\n", "workhand://s1/a%20report.csv"),
    )
    assert "answer it" in state.instructions


async def test_what_is_wrong_is_told_to_the_caller() -> None:
    async with mcp.Client(offered(Scripted())) as client:
        unknown = await client.call_tool("follow", {"id": "s2"})
    assert unknown.is_error and "There is no session 's2'" in json.dumps(unknown.model_dump(mode="json"))
