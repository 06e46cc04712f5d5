"""The Chat Completions wire, the way out: a prompt to the bytes of a request.

Pure: no client, no clock.  The request is canonical JSON put together from
messages that were encoded once each, so its cost grows with what is new, and
the bytes of tools and messages never depend on the mask.  In the *native* dialect
the mask is ``tool_choice``.  The *json* dialect is for servers whose chat template
drops tools: the system message lists them, a call is a JSON object in the
content, and the mask is a ``response_format`` (whose keys keep their order, since
a model writes them in that order: the name before the arguments).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from workhand.core.canonical import Json, encode
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire.dialect import Request, Server, joined, listed
from workhand.models.wire.openai_chat_answer import ChatReading
from workhand.models.wire.pieces import (
    Answered,
    Definition,
    Media,
    Returned,
    Said,
    definitions,
    echo,
    properties,
    turn,
)
from workhand.models.wire.strict import is_strict
from workhand.models.wire.structural_tag import structural_tag

Form: TypeAlias = Literal["native", "json"]

PROVIDER = "openai-chat"


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """A server of the Chat Completions API, and what it understands."""

    server: Server
    form: Literal["auto", "native", "json"] = "auto"
    allowed_tools: bool = False  # whether tool_choice may name a subset
    tail_role: Literal["system", "user"] = "system"
    cache_key: bool = False  # whether requests may say which session they belong to, to meet their cache
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    tagged: Literal["", "vllm", "sglang"] = ""  # a server that decodes a mask under a structural tag, in its way

    @property
    def auth(self) -> tuple[tuple[str, str], ...]:
        return (("Authorization", f"Bearer {self.server.api_key}"),) if self.server.api_key else ()

    def request(self, prompt: Prompt, mask: Mask, *, session: str, schema: str | None = None) -> Request:
        tools = definitions(prompt.body[0])
        native = self.form != "json"
        parts = {
            self.limit_name: encode(prompt.answer_tokens_max),
            "model": encode(self.server.model),
        }
        if self.server.stream:
            parts |= {"stream": b"true", "stream_options": b'{"include_usage":true}'}
        if self.cache_key:
            parts["prompt_cache_key"] = encode(session)
        if native and tools:
            parts["parallel_tool_calls"] = b"false"
            parts |= self._choice(prompt.body[0], mask)
            parts["tools"] = _native_tools(prompt.body[0])
        if schema is not None:
            parts["response_format"] = _schema_format(schema)
        elif not native and mask.mode != "auto":
            parts["response_format"] = _response_format(prompt.body[0], mask)
        body = joined({key: [part] for key, part in parts.items()} | {"messages": listed(self._messages(prompt))})
        return Request("/chat/completions", body)

    def reading(self, prompt: Prompt, mask: Mask) -> ChatReading:
        return ChatReading(self.server, prompt, mask, calls_in_text=self.form == "json")

    @property
    def asks(self) -> tuple[str, ...]:
        return (f"{self._root}/props",) if self.form == "auto" else ()

    def told(self, facts: tuple[Json, ...]) -> OpenAIChat:
        return replace(self, form=form_of(facts[0]))

    @property
    def describes(self) -> tuple[str, ...]:
        return (f"{self._root}/props", "/models")

    def window(self, facts: tuple[Json, ...]) -> int | None:
        return window_of(facts[0], facts[1], self.server.model)

    @property
    def _root(self) -> str:
        return self.server.base_url.rstrip("/").removesuffix("/v1")

    def _choice(self, tools: bytes, mask: Mask) -> dict[str, bytes]:
        """Give the fields that say what may be called."""
        if not self.tagged or not mask.tools:
            return {"tool_choice": encode(tool_choice(mask, definitions(tools), allowed_tools=self.allowed_tools))}
        tag = structural_tag(tools, mask)
        if self.tagged == "vllm":
            return {"tool_choice": b'"auto"', "structured_outputs": encode({"structural_tag": tag})}
        return {"tool_choice": b'"auto"', "response_format": tag.encode()}

    def _messages(self, prompt: Prompt) -> list[bytes]:
        form: Form = "json" if self.form == "json" else "native"
        messages = [_message(piece, form) for piece in prompt.body[1 if form == "native" else 2 :]]
        if form == "json":
            messages.insert(0, _system_with_tools(prompt.body[0], prompt.body[1]))
        if prompt.tail:
            as_it_is = self.tail_role == "system" or prompt.tail.startswith("[")
            recited = prompt.tail if as_it_is else f"[plan]\n{prompt.tail}"
            messages.append(encode({"content": recited, "role": self.tail_role}))
        return messages


def tool_choice(mask: Mask, tools: tuple[Definition, ...], *, allowed_tools: bool) -> Json:
    """Give the nearest thing to the mask that the server has; the runtime refuses what it lets through."""
    names = [tool.name for tool in tools if mask.allows(tool.name)]
    if not names:
        return "none" if mask.mode == "auto" else _nothing_allowed(mask)
    mode = "auto" if mask.mode == "auto" else "required"
    if mode == "required" and len(names) == 1:
        return _function(names[0])
    if len(names) == len(tools) or not allowed_tools:
        return mode
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [_function(name) for name in names]}}


def form_of(props: Json) -> Form:
    """Give the dialect for a server by its own description (``/props`` of llama.cpp), if it has one."""
    template = props.get("chat_template") if isinstance(props, dict) else None
    return "json" if isinstance(template, str) and "tools" not in template else "native"


def window_of(props: Json, models: Json, model: str) -> int | None:
    """Find the context window, in tokens, in what servers tell about themselves."""
    match props:
        case {"default_generation_settings": {"n_ctx": int(tokens)}}:
            return tokens
    match models:
        case {"data": [*listed]}:
            known = [each for each in listed if isinstance(each, dict)]
        case _:
            return None
    card = next((each for each in known if each.get("id") == model), known[0] if len(known) == 1 else {})
    meta = card.get("meta")
    places = [card.get(key) for key in ("max_model_len", "context_length", "context_window")]
    places.append(meta.get("n_ctx") if isinstance(meta, dict) else None)
    return next((tokens for tokens in places if isinstance(tokens, int)), None)


@lru_cache(maxsize=64)
def _native_tools(piece: bytes) -> bytes:
    return encode(
        [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in definitions(piece)
        ]
    )


@lru_cache(maxsize=64)
def _system_with_tools(tools: bytes, system: bytes) -> bytes:
    lines = [
        turn(system).text,
        "",
        "Tools, one a line:",
        *(encode(tool).decode() for tool in definitions(tools)),
        "",
        'To call a tool, answer with nothing but {"name": NAME, "arguments": {...}}.',
    ]
    return encode({"content": "\n".join(lines), "role": "system"})


@lru_cache(maxsize=8_192)
def _message(piece: bytes, form: Form) -> bytes:
    match turn(piece):
        case Said(role, text, media):
            return encode({"content": _content(text, media), "role": role})
        case Returned(call, text, _, media) if form == "native":
            return encode({"content": _content(text, media), "role": "tool", "tool_call_id": call})
        case Returned(_, text, _, media):
            return encode({"content": _content(f"Result:\n{text}", media), "role": "user"})
        case Answered(text, calls, opaque) if form == "native":
            message: dict[str, object] = {"role": "assistant"} | _echoed(opaque, "reasoning_content")
            if text or not calls:
                message["content"] = text
            if calls:
                message["tool_calls"] = [
                    {"id": call.id, "type": "function", "function": {"arguments": call.arguments, "name": call.tool}}
                    for call in calls
                ]
            return encode(message)
        case Answered(text, calls, opaque):
            written = text + "".join(f'{{"name": {json.dumps(c.tool)}, "arguments": {c.arguments}}}' for c in calls)
            return encode({"content": written, "role": "assistant"} | _echoed(opaque, "content"))


def _content(text: str, media: tuple[Media, ...]) -> object:
    return [{"type": "text", "text": text}, *map(_part, media)] if media else text


def _part(each: Media) -> object:
    url = f"data:{each.type};base64,{each.base64}"
    if each.type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": "document.pdf", "file_data": url}}


def _echoed(opaque: str | None, key: str) -> dict[str, object]:
    """Give what the server itself wrote, where it wants or rewards to see it again unchanged."""
    kept = echo(opaque, PROVIDER)
    return {key: kept[key]} if isinstance(kept, dict) and key in kept else {}


def _schema_format(schema: str) -> bytes:
    stated = json.loads(schema)
    named = {"name": "answer", "schema": stated, "strict": is_strict(stated)}
    return encode({"type": "json_schema", "json_schema": named})


@lru_cache(maxsize=256)
def _response_format(tools: bytes, mask: Mask) -> bytes:
    """Give the schema of a call under the mask, as JSON whose keys keep their order."""
    calls = [_call_schema(tool) for tool in definitions(tools) if mask.allows(tool.name)] or _nothing_allowed(mask)
    schema = {"name": "call", "schema": {"anyOf": calls}}
    return json.dumps({"type": "json_schema", "json_schema": schema}, ensure_ascii=False).encode()


def _call_schema(tool: Definition) -> Json:
    arguments = {**tool.parameters, "type": "object", "properties": dict(properties(tool.parameters))}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _nothing_allowed(mask: Mask) -> Json:
    raise ConfigError(f"The mask {mask!r} allows none of the tools in the prompt; name at least one of them.")


def _function(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}
