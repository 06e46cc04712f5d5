"""Codex's rollouts: the JSON Lines files below ``~/.codex/sessions``.

Made from the types of ``RolloutItem`` and ``ResponseItem`` in the public source of
Codex (codex-rs/protocol, end of 2025 and later) and descriptions of its files:
``session_meta``, ``turn_context``, ``response_item``, ``event_msg``, ``compacted``.
Files of before September 2025, which hold bare items, are read too.

Counts come with ``token_count`` events after the answer they belong to; the same
event is at times written again, and counts once.  A compaction drops the context,
and what replaces it stands in one text.  Reasoning is left out: it is sent again
encrypted, and no text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.faults import Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import inner, moment, objects, parse, string, tool_names, word
from workhand.lab.formats.responses import Items
from workhand.lab.formats.usage import usage

_KINDS = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
_SILENT = frozenset({"token_usage_record", "world_state", "realtime_item", "inter_agent_communication_metadata"})


def knows(values: Iterable[object]) -> bool:
    return any(isinstance(each, dict) and (_is_line(each) or _is_old_header(each)) for each in values)


def read(text: str, name: str) -> Read:
    """Read the lines of one rollout; ``name`` is the trace's id where the file states none."""
    reader = _Reader()
    faults = parse(text).each(reader.take)
    meta = reader.meta
    id = str(meta.get("id") or meta.get("session_id") or name)
    return Read(
        reader.parts.trace(id, "codex", model=reader.model, tools=tool_names(meta.get("dynamic_tools"))), faults
    )


class _Reader:
    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.model = ""
        self.parts = Parts()
        self._items = Items(self.parts)
        self._total: object = None  # of the latest counts: the same ones again are no other call's

    def take(self, line: dict[str, Any]) -> None:
        if "payload" not in line:
            self._take_old(line)
            return
        payload, at = inner(line, "payload"), moment(line.get("timestamp"))
        match string(line, "type"):
            case "session_meta":
                self._begin(payload)
            case "turn_context":
                self.model = self.model or str(payload.get("model") or "")
            case "response_item":
                self._items.take(payload, at)
            case "event_msg":
                self._note(payload)
            case "compacted":
                self._compact(payload)
            case kind if kind not in _SILENT:
                raise Unfit(f"there is no line type {kind!r}")

    def _take_old(self, line: dict[str, Any]) -> None:
        if _is_old_header(line):
            self._begin(line)
        elif line.get("record_type") != "state":
            self._items.take(line, moment(line.get("timestamp")))

    def _begin(self, meta: dict[str, Any]) -> None:
        if self.meta:  # a fork repeats its parent's
            return
        self.meta = meta
        base = inner(meta, "base_instructions").get("text")
        if isinstance(base, str) and base:
            self.parts.said("system", base)

    def _note(self, event: dict[str, Any]) -> None:
        counted = inner(event, "info")
        if event.get("type") != "token_count" or not counted:
            return
        total = counted.get("total_token_usage")
        if total is None or total != self._total:
            self._total = total
            self._items.close()
            self.parts.billed(usage(counted.get("last_token_usage")))

    def _compact(self, payload: dict[str, Any]) -> None:
        self._items.close()
        kept = [text_of(item.get("content")) for item in objects(payload.get("replacement_history"))]
        text = "\n\n".join(each for each in kept if each) or text_of(payload.get("message"))
        self.parts.said("user", text, resets=True)


def _is_line(line: dict[str, Any]) -> bool:
    return word(line, "type") in _KINDS and isinstance(line.get("payload"), dict)


def _is_old_header(line: dict[str, Any]) -> bool:
    return "type" not in line and {"id", "timestamp", "instructions"} <= line.keys()
