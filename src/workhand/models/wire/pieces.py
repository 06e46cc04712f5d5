"""Read the pieces of a prompt's body back into values.

The core hands over canonical JSON; every wire half reads it here, once per
piece, into types that cannot be wrong.  A piece's bytes never change, so what
was read from them is remembered by them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from workhand.core.canonical import Json
from workhand.core.events import ToolCall


@dataclass(frozen=True, slots=True)
class Definition:
    """A tool as the prompt defines it."""

    name: str
    description: str
    parameters: dict[str, Json]  # JSON Schema; shared, never to be changed


@dataclass(frozen=True, slots=True)
class Media:
    """An image or a PDF document."""

    type: str  # "image/png", "application/pdf"
    base64: str


@dataclass(frozen=True, slots=True)
class Said:
    role: Literal["system", "user"]
    text: str
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    text: str
    calls: tuple[ToolCall, ...]
    opaque: str | None


@dataclass(frozen=True, slots=True)
class Returned:
    call: str
    text: str
    ok: bool = True
    media: tuple[Media, ...] = ()


Turn: TypeAlias = Said | Answered | Returned


@lru_cache(maxsize=64)
def definitions(piece: bytes) -> tuple[Definition, ...]:
    """Give the tools of a body's first piece, in its order."""
    return tuple(
        Definition(tool["name"], tool["description"], tool["parameters"]) for tool in json.loads(piece)["tools"]
    )


def turn(piece: bytes) -> Turn:
    """Read any piece but the first."""
    block = json.loads(piece)
    match block["role"]:
        case "assistant":
            calls = tuple(ToolCall(call["id"], call["tool"], call["arguments"]) for call in block["calls"])
            return Answered(block["text"], calls, block.get("opaque"))
        case "tool":
            return Returned(block["call"], block["text"], block["ok"], _media(block))
        case role:
            return Said(role, block["text"], _media(block))


def echo(opaque: str | None, provider: str) -> Json:
    """Give what a provider itself wrote beside an answer; ``None`` if another one wrote it."""
    try:
        kept = json.loads(opaque or "{}")
    except ValueError:  # of an earlier format, or the local model's
        return None
    return kept.get(provider) if isinstance(kept, dict) else None


def _media(block: dict[str, Any]) -> tuple[Media, ...]:
    return tuple(Media(each["type"], each["base64"]) for each in block.get("media", ()))


def properties(parameters: dict[str, Json]) -> list[tuple[str, Json]]:
    """Give a schema's properties in the order to fill them in: required ones first, as its author listed them.

    Canonical JSON sorts keys, so only ``required`` still tells what the author had in mind.
    """
    named = parameters.get("properties")
    required = parameters.get("required")
    if not isinstance(named, dict):
        return []
    first = [str(name) for name in required if name in named] if isinstance(required, list) else []
    return [(name, named[name]) for name in dict.fromkeys([*first, *named])]
