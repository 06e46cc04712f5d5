"""Requests and answers in JSON, as the thin client in a machine sends and reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mcp.real_server import PIXEL
from workhand.mcp.config import Local
from workhand.mcp.connection import Host
from workhand.mcp.gateway import Gateway, Progress, gateway
from workhand.mcp.service import Answer, answer

pytestmark = pytest.mark.anyio


async def test_every_operation_answers_in_json(door: Gateway) -> None:
    seen: list[Progress] = []
    tools = await answer(door, {"op": "tools", "server": "real"})
    added = await answer(door, {"op": "call", "server": "real", "tool": "add", "arguments": {"a": 1, "b": 2}})
    stepped = await answer(
        door, {"op": "call", "server": "real", "tool": "steps", "arguments": {"count": 1}}, seen.append
    )
    failed = await answer(door, {"op": "call", "server": "real", "tool": "fail"})
    pictured = await answer(door, {"op": "call", "server": "real", "tool": "picture", "timeout_s": 30})
    huge = await answer(door, {"op": "call", "server": "real", "tool": "huge", "arguments": {"characters": 20_000}})
    resources = await answer(door, {"op": "resources", "server": "real"})
    noted = await answer(door, {"op": "read", "server": "real", "uri": "notes://today"})
    prompts = await answer(door, {"op": "prompts", "server": "real"})
    asked = await answer(
        door, {"op": "prompt", "server": "real", "name": "review", "arguments": {"code": "x", "style": "short"}}
    )
    servers = await answer(door, {"op": "servers"})
    answers = (tools, added, stepped, failed, pictured, huge, resources, noted, prompts, asked, servers)
    assert [json.loads(json.dumps(each.reply))["ok"] for each in answers] == [True] * len(answers)
    (add,) = [tool for tool in tools.reply["tools"] if tool["name"] == "add"]
    assert (add["parameters"]["required"], add["returns"]["required"]) == (["a", "b"], ["total"])
    assert added == result([{"type": "text", "uri": "", "text": '{\n  "total": 3\n}'}], {"text": '{"total":3}'})
    assert seen == [Progress(1, 1, "step 1")]
    assert failed == result([{"type": "text", "uri": "", "text": "Error executing tool fail"}], failed=True)
    blob = {"type": "blob", "uri": "", "media_type": "image/png", "attachment": 0, "bytes": len(PIXEL)}
    assert pictured == result([blob], attachments=(PIXEL,))
    first = {"head": "a" * 1_000, "media_type": "text/plain", "attachment": 0, "bytes": 20_000}
    second = {"head": huge.attachments[1][:1_000].decode(), "media_type": "application/json"}
    assert huge == result(
        [{"type": "text", "uri": ""} | first],
        second | {"attachment": 1, "bytes": 20_013},
        attachments=(b"a" * 20_000, b'{"result":"' + b"a" * 20_000 + b'"}'),
    )
    assert resources.reply["resources"][2]["template"] is True
    assert noted == result([{"type": "text", "uri": "notes://today", "text": "Buy milk."}])
    assert prompts.reply["prompts"][0]["arguments"][0] == {"name": "code", "description": "", "required": True}
    spoken = {"type": "text", "uri": "", "text": "Review this in a short way: x", "role": "user"}
    assert asked == result([spoken])
    assert servers.reply["servers"][0] | {"pid": 0} == {
        "name": "real",
        "kind": "local",
        "running": True,
        "pid": 0,
        "version": "real 1.2",
        "protocol": "2026-07-28",
        "instructions": "Ask for sums.",
        "problem": "",
    }


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, "There is no operation None; there are servers, tools,"),
        ({"op": "tools"}, "The request needs a text under 'server', not None."),
        ({"op": "tools", "server": "other"}, "There is no MCP server 'other'; there are 'real'."),
        ({"op": "call", "server": "real"}, "The request needs a text under 'tool', not None."),
        ({"op": "call", "server": "real", "tool": "add", "arguments": []}, "needs an object under 'arguments'"),
        ({"op": "call", "server": "real", "tool": "add", "timeout_s": 0}, "The time limit 0 is no number"),
        ({"op": "call", "server": "real", "tool": "add", "timeout_s": True}, "The time limit True is no number"),
        ({"op": "call", "server": "real", "tool": "add", "timeout_s": 1e9}, "The time limit 1000000000.0 is no"),
        ({"op": "read", "server": "real"}, "The request needs a text under 'uri', not None."),
        ({"op": "tools", "server": "real"}, "${KEY} has no value"),
    ],
)
async def test_what_is_wrong_with_a_request_is_an_answer(real: Local, request_: dict[str, Any], error: str) -> None:
    async with gateway((real,), Host()) as door:
        answered = await answer(door, request_)
        assert not any(state.running for state in door.servers())
    assert answered.reply["ok"] is False
    assert error in answered.reply["error"]


def result(
    parts: list[dict[str, Any]],
    structured: dict[str, Any] | None = None,
    *,
    failed: bool = False,
    attachments: tuple[bytes, ...] = (),
) -> Answer:
    reply = {"ok": True, "failed": failed, "parts": parts, "dropped_bytes": 0}
    return Answer(reply if structured is None else reply | {"structured": structured}, attachments)
