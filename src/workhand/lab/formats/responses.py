"""Items of OpenAI's Responses API, which Codex records too: messages, calls and their outputs, one after another.

What stands together without an output or a message of somebody else in between
came out of one call of the model.  Reasoning items are left out: what is sent
again of them is encrypted and no text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from workhand.core.events import Usage
from workhand.lab.formats.blocks import placeholder, text_of
from workhand.lab.formats.faults import Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import inner, string, written

_SILENT = frozenset({"reasoning", "item_reference", "ghost_snapshot", "mcp_list_tools", "other"})
_COMPACTIONS = frozenset({"compaction", "compaction_summary", "context_compaction"})
_EXIT_CODE = re.compile(r"(?:^|\n)(?:Exit code:|Process exited with code) (-?\d+)")
_HEAD_CHARS = 400  # an exit code stands before the output


class Items:
    """What turns items into parts, one by one."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._count = 0
        self._is_open = False

    def close(self) -> None:
        """Say that the answer so far is whole: what the model says next is another one."""
        self._is_open = False

    def take(self, item: dict[str, Any], at: float | None = None, usage: Usage | None = None) -> None:
        kind = string(item, "type") if "type" in item else "message"
        if kind == "message" and item.get("role") == "assistant":
            self._answer(text_of(item.get("content")), at, usage)
        elif kind == "message":
            self.close()
            role = string(item, "role")
            if role not in ("user", "system", "developer"):
                raise Unfit(f"there is no role {role!r}")
            self.parts.said("user" if role == "user" else "system", text_of(item.get("content")))
        elif kind in _COMPACTIONS:
            self.close()
            content = str(item.get("encrypted_content") or "")
            self.parts.said("user", placeholder(kind, content), resets=True)
        elif kind.endswith("_output"):
            self.close()
            output = item.get("output", item.get("tools"))
            self.parts.returned(item.get("call_id") or item.get("id"), _text(output), ok=_is_ok(output), at=at)
        elif kind.endswith("_call"):
            self._call(kind, item, at, usage)
        elif kind not in _SILENT:
            raise Unfit(f"there is no item type {kind!r}")

    def _answer(self, text: str, at: float | None, usage: Usage | None) -> None:
        self._count += not self._is_open
        self._is_open = True
        self.parts.answered(text, key=f"answer {self._count}", usage=usage, at=at)

    def _call(self, kind: str, item: dict[str, Any], at: float | None, usage: Usage | None) -> None:
        self._answer("", at, usage)
        tool = item.get("name") or kind.removesuffix("_call")
        arguments = next((item[name] for name in ("arguments", "input", "action", "code") if item.get(name)), None)
        id = item.get("call_id") or item.get("id")
        self.parts.called(id, str(tool), written(arguments))
        if kind == "mcp_call" and (item.get("output") or item.get("error")):  # it ran at the provider
            self.parts.returned(id, text_of(item.get("output") or item.get("error")), ok=not item.get("error"), at=at)


def _text(output: object) -> str:
    if isinstance(output, dict) and isinstance(output.get("content"), str | list):
        return text_of(output["content"])
    return text_of(output)


def _is_ok(output: object) -> bool:
    """Tell whether a result is one of success, as far as Codex's shapes of it say."""
    if isinstance(output, dict):
        return output.get("success") is not False
    text = text_of(output)
    if found := _EXIT_CODE.search(text[:_HEAD_CHARS]):
        return int(found[1]) == 0
    if not text.startswith('{"'):
        return True
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return True
    return inner({"fields": fields}, "fields", "metadata").get("exit_code") in (None, 0)
