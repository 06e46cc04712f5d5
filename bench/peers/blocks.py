"""What a recorded request holds, cut into the blocks that a cache and a bill know.

The tools are the first block and the system text the second, as every provider
reads them; then comes each part of each message in the order of the wire.
Blocks are equal if all of their content is, ids of calls included, and marks for
a cache left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from workhand.lab.request import Block

BLOCK_TOKENS = 4  # what a provider writes around a block
PIECE_CHARS = 50_000  # longer texts are counted in pieces: the counter is slow on some
BYTES_PER_TOKEN = 4
UNREAD = frozenset({"cache_control", "id", "status", "type"})  # keys of parts whose values are not counted


Count: TypeAlias = Callable[[str], int]


def counter() -> tuple[str, Count]:
    """Give the name and the function of the best count of tokens there is: o200k, or bytes / 4."""
    try:
        import bpe_openai  # type: ignore[import-not-found]  # only in the environment of the audit
    except ImportError:
        return "bytes / 4", lambda text: len(text.encode()) // BYTES_PER_TOKEN
    encoding = bpe_openai.get_encoding("o200k_base")

    def count(text: str) -> int:
        pieces = (text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS))
        return sum(len(encoding.encode_ordinary(piece)) for piece in pieces)

    return "o200k", count


class Blocks:
    """Gives each content one number and counts it once."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self._known: dict[str, Block] = {}

    def of(self, body: dict[str, Any]) -> tuple[Block, ...]:
        return tuple(self._block(role, part) for role, part in parts(body))

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        """Count tools and system text, which a package sends before anything is said."""
        return sum(self._block(role, part).tokens for role, part in parts(body) if role in ("tools", "system"))

    def _block(self, role: str, part: Any) -> Block:
        written = json.dumps([role, part], ensure_ascii=False, sort_keys=True)
        found = self._known.get(written)
        if found is None:
            text = written if role == "tools" else "\n".join(texts(part))
            found = Block(len(self._known), self.count(text) + BLOCK_TOKENS)
            self._known[written] = found
        return found


def parts(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give a role and a content for each block of a request."""
    if body.get("tools"):
        yield "tools", body["tools"]
    for held in (body.get("instructions"), body.get("system")):
        if held:
            yield from (("system", part) for part in _content(held))
    messages = body.get("messages", body.get("input")) or ()
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    for message in messages:
        yield from _message(message)


def _message(message: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    role = message.get("role", message.get("type", ""))
    role = "system" if role == "developer" else role
    if "content" not in message and "tool_calls" not in message:  # an item of the Responses API
        yield role, message
        return
    answers = message.get("tool_call_id")
    for part in _content(message.get("content") or ()):
        yield role, [answers, part] if answers else part
    for call in message.get("tool_calls") or ():
        yield role, call


def _content(content: Any) -> Iterable[Any]:
    if isinstance(content, str):
        return ({"text": content},) if content else ()
    return [
        {key: value for key, value in part.items() if key not in ("cache_control", "type") or "text" not in part}
        for part in content
    ]


def texts(part: Any) -> Iterator[str]:
    """Give every string that a model reads in a part."""
    match part:
        case str():
            yield part
        case dict():
            for key, value in part.items():
                if key not in UNREAD:
                    yield from texts(value)
        case list() | tuple():
            for value in part:
                yield from texts(value)
        case bool() | int() | float():
            yield str(part)
