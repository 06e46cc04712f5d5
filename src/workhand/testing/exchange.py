"""What a server of scripts reads in a request and writes in an answer, in the words of all formats.

A format is a module: it says which rule a request breaks, reads it into ``Asked``, and writes an
``Answer`` or a ``Failure`` as its provider would.  What it signs it signs with ``sign``, so that a
server knows its own signatures after a restart, too.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, Protocol

from workhand.core.canonical import Json, encode
from workhand.core.prompt import STANDS_FOR

BYTES_PER_TOKEN = 4
THOUGHT_TOKENS = 8  # of each answer
CHUNKS = 3  # in which a text is streamed
JSON, EVENTS = "application/json", "text/event-stream"

_STANDS_FOR = re.compile(rb"(?<!\\)" + STANDS_FOR.pattern.removeprefix(b'"text":'))  # a format has keys of its own


@dataclass(frozen=True, slots=True)
class Block:
    """A part of what a model reads."""

    content: bytes
    mark: Literal["", "short", "long"] = ""  # the lifetime of the entry that a cache is to end behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for; ``spoken`` counts the answers of the model in it, or those a summary stands for."""

    model: str
    stream: bool
    blocks: tuple[Block, ...]
    spoken: int
    tools: Mapping[str, Any]  # the schemas of those that may be called, by name
    must_call: bool = False
    question: str = ""  # the text that it ends with
    schema: Json = None  # that the text of the answer has to follow
    tokens_max: int | None = None
    look_back: int | None = None  # blocks from a mark, in which the end of an entry is found; None: there are no marks


@dataclass(frozen=True, slots=True)
class Used:
    """The tokens of a request, all of them, and those of them that the cache read and wrote."""

    input: int
    cached: int = 0
    written: int = 0
    written_long: int = 0  # of the written


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    number: int  # of those in the session, from 0
    ends: Literal["done", "limit", "malformed", "refused"]
    used: Used
    text: str = ""
    tool: str = ""
    arguments: dict[str, Json] = field(default_factory=dict)

    @property
    def output_tokens(self) -> int:
        """Count what was written, and what was thought."""
        said = encode([self.text, self.tool, self.arguments]) if self.text or self.tool else b""
        return tokens(said) + THOUGHT_TOKENS


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer."""

    kind: Literal["rule", "key", "model", "path", "overflow", "unavailable"]
    message: str
    retry_s: float | None = None  # what a client is asked to wait
    sent: int = 0  # tokens, where they are too many
    window: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Format(Protocol):
    """The format of a provider."""

    def violation(self, request: Any, headers: Mapping[str, str]) -> str:
        """Say which rule a request breaks first; nothing if it keeps all of them."""
        ...

    def asked(self, request: Any, target: str) -> Asked:
        """Read a request that breaks no rule; ``target`` is the path that it was sent to."""
        ...

    def whole(self, asked: Asked, answer: Answer) -> Json: ...

    def streamed(self, asked: Asked, answer: Answer) -> bytes: ...

    def failed(self, failure: Failure) -> Reply: ...

    def described(self, model: str, window: int) -> Json:
        """Say what the provider tells of a model."""
        ...


def tokens(content: bytes) -> int:
    return -(-len(content) // BYTES_PER_TOKEN)


def pieces(text: str) -> list[str]:
    """Cut a text as it is streamed."""
    size = max(1, -(-len(text) // CHUNKS))
    return [text[at : at + size] for at in range(0, len(text), size)]


def events(named: Iterable[dict[str, Any]]) -> bytes:
    """Write events that are named by their type."""
    return b"".join(b"event: " + each["type"].encode() + b"\ndata: " + encode(each) + b"\n\n" for each in named)


def sign(value: object) -> str:
    """Give the signature of a value, which is good for no other."""
    return base64.b64encode(sha256(b"workhand" + encode(value)).digest()).decode()


def stood_for(request: Any) -> int:
    """Count the answers that a summary in a request stands for."""
    found = _STANDS_FOR.search(encode(request))
    return int(found[1]) if found else 0


def without(block: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in names}


def error_reply(status: int, body: Json, failure: Failure) -> Reply:
    """Give an error with the delay in its header."""
    headers = () if failure.retry_s is None else (("retry-after", f"{failure.retry_s:g}"),)
    return Reply(status, encode(body), headers=headers)
