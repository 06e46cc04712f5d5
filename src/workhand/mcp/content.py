"""What MCP servers offer and answer, as plain values.

Servers are not trusted: what they send is bounded here, texts are cut and what is left out is counted.  A picture
or a structure that does not fit is left out whole, since half of one is of no use.  JSON stays text: it is shown and
written to files, and looked into nowhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import mcp_types as wire

PARTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: str  # a JSON schema
    returns: str = ""  # a JSON schema, of a tool that has structured results


@dataclass(frozen=True, slots=True)
class Resource:
    uri: str  # with {names} in it if it is a template
    name: str
    description: str
    media_type: str
    template: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    description: str
    required: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    description: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    uri: str = ""  # of the resource that it is


@dataclass(frozen=True, slots=True)
class Blob:
    media_type: str
    content: bytes = field(repr=False)
    uri: str = ""  # of the resource that it is


@dataclass(frozen=True, slots=True)
class Link:
    """A resource that can be read from the same server."""

    uri: str
    name: str
    media_type: str


Part: TypeAlias = Text | Blob | Link


@dataclass(frozen=True, slots=True)
class Result:
    """What a call, a resource or a prompt brought."""

    parts: tuple[Part, ...]
    structured: str = ""  # JSON
    ok: bool = True  # not: the tool itself says that it failed, and the parts say how
    dropped_bytes: int = 0  # left out past the limit
    roles: tuple[str, ...] = ()  # of a prompt: who says each part


def tool(stated: wire.Tool) -> Tool:
    returns = _json(stated.output_schema) if stated.output_schema else ""
    return Tool(stated.name, stated.description or stated.title or "", _json(stated.input_schema), returns)


def resource(stated: wire.Resource | wire.ResourceTemplate) -> Resource:
    template = not hasattr(stated, "uri")
    uri = str(getattr(stated, "uri_template" if template else "uri"))
    return Resource(uri, stated.name, stated.description or "", stated.mime_type or "", template)


def prompt(stated: wire.Prompt) -> Prompt:
    arguments = tuple(Argument(a.name, a.description or "", bool(a.required)) for a in stated.arguments or ())
    return Prompt(stated.name, stated.description or stated.title or "", arguments)


def called(answer: wire.CallToolResult, *, bytes_max: int) -> Result:
    structured = "" if answer.structured_content is None else _json(answer.structured_content)
    return _bounded(map(_part, answer.content), structured, not answer.is_error, bytes_max)


def contents(answer: wire.ReadResourceResult, *, bytes_max: int) -> Result:
    return _bounded(map(_content, answer.contents), "", True, bytes_max)


def messages(answer: wire.GetPromptResult, *, bytes_max: int) -> Result:
    found = answer.messages[:PARTS_MAX]
    read = _bounded((_part(each.content) for each in found), "", True, bytes_max)
    return Result(read.parts, dropped_bytes=read.dropped_bytes, roles=tuple(each.role for each in found))


def _part(block: wire.ContentBlock) -> Part:
    match block.type:
        case "text":
            return Text(block.text)
        case "image" | "audio":
            return Blob(block.mime_type, base64.b64decode(block.data))
        case "resource":
            return _content(block.resource)
        case "resource_link":
            return Link(block.uri, block.name, block.mime_type or "")


def _content(found: wire.TextResourceContents | wire.BlobResourceContents) -> Part:
    blob: str | None = getattr(found, "blob", None)
    if blob is None:
        return Text(str(getattr(found, "text", "")), found.uri)
    return Blob(found.mime_type or "application/octet-stream", base64.b64decode(blob), found.uri)


def _bounded(parts: Iterable[Part], structured: str, ok: bool, bytes_max: int) -> Result:
    """Keep what fits, in order, the structure last."""
    kept: list[Part] = []
    left, dropped = bytes_max, 0
    for number, whole in enumerate(parts):
        part = _cut(whole, left) if number < PARTS_MAX else None
        size = 0 if part is None else _size(part)
        dropped += _size(whole) - size
        left -= size
        if part is not None:
            kept.append(part)
    if (size := len(structured.encode("utf-8", "replace"))) > left:
        dropped, structured = dropped + size, ""
    return Result(tuple(kept), structured, ok, dropped)


def _cut(part: Part, bytes_max: int) -> Part | None:
    if _size(part) <= bytes_max:
        return part
    if isinstance(part, Text):
        return Text(part.text.encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore"), part.uri)
    return None


def _size(part: Part) -> int:
    match part:
        case Text(text=text):
            return len(text.encode("utf-8", "replace"))
        case Blob(content=content):
            return len(content)
        case Link(uri=uri):
            return len(uri)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
