"""The Chat Completions wire, the way back: a stream of events to an answer, an error to its reaction.

Pure: lines go in, one answer comes out.  Servers differ in everything that is not
the plain case, so this reads leniently, but never makes up what was not sent:
a stream that breaks off gives no answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workhand.core.canonical import encode
from workhand.core.events import ModelAnswered, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.models.wire import failures
from workhand.models.wire.answered import Parts, answered, broken_off
from workhand.models.wire.arguments import arguments_text, well_formed
from workhand.models.wire.dialect import Server
from workhand.models.wire.stream import Lines, parsed


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    name: str = ""
    arguments: str = ""


class ChatReading:
    """One answer while it arrives; ``calls_in_text`` says that a call is a JSON object in the content."""

    def __init__(self, server: Server, prompt: Prompt, mask: Mask, *, calls_in_text: bool = False) -> None:
        self._server, self._prompt, self._mask = server, prompt, mask
        self._calls_in_text = calls_in_text
        self._lines = Lines()
        self._text = self._reasoning = self._refusal = ""
        self._calls: list[_Call] = []
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None

    @property
    def begun(self) -> bool:
        """Whether any part of an answer has arrived."""
        return bool(self._text or self._reasoning or self._refusal or self._calls)

    @property
    def ended(self) -> bool:
        return self._lines.ended

    def feed(self, line: str) -> Delta | None:
        chunk = self._lines.event(line)
        return self._chunk(chunk) if chunk else None

    def whole(self, body: bytes) -> None:
        chunk = parsed(body) or {}
        for choice in chunk.get("choices") or ():
            choice["delta"] = choice.get("message")
        self._chunk(chunk)

    def _chunk(self, chunk: dict[str, Any]) -> Delta | None:
        if chunk.get("error"):
            raise failures.inside(chunk, self._server)
        self._usage = chunk.get("usage") or self._usage
        choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
        choice = choices[0]
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta") or {}
        self._reasoning += _text(delta.get("reasoning_content"))
        self._refusal += _text(delta.get("refusal"))
        call = "".join(map(self._call, delta.get("tool_calls") or ()))
        text = _text(delta.get("content"))
        self._text += text
        if call:
            return Delta("call", call)
        return Delta("text", text) if text else None

    def _call(self, part: dict[str, Any]) -> str:
        """Add a part of a call.  Some servers give every call the same index, but never the same id."""
        index, id = part.get("index") or 0, _text(part.get("id"))
        call = next((call for call in reversed(self._calls) if call.index == index), None)
        if call is None or (id and call.id and id != call.id):
            call = _Call(index, id)
            self._calls.append(call)
        function = part.get("function") or {}
        name, arguments = _text(function.get("name")), _text(function.get("arguments"))
        call.name += name
        call.arguments += arguments
        return name + arguments

    def answer(self) -> ModelAnswered:
        if self._finish is None and not self.ended:
            raise broken_off(self._server, begun=self.begun)
        if self._finish == "content_filter" or self._refusal:
            raise failures.declined(self._server, self._refusal)
        text, calls = self._text, [(call.name, call.arguments) for call in self._calls if call.name]
        opaque: dict[str, object] = {"reasoning_content": well_formed(self._reasoning)} if self._reasoning else {}
        cut = self._finish == "length"
        if self._calls_in_text and (call := _json_call(text)):
            calls, opaque, text, cut = [call], {"content": well_formed(text)}, "", False
        usage = usage_of(self._usage) if self._usage else None
        parts = Parts(text=text, calls=calls, usage=usage, cut=cut, opaque=opaque)
        return answered(self._server, self._prompt, self._mask, parts)


def _json_call(text: str) -> tuple[str, str] | None:
    match json.loads(arguments_text(text)):
        case {"name": str(name), "arguments": {} as arguments}:
            return name, encode(arguments).decode()
        case _:
            return None


def usage_of(counts: Mapping[str, Any]) -> Usage:
    """Read the ``usage`` of a response."""
    read = counts.get("prompt_tokens_details") or {}
    wrote = counts.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=counts.get("prompt_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or counts.get("prompt_cache_hit_tokens") or 0,
        written_tokens=read.get("cache_write_tokens") or 0,
        output_tokens=counts.get("completion_tokens") or 0,
        reasoning_tokens=wrote.get("reasoning_tokens") or 0,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
