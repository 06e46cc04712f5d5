"""The Messages API of Anthropic, the way out: a prompt to the bytes of a request.

Pure: no client, no clock.  The request is canonical JSON put together from blocks that
were encoded once each.  ``cache_control`` marks move from request to request;
without them, each request's blocks begin with those of the one before.  Roles
alternate: what is said after results stands in their message, behind them.

No mask changes ``tool_choice``, since that would lose the cache of the messages; the
runtime refuses a call outside the mask.  Behind the last mark stands what is not
kept: the recital, and the tools that are withdrawn for this answer.

Some models check that nothing before their thoughts has changed, and refuse the request
otherwise (Anthropic, "Preserved thinking").  So it is noted what stood before each
thought; where that is no longer so, the thoughts are left out and the rest is echoed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from workhand.core.canonical import Json, encode
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.models.wire.anthropic_answer import THOUGHTS, MessagesReading
from workhand.models.wire.dialect import Request, Server, joined, listed
from workhand.models.wire.pieces import Answered, Media, Returned, Said, definitions, echo, turn

PROVIDER = "anthropic"
TOOL_CHANGES = "mid-conversation-tool-changes-2026-07-01"
MARKS_MAX = 4
DIGEST_CHARS = 16

_MARK = b'{"cache_control":{"type":"ephemeral"},'
_LONG_MARK = b'{"cache_control":{"ttl":"1h","type":"ephemeral"},'
_CHOICE = encode({"type": "auto", "disable_parallel_tool_use": True})
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNCHECKED = re.compile(r"claude-(\d|mythos-5-1|[a-z]+-(4|5(?!-\d(?!\d))))")  # up to 5, but not 5.1 and later

Role: TypeAlias = Literal["user", "assistant", "system"]


@dataclass(frozen=True, slots=True)
class Anthropic:
    """A server of the Messages API, and what it understands.

    Requests are valid in the versions 2023-06-01 and 2026-10-21 of the API, which answer them alike.
    """

    server: Server
    long_lived: bool = False  # an hour in the cache instead of five minutes
    tool_changes: bool = False  # whether tools can be withdrawn in a message: a beta
    diagnostics: bool = False  # ask why the cache missed; a recital that is not kept counts as a changed message
    version: str = "2023-06-01"  # the one that every server of this format knows; the vendor's client sends its own

    @property
    def auth(self) -> tuple[tuple[str, str], ...]:
        key = (("x-api-key", self.server.api_key),) if self.server.api_key else ()
        return (("anthropic-version", self.version), *key)

    def request(self, prompt: Prompt, mask: Mask, *, session: str, schema: str | None = None) -> Request:
        """Give the request for an answer under ``mask``, or for JSON that follows ``schema``.

        A schema, like a change of it, costs the cache of the conversation.
        """
        tools, system = list(_tools(prompt.body[0])), list(_system(prompt.body[1]))
        head = system or tools
        if head and min(prompt.breakpoints, default=2) < 2:
            head[-1] = self._marked(head[-1])
        messages = _written(self._messages(prompt, mask))
        parts = {"max_tokens": encode(prompt.answer_tokens_max), "model": encode(self.server.model)}
        if system:
            parts["system"] = b"".join(listed(system))
        if tools:
            parts |= {"tools": b"".join(listed(tools)), "tool_choice": _CHOICE}
        if schema is not None:
            parts["output_config"] = encode({"format": {"type": "json_schema", "schema": json.loads(schema)}})
        if self.diagnostics:
            ids = (_shape(piece).id for piece in reversed(prompt.body[2:]))
            parts["diagnostics"] = encode({"previous_message_id": next(filter(None, ids), None)})
        if self.server.stream:
            parts["stream"] = b"true"
        body = joined({key: [part] for key, part in parts.items()} | {"messages": messages})
        return Request("/v1/messages", body, (("anthropic-beta", TOOL_CHANGES),) if self.tool_changes else ())

    def reading(self, prompt: Prompt, mask: Mask) -> MessagesReading:
        kept = not prompt.tail and not self._withdrawn(prompt, mask)
        before = sha256(b"".join(map(_digest, prompt.body))).hexdigest()[:DIGEST_CHARS]
        return MessagesReading(self.server, prompt, mask, before=before if kept else "")

    @property
    def asks(self) -> tuple[str, ...]:
        return ()

    def told(self, facts: tuple[Json, ...]) -> Anthropic:
        return self

    @property
    def describes(self) -> tuple[str, ...]:
        return (f"/v1/models/{quote(self.server.model, safe='')}", "/props")

    def window(self, facts: tuple[Json, ...]) -> int | None:
        match facts:
            case ({"max_input_tokens": int(tokens)}, _) | (_, {"default_generation_settings": {"n_ctx": int(tokens)}}):
                return tokens
        return None

    def _messages(self, prompt: Prompt, mask: Mask) -> list[tuple[Role, list[bytes]]]:
        """Give the blocks of each message: neighbours of one role are one."""
        messages: list[tuple[Role, list[bytes]]] = []
        for role, blocks in self._turns(prompt):
            if messages and messages[-1][0] == role:
                messages[-1][1].extend(blocks)
            elif blocks:
                messages.append((role, blocks))
        if prompt.tail:
            if not messages or messages[-1][0] != "user":
                messages.append(("user", []))
            recited = prompt.tail if prompt.tail.startswith("[") else f"[plan]\n{prompt.tail}"
            messages[-1][1].extend(map(encode, _text(recited)))
        withdrawn = self._withdrawn(prompt, mask)
        if withdrawn and messages and messages[-1][0] == "user":  # where else such a message is refused
            messages.append(("system", list(withdrawn)))
        return messages

    def _turns(self, prompt: Prompt) -> Iterator[tuple[Role, list[bytes]]]:
        """Give the role and the blocks of each piece, marked where a cache may end."""
        in_head = sum(index < 2 for index in prompt.breakpoints)
        marks = [index for index in prompt.breakpoints if index >= 2][-(MARKS_MAX - min(in_head, 1)) :]
        checked = "claude-" in self.server.model and not _UNCHECKED.search(self.server.model)
        before = sha256()
        sent: dict[str, str] = {}  # the id that each call is sent under
        used: set[str] = set()
        for index, piece in enumerate(prompt.body):
            if index >= 2:
                shape = _shape(piece)
                for ours, theirs in shape.calls:
                    sent[ours] = ours if theirs in used else theirs
                    used.add(theirs)
                named = [ours for ours, _ in shape.calls] or [shape.result]
                ids = tuple([sent.get(ours, ours) for ours in named])
                thinks = shape.before is None or not checked or shape.before == before.hexdigest()[:DIGEST_CHARS]
                blocks, end = _blocks(piece, ids, thinks)
                shown = list(blocks)
                if index in marks and end >= 0:
                    shown[end] = self._marked(shown[end])
                yield shape.role, shown
            before.update(_digest(piece))

    def _marked(self, block: bytes) -> bytes:
        """Mark an encoded block; the key comes before all others that blocks and tools have."""
        return (_LONG_MARK if self.long_lived else _MARK) + block[1:]

    def _withdrawn(self, prompt: Prompt, mask: Mask) -> tuple[bytes, ...]:
        return _removals(prompt.body[0], mask) if self.tool_changes else ()


@lru_cache(maxsize=8_192)
def _digest(piece: bytes) -> bytes:
    return sha256(piece).digest()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What has to be known of a piece before its blocks can be written."""

    role: Role
    calls: tuple[tuple[str, str], ...] = ()  # the ids of its calls: ours, and the provider's
    result: str = ""  # the call that it is the result of
    id: str = ""  # of the provider's message
    before: str | None = None  # what stood before its thoughts, as a digest; None: it has none


