"""Anthropic's Messages API: conversations, and logged requests with their responses.

Made from the API's published reference (version 2023-06-01 of the API, with the
content blocks of 2025): blocks of text, image, document, ``tool_use`` and
``tool_result``, tools that run at the provider, ``system`` as text or blocks, and
counts that leave out what was cached.

Thinking is part of an answer's text only where it is sent again: with its
signature, in an answer that calls a tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from workhand.core.events import Usage
from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.conversations import Exchange, read_exchanges
from workhand.lab.formats.faults import Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import inner, moment, objects, string, tool_names, word, written
from workhand.lab.formats.usage import usage

_BLOCKS = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "mcp_tool_use"})


def knows(values: Iterable[object]) -> bool:
    return any(
        _is_ours(fields) for value in values for fields in objects(value if isinstance(value, list) else [value])
    )


def read(text: str, name: str) -> Read:
    """Read the conversations of one file."""
    return read_exchanges(text, name, "anthropic", _opened, lambda parts: lambda message: take(parts, message))


def take(
    parts: Parts,
    message: dict[str, Any],
    *,
    usage_of: Usage | None = None,
    at: float | None = None,
    resets: bool = False,
) -> None:
    """Add one message."""
    at = moment(message.get("timestamp")) if at is None else at
    match string(message, "role"):
        case "assistant":
            _take_answer(parts, message.get("content"), usage_of or usage(message.get("usage")), at)
        case "user":
            _take_user(parts, message.get("content"), at, resets=resets)
        case "system":
            parts.said("system", text_of(message.get("content")))
        case role:
            raise Unfit(f"there is no role {role!r}")


def _take_answer(parts: Parts, content: object, counts: Usage | None, at: float | None) -> None:
    blocks = content if isinstance(content, list) else [{"type": "text", "text": text_of(content)}]
    calls = [each for each in objects(blocks) if word(each, "type").endswith("tool_use")]
    results = [each for each in objects(blocks) if word(each, "type").endswith("tool_result")]
    texts = [
        text
        for each in objects(blocks)
        if each not in calls and each not in results and (text := _thought(each) if calls else text_of(each))
    ]
    parts.answered("\n".join(texts), usage=counts, at=at)
    for call in calls:
        parts.called(call.get("id"), string(call, "name"), written(call.get("input")))
    for result in results:
        _take_result(parts, result, at)


def _thought(block: dict[str, Any]) -> str:
    """Give the text of a block in an answer that calls a tool."""
    thinking = block.get("thinking")
    return thinking if isinstance(thinking, str) and block.get("signature") else text_of(block)


def _take_user(parts: Parts, content: object, at: float | None, *, resets: bool) -> None:
    blocks = content if isinstance(content, list) else [content]
    texts: list[str] = []
    missing: list[str] = []
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            try:
                _take_result(parts, block, at)
            except Unfit as unfit:
                missing.append(str(unfit))
        elif text := text_of(block):
            texts.append(text)
    if texts:
        parts.said("user", "\n".join(texts), resets=resets)
    if missing:
        raise Unfit("; ".join(missing))


def _take_result(parts: Parts, block: dict[str, Any], at: float | None) -> None:
    parts.returned(block.get("tool_use_id"), text_of(block.get("content")), ok=not block.get("is_error"), at=at)


def _opened(fields: dict[str, Any]) -> Exchange | None:
    """Find a request's messages in a record, and the answer if it is logged with them."""
    request = next((each for key in ("request", "body", "params") if (each := inner(fields, key))), fields)
    if not isinstance(request.get("messages"), list):
        return None
    response = inner(fields, "response", "body") or inner(fields, "response")
    system = [{"role": "system", "content": request["system"]}] if request.get("system") else []
    return Exchange(
        id=str(fields.get("id") or fields.get("session_id") or ""),
        messages=(*system, *request["messages"]),
        answers=(response,) if response.get("role") == "assistant" else (),
        model=str(request.get("model") or response.get("model") or ""),
        tools=tool_names(request.get("tools")),
    )


def _is_ours(fields: dict[str, Any]) -> bool:
    opened = _opened(fields)
    messages: Iterator[dict[str, Any]] = objects(list(opened.messages) if opened else [fields])
    return (
        isinstance(fields.get("system"), str | list)
        or any("input_schema" in tool for tool in objects(fields.get("tools")))
        or bool(opened and opened.answers)
        or any(word(block, "type") in _BLOCKS for message in messages for block in objects(message.get("content")))
    )
