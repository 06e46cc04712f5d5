"""The Responses API, the way back: a stream of events to an answer, an error to its reaction.

Pure: lines go in, one answer comes out, the same for a stream and for a whole body, for the
last event of a stream holds the whole response; from a server that leaves it out, the items
are taken as they were finished.  They are kept, so that the server sees again what it wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workhand.core.canonical import Json
from workhand.core.events import ModelAnswered, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.errors import WorkhandError
from workhand.models.wire import failures
from workhand.models.wire.answered import Parts, answered, broken_off
from workhand.models.wire.arguments import sound
from workhand.models.wire.dialect import Server
from workhand.models.wire.stream import Lines, parsed

CALL = "function_call"
REFUSED = frozenset(
    {
        "bio_policy",
        "data_residency_mismatch",
        "empty_image_file",
        "failed_to_download_image",
        "image_content_policy_violation",
        "image_file_not_found",
        "image_file_too_large",
        "image_parse_error",
        "image_too_large",
        "image_too_small",
        "invalid_base64_image",
        "invalid_image",
        "invalid_image_format",
        "invalid_image_mode",
        "invalid_image_url",
        "invalid_prompt",
        "misalignment_policy_violation",
        "unsupported_image_media_type",
    }
)
"""Codes of errors that the same request would meet again.  All others may pass."""

_FINAL = ("response.completed", "response.incomplete", "response.failed")


class ResponsesReading:
    """One answer while it arrives."""

    def __init__(self, server: Server, prompt: Prompt, mask: Mask) -> None:
        self._server, self._prompt, self._mask = server, prompt, mask
        self._lines = Lines()
        self._begun = False
        self._finished: list[Any] = []  # items of the output
        self._response: dict[str, Any] | None = None

    @property
    def begun(self) -> bool:
        """Whether any part of an answer has arrived.

        That reasoning has begun is no part of it: it is announced, and then nothing may come for long.
        """
        return self._begun

    @property
    def ended(self) -> bool:
        return self._response is not None or self._lines.ended

    def feed(self, line: str) -> Delta | None:
        event = self._lines.event(line)
        return self._event(event) if event else None

    def whole(self, body: bytes) -> None:
        response = parsed(body) or {}
        if "status" not in response and response.get("error"):
            raise _failed(response, self._server)
        self._response = response

    def _event(self, event: dict[str, Any]) -> Delta | None:
        kind = _text(event.get("type"))
        if kind == "error" or (not kind and event.get("error")):
            raise _failed(event, self._server)
        if kind in _FINAL:
            self._response = {"status": kind.removeprefix("response.")} | (event.get("response") or {})
            return None
        if kind == "response.output_item.added":
            return self._added(event.get("item") or {})
        if kind == "response.output_item.done":
            self._begun = True
            self._finished.append(event.get("item"))
            return None
        return self._delta(kind, _text(event.get("delta")))

    def _added(self, item: dict[str, Any]) -> Delta | None:
        self._begun = self._begun or item.get("type") != "reasoning"
        name = _text(item.get("name")) if item.get("type") == CALL else ""
        return Delta("call", name) if name else None

    def _delta(self, kind: str, delta: str) -> Delta | None:
        self._begun = self._begun or bool(delta)
        if delta and kind == "response.output_text.delta":
            return Delta("text", delta)
        if delta and kind == "response.function_call_arguments.delta":
            return Delta("call", delta)
        return None

    def answer(self) -> ModelAnswered:
        only_items = {"status": "completed"} if self._lines.ended and self._finished else {}
        response: dict[str, Any] = self._response or only_items
        status = response.get("status")
        if status == "failed":
            raise _failed(response, self._server)
        if status not in ("completed", "incomplete"):
            raise broken_off(self._server, begun=self.begun)
        items = [item for item in response.get("output") or self._finished if isinstance(item, dict)]
        refusal = "".join(_said(item, "refusal") for item in items)
        if refusal or (response.get("incomplete_details") or {}).get("reason") == "content_filter":
            raise failures.declined(self._server, refusal)
        calls = [item for item in items if item.get("type") == CALL and item.get("name")]
        parts = Parts(
            text="".join(_said(item, "text") for item in items),
            calls=[(_text(call.get("name")), _text(call.get("arguments"))) for call in calls],
            usage=usage_of(response["usage"]) if response.get("usage") else None,
            cut=status == "incomplete",
            opaque=_kept(items),
        )
        return answered(self._server, self._prompt, self._mask, parts)


def usage_of(used: Mapping[str, Any]) -> Usage:
    """Read the ``usage`` of a response."""
    read = used.get("input_tokens_details") or {}
    lived = read.get("cache_write_tokens_details") or {}
    made = used.get("output_tokens_details") or {}
    return Usage(
        input_tokens=used.get("input_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or 0,
        written_tokens=read.get("cache_write_tokens") or 0,
        output_tokens=used.get("output_tokens") or 0,
        reasoning_tokens=made.get("reasoning_tokens") or 0,
        written_long_tokens=lived.get("ttl_12h_tokens") or 0,
    )


def _kept(items: list[dict[str, Any]]) -> list[Json]:
    """Give the items to be shown again: all but calls after the first, which nothing will answer, and empty messages.

    Reasoning goes with the item that it led to: a server refuses the one without the other.
    """
    spoken = [item for item in items if item.get("type") != "message" or _said(item, "text")]
    first = next((item for item in spoken if item.get("type") == CALL), None)
    kept: list[Json] = []
    keeps = False  # of the item behind
    for item in reversed(spoken):
        if item.get("type") != "reasoning":
            keeps = item.get("type") != CALL or item is first
        if keeps:
            kept.insert(0, _sendable(sound(item)))
    return kept


def _sendable(value: Json) -> Json:
    """Give a value as it came, but for ``null`` where a field is not there, which may be read and not be sent."""
    match value:
        case list():
            return [_sendable(each) for each in value]
        case dict():
            return {key: _sendable(each) for key, each in value.items() if each is not None}
        case _:
            return value


def _said(item: dict[str, Any], kind: str) -> str:
    """Give the text, or the refusal, in a message."""
    content = item.get("content") if item.get("type") == "message" else None
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "".join(_text(part.get(kind)) for part in parts)


def _failed(response: dict[str, Any], server: Server) -> WorkhandError:
    """Say who has to react to the error in a response, or to one that is an event itself."""
    error = response.get("error") or {key: response.get(key) for key in ("code", "message")}
    if isinstance(error, dict) and error.get("code") in REFUSED:
        return failures.failure(400, json.dumps({"error": error}).encode(), server)
    return failures.inside({"error": error}, server)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
