"""Google's ``generateContent``, the way back: a stream of events to an answer, an error to its reaction.

Pure: lines go in, one answer comes out, the same for a stream and for a whole body.
The parts are kept as they came, with their signatures and the ids of calls, for the
model wants to see them again unchanged; only text that was streamed apart is joined, and
calls after the first are left out, since nothing will answer them.
"""

from __future__ import annotations

import json
from typing import Any

from workhand.core.events import ModelAnswered, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.errors import MalformedAnswer
from workhand.models.wire import failures
from workhand.models.wire.answered import Parts, answered, broken_off
from workhand.models.wire.arguments import sound
from workhand.models.wire.dialect import Server
from workhand.models.wire.stream import Lines, parsed

DECLINED = frozenset(
    {
        "BLOCKLIST",
        "ESCALATION",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MISSING_THOUGHT_SIGNATURE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "PUP_LIMITED_DISABLED",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
"""Reasons to end that the same request would meet again.  All others but STOP and MAX_TOKENS are accidents."""


class GeminiReading:
    """One answer while it arrives."""

    def __init__(self, server: Server, prompt: Prompt, mask: Mask) -> None:
        self._server, self._prompt, self._mask = server, prompt, mask
        self._lines = Lines()
        self._parts: list[dict[str, Any]] = []
        self._calls: list[tuple[str, str]] = []
        self._finish = self._why = self._blocked = ""
        self._usage: dict[str, Any] = {}

    @property
    def begun(self) -> bool:
        """Whether any part of an answer has arrived."""
        return bool(self._parts)

    @property
    def ended(self) -> bool:
        return self._lines.ended  # this API has no mark for the end: its streams end with their connection

    def feed(self, line: str) -> Delta | None:
        chunk = self._lines.event(line)
        return self._chunk(chunk) if chunk else None

    def whole(self, body: bytes) -> None:
        self._chunk(parsed(body) or {})

    def _chunk(self, chunk: dict[str, Any]) -> Delta | None:
        if chunk.get("error"):
            raise failures.inside(chunk, self._server)
        self._usage |= chunk.get("usageMetadata") or {}
        self._blocked = (chunk.get("promptFeedback") or {}).get("blockReason") or self._blocked
        candidates: list[dict[str, Any]] = chunk.get("candidates") or [{}]
        candidate = candidates[0]
        self._finish = candidate.get("finishReason") or self._finish
        self._why = candidate.get("finishMessage") or self._why
        deltas = [self._part(part) for part in (candidate.get("content") or {}).get("parts") or ()]
        shown = [delta for delta in deltas if delta is not None]
        if not shown:
            return None
        return Delta(shown[0].source, "".join(delta.text for delta in shown if delta.source == shown[0].source))

    def _part(self, part: dict[str, Any]) -> Delta | None:
        """Take a part; give what of it can be shown."""
        call = part.get("functionCall")
        if call:
            name, arguments = str(call.get("name") or ""), json.dumps(sound(call.get("args") or {}))
            self._calls.append((name, arguments))
            if len(self._calls) == 1:
                self._parts.append(part)
            return Delta("call", name + arguments)
        if part == {"text": ""}:
            return None
        before = self._parts[-1] if self._parts else {}
        if part.keys() == before.keys() <= {"text", "thought"} and part.get("thought") == before.get("thought"):
            self._parts[-1] = {**before, "text": before["text"] + part["text"]}
        else:
            self._parts.append(part)
        text = _said(part)
        return Delta("text", text) if text else None

    def answer(self) -> ModelAnswered:
        if self._blocked:
            raise failures.declined(self._server, f"the prompt was blocked, {self._blocked}")
        if not self._finish:
            raise broken_off(self._server, begun=self.begun)
        reason = f"{self._finish}: {self._why}" if self._why else self._finish
        if self._finish in DECLINED:
            raise failures.declined(self._server, reason)
        if self._finish not in ("STOP", "MAX_TOKENS"):
            raise MalformedAnswer(f"The model {self._server.model!r} ended its answer with {reason!r}; ask again.")
        only_text = all(part.keys() == {"text"} for part in self._parts)  # it would be written the same again
        parts = Parts(
            text="".join(map(_said, self._parts)),
            calls=self._calls,
            usage=_usage(self._usage) if self._usage else None,
            cut=self._finish == "MAX_TOKENS",
            opaque=None if only_text else [sound(part) for part in self._parts],
        )
        return answered(self._server, self._prompt, self._mask, parts)


def _said(part: dict[str, Any]) -> str:
    """Give the text that a part says aloud."""
    text = part.get("text")
    return text if isinstance(text, str) and not part.get("thought") else ""


def _usage(counts: dict[str, Any]) -> Usage:
    thought = counts.get("thoughtsTokenCount") or 0
    return Usage(
        input_tokens=(counts.get("promptTokenCount") or 0) + (counts.get("toolUsePromptTokenCount") or 0),
        cached_tokens=counts.get("cachedContentTokenCount") or 0,
        output_tokens=(counts.get("candidatesTokenCount") or 0) + thought,
        reasoning_tokens=thought,
    )
