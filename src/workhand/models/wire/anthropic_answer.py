"""The Messages API of Anthropic, the way back: a stream of events to an answer, an error to its reaction.

Pure: lines go in, one answer comes out.  A stream is put together to the message that an
unstreamed answer is, and both are read alike.  Events and blocks of unknown
types are passed over, as the API asks; so are those that make no sense where they come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workhand.core.events import ModelAnswered, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.errors import ContextOverflow
from workhand.models.wire import failures
from workhand.models.wire.answered import Parts, answered, broken_off
from workhand.models.wire.arguments import sound, well_formed
from workhand.models.wire.dialect import Server
from workhand.models.wire.stream import Lines, parsed

THOUGHTS = ("thinking", "redacted_thinking")
ECHOED = ("text", *THOUGHTS)  # besides the first call
_KEPT = ("id", "stop_reason", "stop_details", "diagnostics")


class MessagesReading:
    """One answer while it arrives; ``before`` is a digest of what it answers, empty if that is not kept."""

    def __init__(self, server: Server, prompt: Prompt, mask: Mask, *, before: str = "") -> None:
        self._server, self._prompt, self._mask, self._before = server, prompt, mask, before
        self._lines = Lines()
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._stopped = False

    @property
    def begun(self) -> bool:
        """Whether any part of an answer has arrived."""
        return bool(self._blocks)

    @property
    def ended(self) -> bool:
        return self._stopped or self._lines.ended

    def feed(self, line: str) -> Delta | None:
        event = self._lines.event(line)
        return self._event(event) if event else None

    def whole(self, body: bytes) -> None:
        message = parsed(body) or {}
        if message.get("error"):
            raise failures.inside(message, self._server)
        self._take(message)
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._start(index, block)

    def _event(self, event: dict[str, Any]) -> Delta | None:
        if event.get("error"):
            raise failures.inside(event, self._server)
        match event:
            case {"type": "message_start", "message": {} as message}:
                self._take(message)
            case {"type": "content_block_start", "index": int(index), "content_block": {} as block}:
                return self._start(index, block)
            case {"type": "content_block_delta", "index": int(index), "delta": {} as delta}:
                return self._add(index, delta)
            case {"type": "message_delta", "delta": {} as delta}:
                self._take(event | delta)
            case {"type": "message_stop"}:
                self._stopped = True
        return None

    def _take(self, message: dict[str, Any]) -> None:
        """Take what is not content; counts are cumulative, and what is not sent again stays."""
        self._message |= {key: message[key] for key in _KEPT if message.get(key) is not None}
        usage = message.get("usage")
        if isinstance(usage, dict):
            self._usage |= {key: value for key, value in usage.items() if value is not None}

    def _start(self, index: int, block: object) -> Delta | None:
        if not isinstance(block, dict) or index in self._blocks:
            return None
        self._blocks[index] = dict(block)
        match block:
            case {"type": "text", "text": str(text)} if text:
                return Delta("text", text)
            case {"type": "tool_use", "name": str(name)} if name:
                return Delta("call", name)
        return None

    def _add(self, index: int, delta: dict[str, Any]) -> Delta | None:
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                self._grow(index, "text", "text", text)
                return Delta("text", text) if text else None
            case {"type": "input_json_delta", "partial_json": str(part)}:
                self._grow(index, "tool_use", "streamed", part)
                return Delta("call", part) if part else None
            case {"type": "thinking_delta", "thinking": str(text)}:
                self._grow(index, "thinking", "thinking", text)
            case {"type": "signature_delta", "signature": str(signature)}:
                self._blocks.setdefault(index, {"type": "thinking", "thinking": ""})["signature"] = signature
        return None

    def _grow(self, index: int, kind: str, key: str, part: str) -> None:
        block = self._blocks.setdefault(index, {"type": kind})
        if block.get("type") == kind:
            block[key] = _str(block.get(key)) + part

    def answer(self) -> ModelAnswered:
        stop = self._message.get("stop_reason")
        usage = usage_of(self._usage) if self._usage else None
        if stop is None and not self.ended:
            raise broken_off(self._server, begun=self.begun)
        if stop == "refusal":
            raise failures.declined(self._server, _declined(self._message.get("stop_details")))
        if stop == "model_context_window_exceeded":
            raise ContextOverflow(usage.input_tokens if usage else None, None)
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        content = [sound(block) for block in _echoed(blocks)]
        parts = Parts(
            text="".join(_str(block.get("text")) for block in content if block["type"] == "text"),
            calls=[(block["name"], _arguments(block)) for block in blocks if _is_call(block)],
            usage=usage,
            cut=stop == "max_tokens",
            opaque=self._opaque(content),
            missed=_missed(self._message.get("diagnostics")),
        )
        return answered(self._server, self._prompt, self._mask, parts)

    def _opaque(self, content: list[dict[str, Any]]) -> dict[str, object]:
        """Give what is to be sent again; what a call says stands on record already."""
        kept = [{key: value for key, value in block.items() if key not in ("input", "streamed")} for block in content]
        opaque: dict[str, object] = {"content": kept}
        if isinstance(id := self._message.get("id"), str):
            opaque["id"] = well_formed(id)
        if self._before and any(block["type"] in THOUGHTS for block in kept):
            opaque["before"] = self._before
        return opaque


def usage_of(used: Mapping[str, Any]) -> Usage:
    """Read the ``usage`` of a response, whose input leaves out what the cache read and wrote."""
    read, written = _int(used.get("cache_read_input_tokens")), _int(used.get("cache_creation_input_tokens"))
    lifetimes, made = _mapping(used.get("cache_creation")), _mapping(used.get("output_tokens_details"))
    return Usage(
        input_tokens=_int(used.get("input_tokens")) + read + written,
        cached_tokens=read,
        written_tokens=written,
        output_tokens=_int(used.get("output_tokens")),
        reasoning_tokens=_int(made.get("thinking_tokens")),
        written_long_tokens=_int(lifetimes.get("ephemeral_1h_input_tokens")),
    )


def _echoed(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the blocks up to the first call: one action a turn."""
    content: list[dict[str, Any]] = []
    for block in blocks:
        if _is_call(block):
            return [*content, block]
        if block.get("type") in ECHOED:
            content.append(block)
    return content


def _is_call(block: dict[str, Any]) -> bool:
    return block.get("type") == "tool_use" and bool(_str(block.get("name")))


def _arguments(block: dict[str, Any]) -> str:
    """Give the arguments as they were streamed, or else as the object that was sent at once."""
    return _str(block.get("streamed")) or json.dumps(block.get("input") or {})


def _declined(details: object) -> str:
    match details:
        case {"explanation": str(why)} | {"category": str(why)}:
            return why
    return ""


def _missed(diagnostics: object) -> str:
    match diagnostics:
        case {"cache_miss_reason": {"type": str(why), "cache_missed_input_tokens": int(tokens)}}:
            return f"{why} ({tokens:,} tokens)"
        case {"cache_miss_reason": {"type": str(why)}}:
            return why
    return ""


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