@lru_cache(maxsize=8_192)
def _shape(piece: bytes) -> _Shape:
    match turn(piece):
        case Returned(call):
            return _Shape("user", result=call)
        case Answered() as answer:
            kept, content = _echo(answer)
            theirs = [_str(block.get("id")) for block in content if block.get("type") == "tool_use"]
            calls = [call.id for call in answer.calls]
            usable = [id if _ID.fullmatch(id) else ours for ours, id in zip(calls, theirs or calls, strict=True)]
            thinks = any(block.get("type") in THOUGHTS for block in content)
            return _Shape(
                "assistant",
                tuple(zip(calls, usable, strict=True)),
                id=_str(kept.get("id")),
                before=_str(kept.get("before")) if thinks else None,
            )
        case _:
            return _Shape("user")


@lru_cache(maxsize=8_192)
def _blocks(piece: bytes, ids: tuple[str, ...], thinks: bool) -> tuple[tuple[bytes, ...], int]:
    """Give the encoded blocks of a piece, and the last that can be marked."""
    match turn(piece):
        case Said(_, text, media):
            blocks = [*_text(text), *map(_media, media)]
        case Returned(_, text, ok, media):
            blocks = [_result(ids[0], text, ok, media)]
        case Answered() as answer:
            blocks = [block for block in _answer(answer, ids) if thinks or block["type"] not in THOUGHTS]
    markable = [at for at, block in enumerate(blocks) if block["type"] not in THOUGHTS]
    return tuple(map(encode, blocks)), markable[-1] if markable else -1


