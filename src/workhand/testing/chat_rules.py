"""The rules that a request of the Chat Completions API has to keep, as sentences that name the one it breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from workhand.core.canonical import Json

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
CONTENT = ("text", "image_url", "input_audio", "file", "refusal")
REQUEST = (
    *(
        "messages",
        "model",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "stream",
        "stream_options",
    ),
    *("max_tokens", "max_completion_tokens", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("reasoning_effort", "seed", "stop", "store", "temperature", "top_p", "user", "verbosity", "safety_identifier"),
)
FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "request": frozenset(REQUEST),
        "system": frozenset({"role", "content", "name"}),
        "developer": frozenset({"role", "content", "name"}),
        "user": frozenset({"role", "content", "name"}),
        "assistant": frozenset({"role", "content", "name", "refusal", "tool_calls", "reasoning_content"}),
        "tool": frozenset({"role", "content", "tool_call_id"}),
    }
)
"""The fields that are known, of those that make sense for an agent's request; reasoning is one of other servers."""


def violation(request: Any) -> str:
    """Say which rule a request breaks first; nothing if it keeps all of them."""
    return next(_violations(request), "")


def allowed(request: Any) -> tuple[bool, dict[str, Json]]:
    """Say whether a tool has to be called, and give the schemas of those that may be, by name."""
    schemas = {each["function"]["name"]: each["function"].get("parameters", {}) for each in request.get("tools", ())}
    choice = request.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        choice = choice["allowed_tools"] | {"type": "allowed_tools"}
    return chosen(choice, schemas, name)


def chosen(choice: Any, schemas: dict[str, Json], named: Callable[[Any], str]) -> tuple[bool, dict[str, Json]]:
    """Read a choice whose mode and tools stand beside its type.

    Raises ``KeyError`` for a tool that there is not, ``ValueError`` for what is no choice.
    """
    match choice:
        case "none":
            return False, {}
        case None | "auto" | "required":
            return choice == "required", schemas
        case {"type": "function"}:
            return True, {named(choice): schemas[named(choice)]}
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": [*tools]}:
            return mode == "required", {each: schemas[each] for each in map(named, tools)}
        case _:
            raise ValueError(f"Invalid value for 'tool_choice': {choice!r}.")


def name(tool: Any) -> str:
    """Give the name of a function, as it is nested here."""
    match tool:
        case {"type": "function", "function": {"name": str(stated)}}:
            return stated
        case _:
            return ""


def tools_violation(tools: list[Any], named: Callable[[Any], str]) -> Iterator[str]:
    names = list(map(named, tools))
    for i, each in enumerate(names):
        if not NAME.fullmatch(each):
            yield f"Invalid 'tools[{i}].name': {each!r} does not match the pattern '^[a-zA-Z0-9_-]+$'."
        if each in names[:i]:
            yield f"Invalid 'tools[{i}].name': {each!r} is there twice."


def choice_violation(request: dict[str, Any], read: Callable[[Any], object]) -> Iterator[str]:
    for each in ("tool_choice", "parallel_tool_calls"):
        if each in request and not request.get("tools"):
            yield f"'{each}' is only allowed when 'tools' are specified."
    try:
        read(request)
    except ValueError as error:
        yield str(error)
    except KeyError as error:
        yield f"Invalid value for 'tool_choice': {error} is not in 'tools'."


def _violations(request: Any) -> Iterator[str]:
    """Check rule by rule: what is checked later relies on what was checked before."""
    if not isinstance(request, dict):
        yield "We could not parse the JSON body of your request: an object is wanted."
    yield from (
        f"Unrecognized request argument supplied: {each}" for each in sorted(request.keys() - FIELDS["request"])
    )
    yield from (f"Missing required parameter: '{each}'." for each in ("model", "messages") if not request.get(each))
    for i, message in enumerate(request["messages"]):
        yield from _message(f"messages[{i}]", message)
    yield from _pairs(request["messages"])
    yield from tools_violation(request.get("tools", []), name)
    yield from choice_violation(request, allowed)
    if "stream_options" in request and not request.get("stream"):
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."


def _message(where: str, message: Any) -> Iterator[str]:
    role = str(message.get("role")) if isinstance(message, dict) else ""
    if role not in FIELDS or role == "request":
        yield f"Invalid value: {role!r} at '{where}.role'. Supported values are: 'system', 'assistant', 'user', 'tool'."
    yield from (f"Unknown parameter: '{where}.{each}'." for each in sorted(message.keys() - FIELDS[role]))
    content = message.get("content")
    if content is None and not (role == "assistant" and message.get("tool_calls")):
        yield f"Invalid value for 'content' at '{where}': expected a string, got null."
    if isinstance(content, list):
        kinds = [part.get("type") if isinstance(part, dict) else None for part in content]
        yield from (f"Invalid value: {kind!r} at '{where}.content'." for kind in kinds if kind not in CONTENT)
    elif not isinstance(content, str | None):
        yield f"Invalid type for '{where}.content': a string or a list of parts is wanted."
    for call in message.get("tool_calls", ()):
        match call:
            case {"id": str(), "type": "function", "function": {"name": str(called), "arguments": str(), **rest}} if (
                NAME.fullmatch(called) and not rest
            ):
                pass
            case _:
                yield f"Invalid value at '{where}.tool_calls': {call!r}."


def _pairs(messages: list[Any]) -> Iterator[str]:
    """Hold every call to be answered right behind it, and every result to have its call there."""
    waiting: list[str] = []
    for i, message in enumerate([*messages, {"role": "end"}]):
        if message["role"] == "tool":
            id = message.get("tool_call_id")
            if id not in waiting:
                yield (
                    f"Invalid parameter: messages[{i}] with role 'tool' must be a response to a preceding message "
                    f"with 'tool_calls': {id!r}."
                )
            waiting.remove(id)
        elif waiting:
            yield (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}"
            )
        else:
            waiting = [call["id"] for call in message.get("tool_calls", ())]
