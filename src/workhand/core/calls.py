"""A call as a person reads it: its arguments as an object, and the one that says most."""

from __future__ import annotations

import json

from workhand.core.canonical import Json
from workhand.core.events import ToolCall

TELLING = ("command", "path", "query", "url", "text", "goal", "regex", "glob", "shell")  # best first


def stated(call: ToolCall) -> dict[str, Json]:
    """Give the arguments of a call; nothing where what the model wrote is no object."""
    try:
        read: Json = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def telling(call: ToolCall) -> str:
    """Give the argument that says most about a call."""
    arguments = stated(call)
    if not arguments and call.arguments != "{}":  # no object: as it was written
        return call.arguments
    return next((text for name in TELLING if isinstance(text := arguments.get(name), str) and text), "")
