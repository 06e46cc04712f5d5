"""The ChatML form of a prompt, and of an answer: the pure half of the local model.

A turn is ``<|im_start|>ROLE``, a line feed, its text, ``<|im_end|>`` and a line
feed.  Only the two markers are special tokens, and only this module writes
them: the text between them is tokenized as plain text, so nothing that a user
or a tool wrote can end a turn or begin one.

What the model itself said is sent back as the tokens it said it with.  The
same text has many tokenizations, and a constrained decoder picks odd ones;
tokenizing it again would lose the cache from there on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from workhand.core.canonical import Json, encode
from workhand.core.events import ToolCall
from workhand.models.grammar import CLOSING, OPENING
from workhand.models.wire.pieces import Answered, Definition, Returned, Said, definitions, properties, turn

ASSISTANT = "assistant\n"


@dataclass(frozen=True, slots=True)
class Words:
    """What stands between the markers of a turn: text, and tokens after it."""

    text: str
    tokens: tuple[int, ...] = ()


def system_words(tools: bytes, system: bytes) -> Words:
    """Give the first turn: the system text and one line for each tool."""
    lines = [
        turn(system).text,
        "",
        "Tools:",
        *map(_line, definitions(tools)),
        "",
        'Call a tool with <tool_call>{"name": NAME, "arguments": {...}}</tool_call>.',
    ]
    return Words("system\n" + "\n".join(lines))


def turn_words(piece: bytes, model: str) -> Words:
    """Give a turn; an answer of ``model`` itself is given as the tokens it left."""
    match turn(piece):
        case Said(role, text):
            return Words(f"{role}\n{text}")
        case Returned(_, text):
            return Words(f"tool\n{text}")
        case Answered(text, calls, opaque):
            tokens = _tokens(opaque, model)
            return Words(ASSISTANT, tokens) if tokens else Words(ASSISTANT + text + "".join(map(_call_text, calls)))


def opaque_tokens(model: str, tokens: list[int]) -> str:
    """Write down the tokens of an answer for ``turn_words`` to read."""
    return encode({"model": model, "tokens": tokens}).decode()


def read_answer(content: str) -> tuple[str, tuple[ToolCall, ...]] | None:
    """Read an answer into its text and its call; ``None`` if it is a call that breaks off."""
    if not content.startswith(OPENING):
        return content, ()
    try:
        call = json.loads(content.removeprefix(OPENING).removesuffix(CLOSING))
        return "", (ToolCall("", call["name"], encode(call["arguments"]).decode()),)
    except (ValueError, KeyError, TypeError):
        return None


def _line(tool: Definition) -> str:
    required = tool.parameters.get("required")
    names = required if isinstance(required, list) else []
    fields = (f"{name}{'' if name in names else '?'}: {_type(schema)}" for name, schema in properties(tool.parameters))
    return f"- {tool.name}({', '.join(fields)}): {' '.join(tool.description.split())}"


def _type(schema: Json) -> str:
    match schema:
        case {"enum": [*values]}:
            return "|".join(json.dumps(value, ensure_ascii=False) for value in values)
        case {"type": "array", "items": each}:
            return f"[{_type(each)}]"
        case {"type": str(name)}:
            return name
        case _:
            return "any"


def _call_text(call: ToolCall) -> str:
    return f'{OPENING}{{"name": {json.dumps(call.tool, ensure_ascii=False)}, "arguments": {call.arguments}}}{CLOSING}'


def _tokens(opaque: str | None, model: str) -> tuple[int, ...]:
    if opaque is None:
        return ()
    try:
        match json.loads(opaque):
            case {"model": str(name), "tokens": [*tokens]} if name == model:
                return tuple(int(token) for token in tokens)
    except ValueError:  # another provider's, in a form of its own
        return ()
    return ()
