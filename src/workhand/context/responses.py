"""The Responses API: the input items of a prompt, and an agent's own items into a context.

An answer that holds more than words and function calls, such as reasoning, is
kept item by item as it came and shown again so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from workhand.context.context import Context
from workhand.context.openai import latest_used, text_of
from workhand.context.turns import Answered, Placed, Returned, Said, Told, call, check_system, echoed, opaque_of, record
from workhand.core.events import ToolCall, Usage
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire import pieces

OPAQUE = "openai-responses"
CALL = "function_call"
PLAIN = ("message", CALL)  # what can be written again from its text and calls


def request(prompt: Prompt) -> dict[str, Any]:
    """Give the fields of a request that the context decides: ``instructions``, ``input`` and ``tools``."""
    tools = [
        {"type": "function", "name": each.name, "description": each.description, "parameters": each.parameters}
        for each in pieces.definitions(prompt.body[0])
    ]
    system = pieces.turn(prompt.body[1])
    assert isinstance(system, pieces.Said)
    return {"instructions": system.text, "input": items(prompt), "tools": tools}


def items(prompt: Prompt) -> list[dict[str, Any]]:
    """Give the input items; the recital, if any, is the last one."""
    given = [item for piece in prompt.body[2:] for item in _items(pieces.turn(piece))]
    return given + ([{"role": "developer", "content": prompt.tail}] if prompt.tail else [])


def record_items(
    context: Context,
    items: Sequence[Mapping[str, Any]],
    *,
    usage: Usage | None = None,
    model: str = "",
    whole: Collection[str] = (),
) -> int:
    """Record what is new in an agent's list of input items, as ``openai.record_messages`` does with messages."""
    for item in items[:1]:
        if item.get("role") in ("system", "developer"):
            check_system(context, text_of(item.get("content"), 0))
    return record(context, latest_used(list(_turns(items)), usage, model), whole)


def usage_of(used: Mapping[str, Any]) -> Usage:
    """Read the ``usage`` of a response."""
    read = used.get("input_tokens_details") or {}
    made = used.get("output_tokens_details") or {}
    return Usage(
        input_tokens=used.get("input_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or 0,
        written_tokens=read.get("cache_write_tokens") or 0,
        output_tokens=used.get("output_tokens") or 0,
        reasoning_tokens=made.get("reasoning_tokens") or 0,
    )


def _items(turn: pieces.Turn) -> list[dict[str, Any]]:
    match turn:
        case pieces.Said(role, text):
            return [{"role": role, "content": text}]
        case pieces.Returned(id, text):
            return [{"type": "function_call_output", "call_id": id, "output": text}]
        case pieces.Answered(text, calls, opaque):
            if kept := echoed(opaque, OPAQUE):
                ids = iter(calls)
                return [{**part, "call_id": next(ids).id} if part.get("type") == CALL else part for part in kept]
            said = [{"role": "assistant", "content": text}] if text else []
            return said + [
                {"type": CALL, "call_id": each.id, "name": each.tool, "arguments": each.arguments} for each in calls
            ]


def _turns(items: Sequence[Mapping[str, Any]]) -> Iterator[Placed]:
    """Give the turns: what the model made between two things that it was given is one answer."""
    made: list[tuple[int, Mapping[str, Any]]] = []
    for index, item in enumerate(items):
        given = _given(index, item)
        if given is None:
            made.append((index, item))
            continue
        if made:
            yield made[0][0], _answered(made)
            made = []
        if index or not isinstance(given, Told):
            yield index, given
    if made:
        yield made[0][0], _answered(made)


def _given(index: int, item: Mapping[str, Any]) -> Said | Told | Returned | None:
    """Read an item that the model was given; ``None``: the model made it."""
    match item.get("type", "message"), item.get("role"):
        case "message", "user":
            return Said(text_of(item.get("content"), index))
        case "message", "system" | "developer":
            return Told(text_of(item.get("content"), index))
        case "function_call_output", _:
            output = text_of(item.get("output"), index)
            return Returned(str(item.get("call_id")), output.encode(errors="replace"))
        case str(kind), _ if kind.endswith("_output"):
            raise ConfigError(f"Item {index} is of type {kind!r}; of outputs a context keeps function_call_output.")
    return None


def _answered(made: list[tuple[int, Mapping[str, Any]]]) -> Answered:
    texts: list[str] = []
    calls: list[ToolCall] = []
    for index, item in made:
        match item.get("type", "message"):
            case "message":
                texts.append(text_of(item.get("content"), index))
            case "function_call":
                calls.append(call(str(item.get("call_id")), item["name"], item.get("arguments") or ""))
    return Answered("".join(texts), tuple(calls), opaque_of(OPAQUE, [item for _, item in made], PLAIN))
