"""The ``trajectory-v1`` format: one JSON object a line, a header first, then events in the order of the model.

It is the form in which imported sessions are kept, so it is written here too:
equal traces give equal bytes, and what was written reads back equal.  In files
from elsewhere call ids may repeat, so a result belongs to the latest open call of
its id, and every call is given an id of its own.  A call that was parsed out of
the answer's text is marked as being in it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from typing import Any

from workhand.core import canonical
from workhand.lab.formats.faults import Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import moment, objects, parse_lines, stated, string, tool_names, written
from workhand.lab.formats.usage import recorded, usage
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

FORMAT = "trajectory-v1"


def knows(values: Iterable[object]) -> bool:
    return any(isinstance(each, dict) and each.get("format") == FORMAT for each in values)


def read(lines: Iterable[str], name: str) -> Read:
    """Read the lines of one file; ``name`` is the trace's id where its header has none."""
    reader = _Reader()
    faults = parse_lines(lines).each(reader.take)
    header = reader.header
    traces = reader.parts.trace(
        str(header.get("id", name)),
        str(header.get("source", "unknown")),
        model=str(header.get("model", "")),
        tools=tool_names(list(objects(header.get("tools_observed")))),
        outcome=stated(header.get("outcome")),
    )
    return Read(traces, faults)


def write(trace: Trace) -> bytes:
    """Give the file of a trace, packed."""
    header = {
        "type": "header",
        "format": FORMAT,
        "id": trace.id,
        "source": trace.source,
        "model": trace.model,
        "tools_observed": [{"name": name} for name in trace.tools],
        "outcome": trace.outcome,
    }
    lines = [canonical.encode(header), *(canonical.encode(event) for event in _events(trace.parts))]
    return gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0)


class _Reader:
    """The header, and the parts so far."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.parts = Parts()

    def take(self, event: dict[str, Any]) -> None:
        at = moment(event.get("at"))
        match string(event, "type"):
            case "header":
                self.header = event
            case "system" | "user" as role:
                self.parts.said(role, string(event, "text"), resets=bool(event.get("context_reset")))
            case "assistant":
                self.parts.answered(string(event, "text"), usage=usage(event.get("usage")), at=at)
            case "tool_call":
                arguments = event["arguments_raw"] if "arguments_raw" in event else event.get("arguments")
                id, tool, in_text = string(event, "call_id"), string(event, "name"), bool(event.get("derived"))
                self.parts.called(id, tool, written(arguments), in_text=in_text)
            case "tool_result":
                id, text = string(event, "call_id"), string(event, "text")
                self.parts.returned(id, text, ok=not event.get("is_error"), at=at)
            case kind:
                raise Unfit(f"there is no event type {kind!r}")


def _events(parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    step = 0
    names: dict[str, str] = {}
    for part in parts:
        match part:
            case Said(role, text, resets):
                yield {"type": role, "text": text, **({"context_reset": True} if resets else {})}
            case Answer(text, calls, counts, at):
                step += 1
                billed = {} if counts is None else {"usage": recorded(counts)}
                yield {"type": "assistant", "step": step, "text": text, **billed, **_at(at)}
                names |= {call.id: call.tool for call in calls}
                yield from (_call_event(call, step) for call in calls)
            case Returned(call_id, text, ok, at):
                result = {"call_id": call_id, "name": names.get(call_id, ""), "text": text, "is_error": not ok}
                yield {"type": "tool_result", "step": step, **result, **_at(at)}


def _call_event(call: Call, step: int) -> dict[str, Any]:
    event = {"type": "tool_call", "step": step, "call_id": call.id, "name": call.tool, "arguments_raw": call.arguments}
    return {**event, "derived": True} if call.in_text else event


def _at(at: float | None) -> dict[str, float]:
    return {} if at is None else {"at": at}
