"""The Chat Completions wire, the way back: a stream of events to an answer, an error to its reaction.

Pure: lines go in, one answer comes out.  Servers differ in everything that is not
the plain case, so this reads leniently, but never makes up what was not sent:
a stream that breaks off gives no answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from workhand.core.canonical import digest, encode
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.errors import (
    ConfigError,
    ContextOverflow,
    MalformedAnswer,
    ModelRefused,
    ModelUnavailable,
    WorkhandError,
)
from workhand.models.arguments import arguments_text, well_formed
from workhand.models.openai_chat_wire import OPAQUE, Form, Server

_ANSWER_BYTES_MAX = 16 << 20
_REASON_CHARS_MAX = 400
_RETRIED = (408, 409, 425, 429)
_OVERFLOW = re.compile(r"context (length|window|size)|prompt is too long|too many (input )?tokens", re.IGNORECASE)


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    name: str = ""
    arguments: str = ""


class Reading:
    """One streamed answer while it arrives: feed it the lines, then take the answer."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._bytes = 0
        self._text = self._reasoning = self._refusal = ""
        self._calls: list[_Call] = []
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None
        self.ended = False  # by the end mark of the stream

    @property
    def begun(self) -> bool:
        """Whether any part of an answer has arrived."""
        return bool(self._text or self._reasoning or self._refusal or self._calls)

    def feed(self, line: str) -> Delta | None:
        """Take one line; give what of it can be shown."""
        self._bytes += len(line)
        if self._bytes > _ANSWER_BYTES_MAX:
            raise MalformedAnswer(f"The answer is longer than {_ANSWER_BYTES_MAX} bytes; ask again.")
        if not line.startswith("data:"):
            return None
        content = line.removeprefix("data:").strip()
        if content == "[DONE]":
            self.ended = True
            return None
        try:
            chunk = json.loads(content)
        except ValueError as error:
            raise MalformedAnswer(f"The stream holds {content[:200]!r}, which is not JSON; ask again.") from error
        return self._chunk(chunk) if isinstance(chunk, dict) else None

    def _chunk(self, chunk: dict[str, Any]) -> Delta | None:
        if chunk.get("error"):
            raise failure(_status(chunk), encode(chunk), self._server)
        self._usage = chunk.get("usage") or self._usage
        choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
        choice = choices[0]
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta") or {}
        self._reasoning += _text(delta.get("reasoning_content"))
        self._refusal += _text(delta.get("refusal"))
        call = "".join(map(self._call, delta.get("tool_calls") or ()))
        if call:
            return Delta("call", call)
        text = _text(delta.get("content"))
        self._text += text
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

    def answer(self, prompt: Prompt, mask: Mask, form: Form) -> ModelAnswered:
        """Give the whole answer; times and the price are the client's to add."""
        if self._finish is None and not self.ended:
            raise self._broken_off()
        if self._finish == "content_filter" or self._refusal:
            why = f": {self._refusal[:_REASON_CHARS_MAX]!r}" if self._refusal else " (content filter)"
            raise ModelRefused(f"The model {self._server.model!r} declined to answer{why}; say it differently.")
        text = well_formed(self._text)
        calls = [(call.name, call.arguments) for call in self._calls if call.name]
        opaque: dict[str, str] = {"reasoning_content": well_formed(self._reasoning)} if self._reasoning else {}
        if form == "json" and (call := _json_call(text)):
            calls, opaque, text = [call], {"content": text}, ""
        elif self._finish == "length" and (calls or mask.mode != "auto"):
            raise MalformedAnswer(f"The answer was cut off at {prompt.answer_tokens_max} tokens; allow longer answers.")
        if not calls and not text.strip():
            raise MalformedAnswer(f"The model {self._server.model!r} answered with neither text nor a call; ask again.")
        return ModelAnswered(
            text=text,
            calls=tuple(ToolCall("", well_formed(name), arguments_text(raw)) for name, raw in calls[:1]),
            usage=_usage(self._usage, prompt, len(text) + sum(len(raw) for _, raw in calls)),
            model=f"openai-chat:{self._server.model}",
            prompt_bytes=prompt.size,
            prompt_digest=digest(b"".join(prompt.body)),
            dropped_calls=max(0, len(calls) - 1),
            opaque=encode({OPAQUE: opaque}).decode() if opaque else None,
        )

    def _broken_off(self) -> WorkhandError:
        if self.begun:
            return MalformedAnswer(f"The answer of {self._server.base_url!r} broke off; ask again.")
        return ModelUnavailable(f"The server at {self._server.base_url!r} ended the stream before any answer.")


