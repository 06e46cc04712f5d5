"""The Responses API: the input items of a prompt, and an agent's own items into a context.

The way out is the wire half that Workhand's own client uses.  An answer that holds more than
words and function calls, such as reasoning, is kept item by item as it came and shown
again so, except that its calls have the ids on record: not every server gives each its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from workhand.context.context import Context
from workhand.context.openai import latest_used, text_of
from workhand.context.turns import Answered, Placed, Returned, Said, Told, call, check_system, record
from workhand.core.canonical import encode
from workhand.core.events import ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire import pieces
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_responses import PROVIDER, OpenAIResponses
from workhand.models.wire.openai_responses_answer import CALL, usage_of

__all__ = ["items", "record_items", "request", "usage_of"]

OPAQUE = "openai-responses"
PLAIN = ("message", CALL)  # what can be written again from its text and calls
ANYTHING = Mask("auto", ())


def request(prompt: Prompt) -> dict[str, Any]:
    """Give the fields of a request that the context decides: ``instructions``, ``input`` and ``tools``."""
    shown = replace(prompt, body=tuple(map(_shown, prompt.body)))
    asked = json.loads(OpenAIResponses(Server(PROVIDER, "", "")).request(shown, ANYTHING, session="").body)
    return {key: asked[key] for key in ("instructions", "input", "tools") if key in asked}


def items(prompt: Prompt) -> list[dict[str, Any]]:
    """Give the input items; the recital, if any, is the last one."""
    given: list[dict[str, Any]] = request(prompt)["input"]
    return given


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


@lru_cache(maxsize=8_192)
def _shown(piece: bytes) -> bytes:
    """Give an answer whose items were kept as one of the server's own, with the ids on record."""
    if not piece.startswith(b'{"calls":'):  # only answers have that key
        return piece
    answer = pieces.turn(piece)
    kept = pieces.echo(answer.opaque, OPAQUE) if isinstance(answer, pieces.Answered) else None
    if not isinstance(kept, list):
        return piece
    block = json.loads(piece)
    ids = iter([made["id"] for made in block["calls"]])
    parts = [part for part in kept if isinstance(part, dict)]
    named = [{**part, "call_id": next(ids)} if part.get("type") == CALL else part for part in parts]
    return encode(block | {"opaque": encode({PROVIDER: named}).decode()})


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
    plain = all(item.get("type", "message") in PLAIN for _, item in made)
    opaque = None if plain else encode({OPAQUE: [dict(item) for _, item in made]}).decode()
    return Answered("".join(texts), tuple(calls), opaque)
