"""Another agent has Workhand do its work, through the official client and real processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.command import BEGIN, PLAN, Workhand, shell
from workhand.mcp.config import Local
from workhand.mcp.connection import Host
from workhand.mcp.content import Blob, Result, Text
from workhand.mcp.gateway import Gateway, gateway

pytestmark = pytest.mark.anyio

ASK = {"tool": "message_ask", "arguments": {"text": "Which one?"}}
WRITE = shell("echo blue > chosen.txt")
DELIVER = {"tool": "message_result", "arguments": {"text": "It is blue.", "attachments": ["chosen.txt"]}}


def served(workhand: Workhand, model: str) -> Local:
    """Workhand as a server, in the home of a test."""
    workhand.settings(f'model = "{model}"\nisolation = "none"\n')
    command = ("-m", "workhand", "mcp", "serve")
    return Local("workhand", sys.executable, command, workhand.environment, str(workhand.directory))


def text(result: Result) -> str:
    assert result.ok, result
    return next(part.text for part in result.parts if isinstance(part, Text))


async def followed(server: Gateway, session: str) -> str:
    """Follow a session until it waits or has ended."""
    after = 0
    while True:
        answer = await server.call("workhand", "follow", {"id": session, "after": after}, timeout_s=60)
        told = json.loads(answer.structured)
        after = told["after"]
        if told["status"] != "working":
            return str(told["status"])


async def test_a_task_is_started_followed_answered_and_its_files_are_fetched(workhand: Workhand) -> None:
    server = served(workhand, workhand.script(PLAN, ASK, BEGIN, WRITE, DELIVER))
    async with gateway((server,), Host()) as door:
        assert {tool.name for tool in await door.tools("workhand")} == {"start", "follow", "answer", "result"}
        session = text(await door.call("workhand", "start", {"task": "Choose"}, timeout_s=60))
        assert await followed(door, session) == "waiting"
        early = await door.call("workhand", "result", {"id": session}, timeout_s=60)
        assert not early.ok and "has not ended" in str(early.parts)
        await door.call("workhand", "answer", {"id": session, "text": "The blue one"}, timeout_s=60)
        assert await followed(door, session) == "ended"
        result = await door.call("workhand", "result", {"id": session}, timeout_s=60)
    assert text(result) == "It is blue."
    assert [part.content for part in result.parts if isinstance(part, Blob)] == [b"blue\n"]
    assert "The blue one" in workhand("show", session).out


async def test_a_session_that_is_not_there_is_told(workhand: Workhand, tmp_path: Path) -> None:
    async with gateway((served(workhand, workhand.script(PLAN)),), Host()) as door:
        failed = await door.call("workhand", "follow", {"id": "zzz"}, timeout_s=60)
    assert not failed.ok and "no session 'zzz'" in str(failed.parts)
