"""Google's ``generateContent``, the way out: a prompt to the bytes of a request.

Pure: no client, no clock.  The request is canonical JSON put together from parts that
were encoded once each, so its cost grows with what is new, and the bytes of tools
and contents never depend on the mask, which is ``toolConfig``.

What is not in the schema, but refused by current models:

- A content with function responses holds nothing else.  Text or media beside them is
  answered with "Requests ending with a model turn are not supported", so what the user,
  a notice or the recital says after a result is a user content of its own, and so are the
  images of a result.  Those contents are the only two of one role in a row.
- A request must not begin or end with the model, nor answer twice: a notice stands in where nobody spoke.
- A function call needs the signature that came with it.  A call that another model made,
  or that was shortened, has none, and gets the value that the documentation gives for that.

Caching is implicit there, by prefix: breakpoints are not sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from workhand.core.canonical import Json, encode
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire.dialect import Request, Server, joined, listed
from workhand.models.wire.gemini_answer import GeminiReading
from workhand.models.wire.pieces import Answered, Definition, Media, Returned, Said, definitions, echo, turn

PROVIDER = "google"
UNSIGNED = "skip_thought_signature_validator"  # documented under "Thought signatures", for calls of other models
NOBODY_SPOKE = "[notice] Go on."

Kind: TypeAlias = Literal["said", "answered", "returned"]


@dataclass(frozen=True, slots=True)
class Called:
    """A call, as its result has to name it."""

    call: str  # its id in the prompt
    tool: str
    id: str | None  # what Gemini called it, if it made it


@dataclass(frozen=True, slots=True)
class Block:
    """What a piece adds to the contents."""

    kind: Kind
    parts: bytes  # encoded, with commas between them
    called: tuple[Called, ...] = ()
    images: tuple[bytes, ...] = ()  # of a result, which stand behind it and those that follow it


@dataclass(frozen=True, slots=True)
class Gemini:
    """A server of the Gemini API."""

    server: Server

    @property
    def auth(self) -> tuple[tuple[str, str], ...]:
        return (("x-goog-api-key", self.server.api_key),) if self.server.api_key else ()

    def request(self, prompt: Prompt, mask: Mask, *, session: str, schema: str | None = None) -> Request:
        tools = definitions(prompt.body[0])
        parts = {
            "generationConfig": _generation(prompt.answer_tokens_max, schema),
            "systemInstruction": _system(prompt.body[1]),
        }
        if tools:
            calling = {"mode": "NONE"} if schema is not None else function_calling(mask, tools)
            parts["toolConfig"] = encode({"functionCallingConfig": calling})
            parts["tools"] = _tools(prompt.body[0])
        body = joined({key: [part] for key, part in parts.items()} | {"contents": listed(_contents(prompt))})
        method = "streamGenerateContent?alt=sse" if self.server.stream else "generateContent"
        return Request(f"/models/{self.server.model}:{method}", body)

    def reading(self, prompt: Prompt, mask: Mask) -> GeminiReading:
        return GeminiReading(self.server, prompt, mask)

    @property
    def asks(self) -> tuple[str, ...]:
        return ()

    def told(self, facts: tuple[Json, ...]) -> Gemini:
        return self

    @property
    def describes(self) -> tuple[str, ...]:
        return (f"/models/{self.server.model}",)

    def window(self, facts: tuple[Json, ...]) -> int | None:
        match facts:
            case ({"inputTokenLimit": int(tokens)},):
                return tokens
            case _:
                return None


def function_calling(mask: Mask, tools: tuple[Definition, ...]) -> Json:
    """Say the mask: AUTO and VALIDATED may answer with text, ANY must call; AUTO takes no names."""
    names: list[Json] = [tool.name for tool in tools if mask.allows(tool.name)]
    if not names:
        if mask.mode != "auto":
            raise ConfigError(f"The mask {mask!r} allows none of the tools in the prompt; name at least one of them.")
        return {"mode": "NONE"}
    if len(names) == len(tools):
        return {"mode": "AUTO" if mask.mode == "auto" else "ANY"}
    return {"allowedFunctionNames": names, "mode": "VALIDATED" if mask.mode == "auto" else "ANY"}


def _contents(prompt: Prompt) -> list[bytes]:
    """Give the contents: blocks of one kind in a row share one, and somebody speaks before each answer."""
    runs: list[tuple[Kind, list[bytes]]] = []
    called: tuple[Called, ...] = ()
    images: list[bytes] = []  # of the results at the end
    for piece in prompt.body[2:]:
        block = _block(piece, called)
        if block.kind != "returned":
            _add(runs, "said", images)
            images = []
        if block.kind == "answered":
            called = block.called
            _add(runs, "said", [_text(NOBODY_SPOKE)] if _nobody_spoke(runs) else [])
        _add(runs, block.kind, [block.parts])
        images += block.images
    recited = prompt.tail if prompt.tail.startswith("[") else f"[plan]\n{prompt.tail}"
    _add(runs, "said", [*images, _text(recited)] if prompt.tail else images)
    _add(runs, "said", [_text(NOBODY_SPOKE)] if _nobody_spoke(runs) else [])
    return [_content(kind, parts) for kind, parts in runs]


def _add(runs: list[tuple[Kind, list[bytes]]], kind: Kind, parts: list[bytes]) -> None:
    if parts and runs and runs[-1][0] == kind:
        runs[-1][1].extend(parts)
    elif parts:
        runs.append((kind, list(parts)))


def _nobody_spoke(runs: list[tuple[Kind, list[bytes]]]) -> bool:
    return not runs or runs[-1][0] == "answered"


def _content(kind: Kind, parts: list[bytes]) -> bytes:
    role = b"model" if kind == "answered" else b"user"
    return b'{"parts":[' + b",".join(parts) + b'],"role":"' + role + b'"}'


@lru_cache(maxsize=8_192)
def _block(piece: bytes, called: tuple[Called, ...]) -> Block:
    """Give what a piece adds; ``called`` is what the latest answer called."""
    match turn(piece):
        case Said(_, text, media):
            shown = [_text(text)] if text or not media else []
            return Block("said", b",".join([*shown, *map(_inline, media)]))
        case Returned(call, text, ok, media):
            response = _response(call, text, ok=ok, called=called)
            return Block("returned", response, images=tuple(map(_inline, media)))
        case Answered() as answer:
            return _answer(answer)


def _answer(answer: Answered) -> Block:
    """Give an answer's parts: those that Gemini sent where it did, or else what the answer says."""
    parts = _echoed(answer)
    if parts is None:
        parts = [{"text": answer.text}] if answer.text or not answer.calls else []
        parts += [{"functionCall": {"args": json.loads(c.arguments), "name": c.tool}} for c in answer.calls]
    ids = [call.get("id") for part in parts if isinstance(call := part.get("functionCall"), dict)]
    called = tuple(
        Called(call.id, call.tool, id if isinstance(id, str) else None)
        for call, id in zip(answer.calls, ids, strict=True)
    )
    return Block("answered", b",".join(encode(_spoken(part)) for part in parts), called)


