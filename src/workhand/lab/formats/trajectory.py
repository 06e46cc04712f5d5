"""The ``trajectory-v1`` format: one JSON object a line, a header first, then events in the order of the model.

Call ids may repeat inside a file, so a result belongs to the latest open call of
its id; here every call gets an id of its own.  A call that was parsed out of the
answer's text is marked as being in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

FORMAT = "trajectory-v1"


def read(lines: Iterable[str], name: str) -> Read:
    """Read the lines of one file; ``name`` is the trace's id where its header has none."""
    reader = _Reader()
    faults: list[Fault] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            reader.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            faults.append(Fault(number, f"{type(error).__name__}: {error}"))
    header = reader.header
    tools = tuple(str(tool["name"]) for tool in header.get("tools_observed", ()) if isinstance(tool, dict))
    trace = Trace(
        str(header.get("id", name)),
        str(header.get("source", "unknown")),
        tuple(reader.parts),
        str(header.get("model", "")),
        tools,
    )
    return Read((trace,) if trace.parts else (), tuple(faults))


class _Reader:
    """The parts so far, and which recorded call id now means which call."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.parts: list[Part] = []
        self._open: dict[str, list[str]] = {}
        self._count = 0

    def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "header":
                self.header = event
            case "system" | "user" as role:
                self.parts.append(Said(role, event["text"], bool(event.get("context_reset"))))
            case "assistant":
                self.parts.append(Answer(event["text"]))
            case "tool_call":
                self._take_call(event)
            case "tool_result":
                self._take_result(event)
            case kind:
                raise ValueError(f"there is no event type {kind!r}")

    def _take_call(self, event: dict[str, Any]) -> None:
        at = next(index for index in range(len(self.parts) - 1, -1, -1) if isinstance(self.parts[index], Answer))
        answer = self.parts[at]
        assert isinstance(answer, Answer)
        self._count += 1
        id = f"t{self._count}"
        written = event.get("arguments_raw") or json.dumps(event.get("arguments"), ensure_ascii=False)
        call = Call(id, event["name"], written, bool(event.get("derived")))
        self.parts[at] = Answer(answer.text, (*answer.calls, call), answer.usage, answer.at)
        self._open.setdefault(str(event["call_id"]), []).append(id)

    def _take_result(self, event: dict[str, Any]) -> None:
        waiting = self._open.get(str(event["call_id"]), [])
        if not waiting:
            raise ValueError(f"no open call has the id {event['call_id']!r}")
        self.parts.append(Returned(waiting.pop(0), event["text"], not event.get("is_error")))
