"""The rules that a request of the Responses API has to keep, as sentences that name the one it breaks.

Reasoning is good as it was given out, before the item that it led to, and that item is not good without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from workhand.core.canonical import Json
from workhand.testing.chat_rules import choice_violation, chosen, tools_violation
from workhand.testing.exchange import sign, without

TOKENS_MIN = 16  # of an answer
REQUEST = (
    *("input", "instructions", "model", "tools", "tool_choice", "parallel_tool_calls", "text", "stream", "store"),
    *("include", "max_output_tokens", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("reasoning", "temperature", "top_p", "truncation", "user", "safety_identifier", "service_tier", "metadata"),
)
FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "request": frozenset(REQUEST),
        "message": frozenset({"type", "id", "role", "content", "status", "phase"}),
        "function_call": frozenset({"type", "id", "call_id", "name", "arguments", "status", "caller", "namespace"}),
        "function_call_output": frozenset({"type", "id", "call_id", "output", "status"}),
        "reasoning": frozenset({"type", "id", "summary", "content", "encrypted_content", "status"}),
    }
)
PARTS = MappingProxyType({"assistant": ("output_text", "refusal")})
INPUTS = ("input_text", "input_image", "input_file")
OURS = re.compile(r"(?:fc|msg)_(\d+)")  # ids of items that this server's reasoning led to


def violation(request: Any) -> str:
    """Say which rule a request breaks first; nothing if it keeps all of them."""
    return next(_violations(request), "")


def allowed(request: Any) -> tuple[bool, dict[str, Json]]:
    """Say whether a tool has to be called, and give the schemas of those that may be, by name."""
    schemas = {each["name"]: each.get("parameters", {}) for each in request.get("tools", ())}
    return chosen(request.get("tool_choice"), schemas, name)


def name(tool: Any) -> str:
    match tool:
        case {"type": "function", "name": str(stated)}:
            return stated
        case _:
            return ""


def kind(item: Any) -> str:
    """Give the type of an item: one with a role needs none."""
    return str(item.get("type", "message" if "role" in item else ""))


def is_models(item: Any) -> bool:
    """Say whether the model wrote an item."""
    return item.get("role") == "assistant" or kind(item) in ("function_call", "reasoning")


def encrypted(reasoning: Mapping[str, Any]) -> str:
    """Give what is to be the encrypted content of a reasoning item."""
    return sign(without(reasoning, "encrypted_content", "status"))


def _violations(request: Any) -> Iterator[str]:
    """Check rule by rule: what is checked later relies on what was checked before."""
    if not isinstance(request, dict):
        yield "We could not parse the JSON body of your request: an object is wanted."
    yield from (f"Unknown parameter: '{each}'." for each in sorted(request.keys() - FIELDS["request"]))
    yield from (f"Missing required parameter: '{each}'." for each in ("model", "input") if not request.get(each))
    if request.get("max_output_tokens", TOKENS_MIN) < TOKENS_MIN:
        yield f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {TOKENS_MIN}."
    if not isinstance(request["input"], list):
        yield "Invalid type for 'input': a list is wanted."  # a string may be sent, but none that an agent goes on from
    for i, item in enumerate(request["input"]):
        yield from _item(f"input[{i}]", item)
    yield from _calls(request["input"])
    yield from _reasoning(request["input"])
    yield from tools_violation(request.get("tools", []), name)
    yield from choice_violation(request, allowed)


def _item(where: str, item: Any) -> Iterator[str]:
    if not isinstance(item, dict) or kind(item) not in FIELDS or kind(item) == "request":
        yield f"Invalid value at '{where}': no known type of item."
    yield from (f"Unknown parameter: '{where}.{each}'." for each in sorted(item.keys() - FIELDS[kind(item)]))
    match kind(item):
        case "message" if item["role"] not in ("user", "assistant", "system", "developer"):
            yield (
                f"Invalid value: {item['role']!r} at '{where}.role'. Supported values are: 'assistant', 'system', "
                "'developer', and 'user'."
            )
        case "message":
            yield from _content(f"{where}.content", item.get("content"), PARTS.get(item["role"], INPUTS))
        case "function_call_output":
            yield from _content(f"{where}.output", item.get("output"), INPUTS)
        case "function_call" if not all(isinstance(item.get(each), str) for each in ("call_id", "name", "arguments")):
            yield f"Missing required parameter: '{where}.call_id', '{where}.name' or '{where}.arguments'."


def _content(where: str, content: Any, kinds: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(content, str | list) or content == []:
        yield f"Invalid type for '{where}': a string or a list of parts is wanted."
    for i, part in enumerate(content if isinstance(content, list) else []):
        if not isinstance(part, dict) or part.get("type") not in kinds:
            yield f"Invalid value at '{where}[{i}]'. Supported types are: {', '.join(kinds)}."


def _calls(items: list[Any]) -> Iterator[str]:
    """Hold every call to have one output behind it, and every output a call before it."""
    called: list[str] = []
    answered: list[str] = []
    for item in items:
        id = item.get("call_id")
        if kind(item) == "function_call":
            if id in called:
                yield f"Duplicate item found with call_id {id}."
            called.append(id)
        if kind(item) == "function_call_output":
            if id not in called:
                yield f"No tool call found for function call output with call_id {id}."
            if id in answered:
                yield f"Duplicate item found with call_id {id}: a function call has one output."
            answered.append(id)
    yield from (f"No tool output found for function call {id}." for id in called if id not in answered)


def _reasoning(items: list[Any]) -> Iterator[str]:
    given: set[str] = set()
    for i, item in enumerate(items):
        if kind(item) == "reasoning":
            id = str(item.get("id"))
            given.add(id)
            if "encrypted_content" not in item:
                yield f"Item with id '{id}' not found. Items are not persisted here: send their 'encrypted_content'."
            if item["encrypted_content"] != encrypted(item):
                yield f"The encrypted content for item {id} could not be verified."
            if not (items[i + 1 :] and is_models(items[i + 1])):
                yield f"Item '{id}' of type 'reasoning' was provided without its required following item."
        elif (made := OURS.fullmatch(str(item.get("id")))) and f"rs_{made[1]}" not in given:
            yield (
                f"Item '{item['id']}' of type '{kind(item)}' was provided without its required 'reasoning' item: "
                f"'rs_{made[1]}'."
            )
