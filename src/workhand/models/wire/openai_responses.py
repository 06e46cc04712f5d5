"""The Responses API, the way out: a prompt to the bytes of a request.

Pure: no client, no clock.  The request is canonical JSON put together from items that were
encoded once each, so its cost grows with what is new, and the bytes of tools and input
never depend on the mask, which is ``tool_choice``.

What an answer brought (reasoning, words, its call) is shown again item by item as it came, so
its call keeps the id that the server gave it, and the result names that one.  An answer
of another model is written from its text and calls, with the ids of the prompt.

From GPT-5.6 on a cache entry ends where a breakpoint says so.  Only the content of messages
and of results can carry one, and what carries one has to be a list of parts: with breakpoints
all of them are, whether marked or not, so that a mark never changes what the model reads.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from workhand.core.canonical import Json, encode
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.models.wire.dialect import Request, Server, joined, listed
from workhand.models.wire.openai_chat import tool_choice, window_of
from workhand.models.wire.openai_responses_answer import CALL, ResponsesReading
from workhand.models.wire.pieces import Answered, Media, Returned, Said, definitions, echo, turn
from workhand.models.wire.strict import is_strict

PROVIDER = "openai"
FIRST = 2  # the index in a body of the first piece that becomes input
BREAKPOINTS_MAX = 4  # a request writes no more
NOTHING = " "  # stands for a text that is empty

Called: TypeAlias = tuple[tuple[str, str], ...]
"""The calls of an answer: their ids in the prompt, and the server's."""

_MARK = b'"prompt_cache_breakpoint":{"mode":"explicit"},'  # in a string it would have other quotes


@dataclass(frozen=True, slots=True)
class Block:
    """What a piece adds to the input."""

    items: tuple[bytes, bytes]  # encoded, with commas between them: what stands before a breakpoint, and behind it
    carries: bool = False  # whether there can be one
    called: Called = ()


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """A server of the Responses API, and what it understands."""

    server: Server
    breakpoints: bool = False  # where a cache may end: GPT-5.6 and later
    cache_key: bool = True  # whether requests may say which session they belong to, to meet their cache
    allowed_tools: bool = True  # whether tool_choice may name a subset
    encrypted: bool = True  # have reasoning given out encrypted, and nothing kept by the server
    tail_role: Literal["developer", "user"] = "developer"

    @property
    def auth(self) -> tuple[tuple[str, str], ...]:
        return (("Authorization", f"Bearer {self.server.api_key}"),) if self.server.api_key else ()

    def request(self, prompt: Prompt, mask: Mask, *, session: str, schema: str | None = None) -> Request:
        tools = definitions(prompt.body[0])
        parts = {
            "max_output_tokens": encode(prompt.answer_tokens_max),
            "model": encode(self.server.model),
        }
        if self.server.stream:
            parts["stream"] = b"true"
        if self.encrypted:
            parts |= {"include": b'["reasoning.encrypted_content"]', "store": b"false"}
        if self.cache_key:
            parts["prompt_cache_key"] = encode(session)
        if self.breakpoints:
            parts["prompt_cache_options"] = b'{"mode":"explicit"}'
        else:
            parts["instructions"] = _instructions(prompt.body[1])
        if tools:
            choice = tool_choice(mask, tools, allowed_tools=self.allowed_tools)
            parts |= {"parallel_tool_calls": b"false", "tool_choice": encode(_flat(choice))}
            parts["tools"] = _tools(prompt.body[0])
        if schema is not None:
            parts["text"] = _schema_format(schema)
        body = joined({key: [part] for key, part in parts.items()} | {"input": listed(self._input(prompt))})
        return Request("/responses", body)

    def reading(self, prompt: Prompt, mask: Mask) -> ResponsesReading:
        return ResponsesReading(self.server, prompt, mask)

    @property
    def asks(self) -> tuple[str, ...]:
        return ()

    def told(self, facts: tuple[Json, ...]) -> OpenAIResponses:
        return self

    @property
    def describes(self) -> tuple[str, ...]:
        root = self.server.base_url.rstrip("/").removesuffix("/v1")
        return (f"{root}/props", "/models")

    def window(self, facts: tuple[Json, ...]) -> int | None:
        return window_of(facts[0], facts[1], self.server.model)

    def _input(self, prompt: Prompt) -> Iterator[bytes]:
        blocks = _blocks(prompt, in_parts=self.breakpoints)
        first = FIRST
        if self.breakpoints:  # instructions cannot carry one, and what stands at the head is worth its own
            blocks.insert(0, _system(prompt.body[1]))
            first -= 1
        marked = _marked(prompt, blocks, first)
        for piece, block in enumerate(blocks, first):
            yield (_MARK if piece in marked else b"").join(block.items)
        if prompt.tail:
            as_it_is = self.tail_role == "developer" or prompt.tail.startswith("[")
            recited = prompt.tail if as_it_is else f"[plan]\n{prompt.tail}"
            yield encode({"content": recited, "role": self.tail_role})


