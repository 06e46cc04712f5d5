"""OpenAI's two APIs: messages of Chat Completions, items of Responses, and logged requests with their responses.

Made from the APIs' published references (2025): roles system, developer, user,
assistant, tool and the older ``function``; ``tool_calls`` of the kinds function
and custom, and the older ``function_call``; content as text or parts.  Many other
servers and most data sets of agents use the same messages.

``reasoning_content``, which some servers add, is left out: it is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from workhand.core.events import Usage
from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.conversations import Exchange, read_exchanges
from workhand.lab.formats.faults import Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import (
    inner,
    listed,
    mapping,
    moment,
    objects,
    stated,
    string,
    tool_names,
    word,
    written,
)
from workhand.lab.formats.responses import Items
from workhand.lab.formats.usage import usage

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_ITEMS = frozenset({"message", "reasoning", "function_call", "function_call_output", "custom_tool_call"})


def knows(values: Iterable[object]) -> bool:
    return any(
        _is_ours(fields) for value in values for fields in objects(value if isinstance(value, list) else [value])
    )


def read(text: str, name: str) -> Read:
    """Read the conversations of one file."""
    return read_exchanges(text, name, "openai", _opened, _taking)


def _taking(parts: Parts) -> Callable[[dict[str, Any]], None]:
    items = Items(parts)

    def take(message: dict[str, Any]) -> None:
        if ("type" in message and word(message, "role") not in _ROLES) or message.get("type") == "message":
            items.take(message, moment(message.get("timestamp")), usage(message.get("usage")))
            return
        items.close()
        _take(parts, message)

    return take


def _take(parts: Parts, message: dict[str, Any]) -> None:
    """Add one message of Chat Completions."""
    content, at = message.get("content"), moment(message.get("timestamp", message.get("created_at")))
    match string(message, "role"):
        case "system" | "developer":
            parts.said("system", text_of(content))
        case "user":
            parts.said("user", text_of(content))
        case "assistant":
            parts.answered(text_of(content) or text_of(message.get("refusal")), usage=_counts(message), at=at)
            for call in listed(message.get("tool_calls") or [], "its 'tool_calls'"):
                _take_call(parts, mapping(call, "a call"))
            if function := message.get("function_call"):
                _take_call(parts, {"function": function})
        case "tool" | "function":
            parts.returned(message.get("tool_call_id"), text_of(content), ok=not message.get("is_error"), at=at)
        case role:
            raise Unfit(f"there is no role {role!r}")


def _take_call(parts: Parts, call: dict[str, Any]) -> None:
    asked = next((each for name in ("function", "custom") if (each := inner(call, name))), call)
    parts.called(call.get("id"), string(asked, "name"), written(asked.get("arguments", asked.get("input"))))


def _counts(message: dict[str, Any]) -> Usage | None:
    """Give the counts that recorders put beside a message."""
    response = inner(message, "extra", "response") or inner(message, "response_metadata")
    return usage(message.get("usage")) or usage(response.get("usage"))


def _opened(fields: dict[str, Any]) -> Exchange | None:
    """Find a request's messages or items in a record, and the answer if it is logged with them."""
    if word(fields, "type").endswith("_call"):  # an item, whose input is no request's
        return None
    request = next((each for key in ("request", "body", "kwargs") if (each := inner(fields, key))), fields)
    response = inner(fields, "response", "body") or inner(fields, "response") or fields
    messages = request.get("messages", request.get("input"))
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list):
        return None
    instructions = request.get("instructions")
    system = [{"role": "system", "content": instructions}] if isinstance(instructions, str) else []
    choice = next(objects(response.get("choices")), {})
    output = response.get("output")
    return Exchange(
        id=str(fields.get("id") or fields.get("custom_id") or fields.get("instance_id") or ""),
        messages=(*system, *messages),
        answers=(choice["message"],) if inner(choice, "message") else tuple(objects(output)),
        counts=response.get("usage"),
        model=str(request.get("model") or response.get("model") or ""),
        tools=tool_names(request.get("tools")),
        outcome=stated(inner(fields, "info").get("exit_status")),
    )


def _is_ours(fields: dict[str, Any]) -> bool:
    if word(fields, "role") in _ROLES and ("content" in fields or "tool_calls" in fields or "function_call" in fields):
        return True
    if word(fields, "type") in _ITEMS and ("role" in fields or "call_id" in fields or "summary" in fields):
        return True
    opened = _opened(fields)
    return bool(opened) and any(_is_ours(message) for message in objects(list(opened.messages if opened else ())))
