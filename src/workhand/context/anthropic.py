"""The Messages API: a request with its cache breakpoints, and an agent's own messages into a context.

The way out is the wire half that Workhand's own client uses.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from workhand.context.context import Context
from workhand.context.openai import ANYTHING, latest_used, text_of
from workhand.context.turns import Answered, Placed, Returned, Said, Told, call, check_system, record
from workhand.core.canonical import encode
from workhand.core.events import ToolCall, Usage
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire.anthropic import PROVIDER, Anthropic
from workhand.models.wire.anthropic_answer import usage_of
from workhand.models.wire.dialect import Server

__all__ = ["record_messages", "request", "usage_of"]

PLAIN = ("text", "tool_use")  # blocks that can be written again from the text and the calls


def request(prompt: Prompt) -> dict[str, Any]:
    """Give the fields of a request that the context decides: ``system``, ``tools`` and ``messages``.

    At most four blocks carry ``cache_control``, at the prompt's breakpoints.
    """
    asked = json.loads(Anthropic(Server(PROVIDER, "", "")).request(prompt, ANYTHING, session="").body)
    return {key: asked.get(key, []) for key in ("system", "tools", "messages")}


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
    plain = all(block.get("type") in PLAIN for block in kept)
    opaque = None if plain else encode({PROVIDER: {"content": kept}}).decode()
    return Answered("".join(texts), tuple(calls), opaque)


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}
