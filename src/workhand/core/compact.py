"""Compact forms of the model's own calls.

A call that wrote a file holds its whole content, and so does every prompt after
it.  Once the result is old the content goes, too: what stays says how much it
was, what it was (by digest) and where it can be read.  The original stays in the
log.  A model that copies such a form into a call of its own has written a
placeholder instead of content, so a call that holds one is refused.
"""

from __future__ import annotations

import json

from workhand.core import canonical
from workhand.core.canonical import Json
from workhand.core.events import ToolCall

MARK = "[compacted: "
TEXT_CHARS_MAX = 400  # a shorter argument stays as it is
HEAD_CHARS = 80


def arguments(call: ToolCall) -> str:
    """Give the arguments of a call with every long text in them replaced by what leads back to it."""
    stated: Json = json.loads(call.arguments)
    short = _shortened(stated, _where(stated, call))
    return call.arguments if short == stated else canonical.encode(short).decode()


def saving(call: ToolCall) -> int:
    """Say how many bytes shorter a call is in its compact form; 0 where it has none."""
    if len(call.arguments) <= TEXT_CHARS_MAX:
        return 0
    try:
        short = arguments(call)
    except (ValueError, RecursionError):  # what the model wrote is no JSON: it stays as it is
        return 0
    return max(0, len(call.arguments.encode()) - len(short.encode()))


def holds_mark(call: ToolCall) -> bool:
    """Say whether a call holds a compact form where content should be."""
    return f'"{MARK}' in call.arguments


def path(call: ToolCall) -> str:
    """Say where the model can read the arguments of a call as it wrote them."""
    return f".workhand/calls/{call.id}.json"


def original(call: ToolCall) -> bytes:
    """Give what stands at that path."""
    return call.arguments.encode(errors="replace")


def _where(stated: Json, call: ToolCall) -> str:
    target = stated.get("path") if isinstance(stated, dict) else None
    read = f"read {target}; " if isinstance(target, str) and len(target) <= TEXT_CHARS_MAX else ""
    return f"{read}as written: {path(call)}"


def _shortened(value: Json, where: str) -> Json:
    match value:
        case str() if len(value) > TEXT_CHARS_MAX:
            size = f"{len(value.encode(errors='replace')):,} bytes, sha256 {canonical.digest(value.encode())[:12]}"
            return f"{MARK}{size}; {where}] {value[:HEAD_CHARS]}…"
        case list():
            return [_shortened(each, where) for each in value]
        case dict():
            return {key: _shortened(each, where) for key, each in value.items()}
        case _:
            return value