def _blocks(prompt: Prompt, *, in_parts: bool) -> list[Block]:
    """Give what the pieces behind the system's add; a result is told what the answer before it called."""
    blocks: list[Block] = []
    called: Called = ()
    for piece in prompt.body[FIRST:]:
        blocks.append(_block(piece, called, in_parts))
        called = blocks[-1].called or called
    return blocks


def _marked(prompt: Prompt, blocks: list[Block], first: int) -> frozenset[int]:
    """Choose the pieces with a breakpoint: for each of the prompt's the latest up to it that can carry one."""
    carriers = [piece for piece, block in enumerate(blocks, first) if block.carries]
    places = [bisect_right(carriers, end) - 1 for end in prompt.breakpoints]
    nearest = {carriers[place] for place in places if place >= 0}
    return frozenset(sorted(nearest)[-BREAKPOINTS_MAX:])


@lru_cache(maxsize=8_192)
def _block(piece: bytes, called: Called, in_parts: bool) -> Block:
    """Give what a piece adds; ``called`` is what the latest answer with calls called."""
    match turn(piece):
        case Said(role, text, media):
            return _carrying({"content": _content(text, media, in_parts), "role": role})
        case Returned(call, text, _, media):
            id = dict(called).get(call, call)
            output = _content(text, media, in_parts)
            return _carrying({"call_id": id, "output": output, "type": f"{CALL}_output"})
        case Answered() as answer:
            return _answer(answer)


def _carrying(item: dict[str, object]) -> Block:
    """Encode an item, and cut out of it what says that a cache may end there."""
    before, mark, after = encode(item).rpartition(_MARK)
    return Block((before, after), carries=bool(mark))


def _content(text: str, media: tuple[Media, ...], in_parts: bool) -> object:
    """Give the content of a message or a result; where a cache may end after it, its last part says so."""
    said = text if text or media else NOTHING
    if not in_parts and not media:
        return said
    parts: list[dict[str, object]] = [{"type": "input_text", "text": said}] if said else []
    parts += map(_part, media)
    if in_parts:
        parts[-1]["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return parts


def _part(each: Media) -> dict[str, object]:
    url = f"data:{each.type};base64,{each.base64}"
    if each.type.startswith("image/"):
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    return {"type": "input_file", "filename": "document.pdf", "file_data": url}


def _answer(answer: Answered) -> Block:
    """Give an answer's items: those that the server sent where it did, or else what the answer says."""
    ids = [call.id for call in answer.calls]
    items = _kept(answer)
    if items:
        named = [str(item["call_id"]) for item in items if item.get("type") == CALL]
    else:
        named = ids
        items = [{"content": answer.text or NOTHING, "role": "assistant"}] if answer.text or not ids else []
        items += [{"arguments": c.arguments, "call_id": c.id, "name": c.tool, "type": CALL} for c in answer.calls]
    encoded = b",".join(map(encode, items))
    return Block((encoded, b""), called=tuple(zip(ids, named, strict=True)))


def _kept(answer: Answered) -> list[dict[str, Json]]:
    """Give the items that the server sent; none if another one did, or if their calls are not those of the answer."""
    kept = echo(answer.opaque, PROVIDER)
    items = [item for item in kept if isinstance(item, dict)] if isinstance(kept, list) else []
    calls = [item for item in items if item.get("type") == CALL]
    same = len(calls) == len(answer.calls) and all(isinstance(call.get("call_id"), str) for call in calls)
    return items if same else []


def _flat(choice: Json) -> Json:
    """Give a choice of Chat Completions as this API has it: what is nested there stands beside its type."""
    match choice:
        case {"type": "function", "function": {"name": name}}:
            return {"type": "function", "name": name}
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [*tools]}}:
            return {"type": "allowed_tools", "mode": mode, "tools": [_flat(tool) for tool in tools]}
        case _:
            return choice


@lru_cache(maxsize=64)
def _system(piece: bytes) -> Block:
    """Give the system prompt as a message, which can carry a breakpoint."""
    return _carrying({"content": _content(turn(piece).text, (), in_parts=True), "role": "developer"})


@lru_cache(maxsize=64)
def _instructions(piece: bytes) -> bytes:
    return encode(turn(piece).text)


@lru_cache(maxsize=64)
def _tools(piece: bytes) -> bytes:
    """Give the tools, not to be decoded strictly: optional arguments would become required ones."""
    return encode(
        [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in definitions(piece)
        ]
    )


@lru_cache(maxsize=64)
def _schema_format(schema: str) -> bytes:
    stated = json.loads(schema)
    return encode({"format": {"type": "json_schema", "name": "answer", "schema": stated, "strict": is_strict(stated)}})
