"""The Messages API: a request with its cache breakpoints, and an agent's own messages into a context.

The results of one answer stand together in the message behind it, as the API
wants; everything else that is said is a message of its own, so that a request's
messages begin with those of the one before.  ``cache_control`` marks move from
request to request and are no part of what is compared.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from workhand.context.context import Context
from workhand.context.openai import latest_used, text_of
from workhand.context.turns import Answered, Placed, Returned, Said, Told, call, check_system, echoed, opaque_of, record
from workhand.core.events import ToolCall, Usage
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire import pieces

OPAQUE = "anthropic"
MARK = {"type": "ephemeral"}
UNMARKED = ("thinking", "redacted_thinking")  # blocks that cannot carry a mark


def request(prompt: Prompt) -> dict[str, Any]:
    """Give the fields of a request that the context decides: ``system``, ``tools`` and ``messages``.

    At most four blocks carry ``cache_control``, at the prompt's breakpoints.
    """
    system = pieces.turn(prompt.body[1])
    assert isinstance(system, pieces.Said)
    head = [{"type": "text", "text": system.text, "cache_control": MARK}] if system.text else []
    tools = [
        {"name": each.name, "description": each.description, "input_schema": each.parameters}
        for each in pieces.definitions(prompt.body[0])
    ]
    return {"system": head, "tools": tools, "messages": _messages(prompt)}


def record_messages(
    context: Context,
    messages: Sequence[Mapping[str, Any]],
    *,
    system: str | None = None,
    usage: Usage | None = None,
    model: str = "",
    whole: Collection[str] = (),
) -> int:
    """Record what is new in an agent's list of messages, as ``openai.record_messages`` does."""
    if system is not None:
        check_system(context, system)
    return record(context, latest_used(list(_turns(messages)), usage, model), whole)


def usage_of(used: Mapping[str, Any]) -> Usage:
    """Read the ``usage`` of a response, whose input leaves out what the cache read and wrote."""
    cached = used.get("cache_read_input_tokens") or 0
    written = used.get("cache_creation_input_tokens") or 0
    return Usage(
        input_tokens=(used.get("input_tokens") or 0) + cached + written,
        cached_tokens=cached,
        written_tokens=written,
        output_tokens=used.get("output_tokens") or 0,
    )


# -- the way out ----------------------------------------------------------------


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    grouped = False  # whether the last message holds results, and nothing else may
    for index, piece in enumerate(prompt.body[2:], 2):
        role, blocks = _blocks(piece)
        if not blocks:
            continue
        shown = [*blocks[:-1], {**blocks[-1], "cache_control": MARK}] if _marked(prompt, index, blocks) else [*blocks]
        result = blocks[0]["type"] == "tool_result"
        if result and grouped:
            messages[-1]["content"] += shown
        else:
            messages.append({"role": role, "content": shown})
        grouped = result
    if prompt.tail:
        messages.append({"role": "user", "content": [{"type": "text", "text": prompt.tail}]})
    return messages


def _marked(prompt: Prompt, index: int, blocks: tuple[dict[str, Any], ...]) -> bool:
    return index in prompt.breakpoints[-3:] and blocks[-1]["type"] not in UNMARKED


@lru_cache(maxsize=8_192)
def _blocks(piece: bytes) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Give the role and the blocks of a piece; the blocks are shared and never changed."""
    match pieces.turn(piece):
        case pieces.Said(_, text):
            return "user", _text(text)
        case pieces.Returned(id, text):
            block = {"type": "tool_result", "tool_use_id": id, "content": text}
            return "user", (block if json.loads(piece)["ok"] else block | {"is_error": True},)
        case pieces.Answered(text, calls, opaque):
            if kept := echoed(opaque, OPAQUE):
                ids = iter(calls)
                made = [{**block, "id": next(ids).id} if block["type"] == "tool_use" else block for block in kept]
                return "assistant", tuple(made)
            return "assistant", (*_text(text), *map(_use, calls))


def _text(text: str) -> tuple[dict[str, Any], ...]:
    return ({"type": "text", "text": text},) if text.strip() else ()  # the API refuses blank ones


def _use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.tool, "input": json.loads(call.arguments)}


# -- the way in -----------------------------------------------------------------


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[Placed]:
    for index, message in enumerate(messages):
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
        match message.get("role"):
            case "assistant":
                yield index, _answered(blocks, index)
            case "user":
                for each in _given(blocks, index):
                    yield index, each
            case "system":
                yield index, Told(text_of(blocks, index))
            case role:
                raise ConfigError(f"Message {index} has the role {role!r}; roles are user and assistant.")


def _given(blocks: list[Mapping[str, Any]], index: int) -> Iterator[Said | Returned]:
    results = [block for block in blocks if block.get("type") == "tool_result"]
    for block in results:
        text = text_of(block.get("content"), index)
        yield Returned(str(block.get("tool_use_id")), text.encode(errors="replace"), not block.get("is_error"))
    others = [block for block in blocks if block.get("type") != "tool_result"]
    if others or not results:
        yield Said(text_of(others, index))


def _answered(blocks: list[Mapping[str, Any]], index: int) -> Answered:
    texts: list[str] = []
    calls: list[ToolCall] = []
    kept = [_unmarked(block) for block in blocks if block.get("type") != "text" or str(block.get("text")).strip()]
    for block in kept:
        match block.get("type"):
            case "text":
                texts.append(text_of([block], index))
            case "tool_use":
                calls.append(call(block["id"], block["name"], json.dumps(block.get("input") or {})))
    return Answered("".join(texts), tuple(calls), opaque_of(OPAQUE, kept, ("text", "tool_use")))


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}