def failure(status: int, body: bytes, server: Server, *, retry_after_s: float | None = None) -> WorkhandError:
    """Turn an error response into the exception that says who has to react."""
    error = _error(body)
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    reason = " ".join(str(error.get("message") or body.decode(errors="replace")).split())
    if server.api_key:
        reason = reason.replace(server.api_key, "***")
    if {code, kind} & {"context_length_exceeded", "exceed_context_size_error"} or (
        status in (400, 413, 422) and _OVERFLOW.search(reason)
    ):
        return _overflow(error, reason)
    shown = f"{reason[:_REASON_CHARS_MAX]!r} (status {status})"
    if {code, kind} & {"insufficient_quota", "content_filter", "content_policy_violation"}:
        return ModelRefused(f"The server at {server.base_url!r} declined: {shown}.")
    if status in (401, 403):
        return ConfigError(f"The server at {server.base_url!r} does not accept the key: {shown}; check `api_key`.")
    if status == 404:
        return ConfigError(
            f"The server at {server.base_url!r} does not know the model {server.model!r} or the path: "
            f"{shown}; check `base_url` and the model's name."
        )
    if status in _RETRIED or status >= 500:
        return ModelUnavailable(f"The server at {server.base_url!r} failed: {shown}.", retry_after_s=retry_after_s)
    return ModelRefused(f"The server at {server.base_url!r} refused the request: {shown}.")


def _json_call(text: str) -> tuple[str, str] | None:
    match json.loads(arguments_text(text)):
        case {"name": str(name), "arguments": {} as arguments}:
            return name, encode(arguments).decode()
        case _:
            return None


def _usage(counts: dict[str, Any] | None, prompt: Prompt, answer_chars: int) -> Usage:
    """Read the server's counts; where it gives none, estimate four bytes a token, so that limits still hold."""
    if not counts:
        return Usage(input_tokens=prompt.size // 4, output_tokens=answer_chars // 4)
    read = counts.get("prompt_tokens_details") or {}
    wrote = counts.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=counts.get("prompt_tokens") or 0,
        cached_tokens=read.get("cached_tokens") or counts.get("prompt_cache_hit_tokens") or 0,
        written_tokens=read.get("cache_write_tokens") or 0,
        output_tokens=counts.get("completion_tokens") or 0,
        reasoning_tokens=wrote.get("reasoning_tokens") or 0,
    )


def _error(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    match content:
        case {"error": {} as error}:
            return dict(error)
        case {"error": str(message)} | {"detail": str(message)} | {"message": str(message)}:
            return {"message": message}
        case _:
            return {}


def _overflow(error: dict[str, Any], reason: str) -> ContextOverflow:
    window = re.search(r"(?:maximum context length is|context size \(|context window of) ?(\d+)", reason)
    sent = re.search(r"(?:resulted in|requested|request \(|you sent) ?(\d+)", reason)
    return ContextOverflow(
        error.get("n_prompt_tokens") or (int(sent[1]) if sent else None),
        error.get("n_ctx") or (int(window[1]) if window else None),
    )


def _status(chunk: dict[str, Any]) -> int:
    """Give the status of an error inside a stream; without one it is the server's fault."""
    match chunk["error"]:
        case {"code": int(status)} if 400 <= status < 600:
            return status
        case _:
            return 500


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
