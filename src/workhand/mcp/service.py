"""Answer requests to the gateway in JSON, for a thin client in a machine that cannot import any of this.

A request is ``{"op": ..., "server": ..., ...}``:

    servers                                        tools, resources, prompts: of "server"
    call    "tool", "arguments", "timeout_s"       read: "uri"       prompt: "name", "arguments"

An answer is ``{"ok": true, ...}``, or ``{"ok": false, "error": "a sentence"}``.  Its parts are texts, blobs and
links.  A blob, and a text that is too long to be shown, is not in the JSON: its part names the attachment by its
index, and who sends the answer sends the attachments after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workhand.errors import ConfigError, ServerFailed
from workhand.mcp.content import Blob, Link, Part, Result, Text, Tool
from workhand.mcp.gateway import Gateway, Watch

CALL_S = 120.0
CALL_S_MAX = 3_600.0
INLINE_BYTES_MAX = 16_000
HEAD_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    reply: Mapping[str, Any]  # JSON
    attachments: tuple[bytes, ...] = field(default=(), repr=False)


async def answer(gateway: Gateway, request: Mapping[str, Any], progress: Watch | None = None) -> Answer:
    """Do what a request asks for; what is wrong with it, or with a server, is an answer too."""
    try:
        return await _answer(gateway, request, progress)
    except (ConfigError, ServerFailed) as error:
        return Answer({"ok": False, "error": str(error)})


async def _answer(gateway: Gateway, request: Mapping[str, Any], progress: Watch | None) -> Answer:
    match request.get("op"):
        case "servers":
            return Answer({"ok": True, "servers": [asdict(each) for each in gateway.servers()]})
        case "tools":
            return Answer(
                {"ok": True, "tools": [_tool(each) for each in await gateway.tools(_text(request, "server"))]}
            )
        case "resources":
            resources = await gateway.resources(_text(request, "server"))
            return Answer({"ok": True, "resources": [asdict(each) for each in resources]})
        case "prompts":
            prompts = await gateway.prompts(_text(request, "server"))
            return Answer({"ok": True, "prompts": [asdict(each) for each in prompts]})
        case "call":
            server, tool = _text(request, "server"), _text(request, "tool")
            arguments, timeout_s = _object(request, "arguments"), _seconds(request)
            return _result(await gateway.call(server, tool, arguments, timeout_s=timeout_s, progress=progress))
        case "read":
            return _result(await gateway.read(_text(request, "server"), _text(request, "uri")))
        case "prompt":
            server, name = _text(request, "server"), _text(request, "name")
            arguments = {key: str(value) for key, value in _object(request, "arguments").items()}
            return _result(await gateway.prompt(server, name, arguments))
        case op:
            known = "servers, tools, call, resources, read, prompts and prompt"
            raise ConfigError(f"There is no operation {op!r}; there are {known}.")


def _tool(tool: Tool) -> dict[str, Any]:
    stated = asdict(tool) | {"parameters": json.loads(tool.parameters)}
    return stated | {"returns": json.loads(tool.returns) if tool.returns else None}


def _result(result: Result) -> Answer:
    attachments: list[bytes] = []
    parts = [_part(each, attachments) for each in result.parts]
    for part, role in zip(parts, result.roles, strict=False):
        part["role"] = role
    reply = {"ok": True, "failed": not result.ok, "parts": parts, "dropped_bytes": result.dropped_bytes}
    if result.structured:
        reply["structured"] = _shown(result.structured, "application/json", attachments)
    return Answer(reply, tuple(attachments))


def _part(part: Part, attachments: list[bytes]) -> dict[str, Any]:
    match part:
        case Text(text=text, uri=uri):
            return {"type": "text", "uri": uri} | _shown(text, "text/plain", attachments)
        case Blob(media_type=media_type, content=content, uri=uri):
            attachments.append(content)
            where = {"attachment": len(attachments) - 1, "bytes": len(content)}
            return {"type": "blob", "uri": uri, "media_type": media_type} | where
        case Link():
            return {"type": "link"} | asdict(part)


def _shown(text: str, media_type: str, attachments: list[bytes]) -> dict[str, Any]:
    """Show a text, or how it begins and which attachment it is."""
    content = text.encode("utf-8", "replace")
    if len(content) <= INLINE_BYTES_MAX:
        return {"text": text}
    attachments.append(content)
    where = {"attachment": len(attachments) - 1, "bytes": len(content)}
    return {"head": text[:HEAD_CHARS], "media_type": media_type} | where


def _text(request: Mapping[str, Any], key: str) -> str:
    found = request.get(key)
    if not isinstance(found, str):
        raise ConfigError(f"The request needs a text under {key!r}, not {found!r}.")
    return found


def _object(request: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = request.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"The request needs an object under {key!r}, not {found!r}.")
    return found


def _seconds(request: Mapping[str, Any]) -> float:
    found = request.get("timeout_s", CALL_S)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= CALL_S_MAX:
        raise ConfigError(f"The time limit {found!r} is no number of seconds up to {CALL_S_MAX:g}; give another.")
    return float(found)
