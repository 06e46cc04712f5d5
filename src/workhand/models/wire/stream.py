"""The lines of a server-sent event stream, as every provider uses them: one JSON object a ``data:`` line."""

from __future__ import annotations

import json
from typing import Any

from workhand.errors import MalformedAnswer

ANSWER_BYTES_MAX = 16 << 20
_SHOWN_CHARS = 200


class Lines:
    """Reads one stream; ``ended`` once the mark ``[DONE]`` was seen."""

    def __init__(self) -> None:
        self._bytes = 0
        self.ended = False

    def event(self, line: str) -> dict[str, Any] | None:
        """Give the object in a line; nothing for comments, names of events, and other values."""
        self._bytes += len(line)
        if self._bytes > ANSWER_BYTES_MAX:
            raise MalformedAnswer(f"The answer is longer than {ANSWER_BYTES_MAX} bytes; ask again.")
        if not line.startswith("data:"):
            return None
        content = line.removeprefix("data:").strip()
        if content == "[DONE]":
            self.ended = True
            return None
        return parsed(content)


def parsed(content: str | bytes) -> dict[str, Any] | None:
    """Read the JSON of an event or of a whole answer; nothing if it is no object."""
    try:
        value = json.loads(content)
    except ValueError as error:
        shown = content[:_SHOWN_CHARS]
        text = shown if isinstance(shown, str) else shown.decode(errors="replace")
        raise MalformedAnswer(f"The answer holds {text!r}, which is not JSON; ask again.") from error
    return value if isinstance(value, dict) else None