def _answer(answer: Answered, ids: tuple[str, ...]) -> list[dict[str, Any]]:
    """Give an answer as its provider sent it, or else from its text and calls."""
    uses = [
        {"type": "tool_use", "id": id, "name": call.tool, "input": json.loads(call.arguments)}
        for id, call in zip(ids, answer.calls, strict=False)
    ]
    _, content = _echo(answer)
    if not content:
        return [*_text(answer.text), *uses]
    use = iter(uses)
    echoed = [block | next(use) if block.get("type") == "tool_use" else block for block in content]
    return [block for block in echoed if block.get("type") != "text" or _str(block.get("text")).strip()]


def _echo(answer: Answered) -> tuple[dict[str, Json], list[dict[str, Any]]]:
    """Give what the provider left beside an answer, and the content among it if it is of these calls."""
    left = echo(answer.opaque, PROVIDER)
    kept: dict[str, Json] = (
        left if isinstance(left, dict) else {"content": left}
    )  # a list, in logs of an earlier format
    content = kept.get("content")
    blocks = [dict(block) for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    uses = sum(block.get("type") == "tool_use" for block in blocks)
    return kept, blocks if uses == len(answer.calls) else []


def _result(id: str, text: str, ok: bool, media: tuple[Media, ...]) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": id}
    if media:
        block["content"] = [*_text(text), *map(_media, media)]
    elif text.strip():
        block["content"] = text
    return block if ok or media else block | {"is_error": True}  # an error may hold nothing but text


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []  # the API refuses blank ones


def _media(each: Media) -> dict[str, Any]:
    source = {"type": "base64", "media_type": each.type, "data": each.base64}
    return {"type": "image" if each.type.startswith("image/") else "document", "source": source}


@lru_cache(maxsize=64)
def _tools(piece: bytes) -> tuple[bytes, ...]:
    return tuple(
        encode({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
        for tool in definitions(piece)
    )


@lru_cache(maxsize=64)
def _system(piece: bytes) -> tuple[bytes, ...]:
    said = turn(piece)
    return tuple(map(encode, _text(said.text)))


@lru_cache(maxsize=256)
def _removals(tools: bytes, mask: Mask) -> tuple[bytes, ...]:
    return tuple(
        encode({"type": "tool_removal", "tool": {"type": "tool_reference", "name": tool.name}})
        for tool in definitions(tools)
        if not mask.allows(tool.name)
    )


def _written(messages: list[tuple[Role, list[bytes]]]) -> list[bytes]:
    """Encode messages, in parts that are copied once, when they are sent: they are most of a request."""
    parts: list[bytes] = []
    for role, blocks in messages:
        parts += (b",", b'{"content":', *listed(blocks), b',"role":"', role.encode(), b'"}')
    return [b"[", *parts[1:], b"]"]


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