def _echoed(answer: Answered) -> list[dict[str, Json]] | None:
    """Give the parts that Gemini sent; ``None`` if another model did, or its calls are not those of the answer."""
    kept = echo(answer.opaque, PROVIDER)
    parts = [part for part in kept if isinstance(part, dict)] if isinstance(kept, list) else []
    calls = sum("functionCall" in part for part in parts)
    return parts if parts and calls == len(answer.calls) else None


def _spoken(part: dict[str, Json]) -> dict[str, Json]:
    """Give a part in a form that is not refused: no call without a signature, no text that is empty."""
    if "functionCall" in part:
        return {"thoughtSignature": UNSIGNED} | part
    return {"text": " "} if part == {"text": ""} else part


def _response(call: str, text: str, *, ok: bool, called: tuple[Called, ...]) -> bytes:
    made = next((each for each in called if each.call == call), Called(call, call, None))
    response: dict[str, Json] = {"name": made.tool, "response": {"output" if ok else "error": text}}
    if made.id is not None:
        response["id"] = made.id
    return encode({"functionResponse": response})


def _text(text: str) -> bytes:
    return encode(_spoken({"text": text}))


def _inline(media: Media) -> bytes:
    return encode({"inlineData": {"data": media.base64, "mimeType": media.type}})


@lru_cache(maxsize=64)
def _system(piece: bytes) -> bytes:
    return b'{"parts":[' + _text(turn(piece).text) + b"]}"


@lru_cache(maxsize=64)
def _tools(piece: bytes) -> bytes:
    declarations = [
        {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
        for tool in definitions(piece)
    ]
    return encode([{"functionDeclarations": declarations}])


@lru_cache(maxsize=64)
def _generation(tokens_max: int, schema: str | None) -> bytes:
    config: dict[str, object] = {"maxOutputTokens": tokens_max}
    if schema is not None:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": json.loads(schema)}
    return encode(config)
