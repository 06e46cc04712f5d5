"""Content of messages as text: what is text stays, what is not becomes a few words that say its kind and size.

The providers' blocks differ in names and hardly in shape, so one function reads
the blocks of all of them.  Blocks of reasoning are left out here; a reader whose
provider is sent them again adds them itself.
"""

from __future__ import annotations

import json
import re
from typing import Any

from workhand.lab.formats.records import inner, word

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?[^,]{0,200},")
_REASONING = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text"})
_ADDRESS_CHARS = 200


def text_of(content: object) -> str:
    """Give content, which is text, a block, several of them or nothing, as one text."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            return "\n".join(text for block in content if (text := text_of(block)))
        case dict():
            return _block(content)
        case _:
            return json.dumps(content)


def _block(block: dict[str, Any]) -> str:
    kind = word(block, "type")
    if kind in _REASONING:
        return ""
    for name in ("text", "refusal"):
        if isinstance(block.get(name), str):
            return str(block[name])
    source = inner(block, "source")
    match block:
        case {"source": {"type": "text", "data": str() as text}}:
            return text
        case {"source": {"data": str() as data}}:
            return _sized(str(source.get("media_type", kind)), data)
        case {"source": {"url": str() as url}} | {"image_url": {"url": str() as url}} | {"image_url": str() as url}:
            return _linked(kind or "image", url)
        case {"source": {"path": str() as path}}:
            return f"[{source.get('media_type', kind)}, at {path[:_ADDRESS_CHARS]}]"
        case {"image_urls": list() as urls}:
            return "\n".join(_linked("image", str(url)) for url in urls)
        case {"data": str() as data, "mimeType": str() as media}:
            return _sized(media, data)
        case {"input_audio": {"data": str() as data, "format": str() as form}}:
            return _sized(f"audio/{form}", data)
        case {"file": {"file_data": str() as data}} | {"file_data": str() as data}:
            return _linked("file", data)
        case {"content": list() | str() as content}:
            return text_of(content)
        case _:
            return placeholder(kind or "block", block)


def placeholder(kind: str, value: object) -> str:
    """Say the kind and size of something that has no text."""
    return f"[{kind}, {len(json.dumps(value)):,} bytes]"


def _linked(kind: str, url: str) -> str:
    if data := _DATA_URL.match(url):
        return _sized(data[1] or kind, url[data.end() :])
    return f"[{kind}, at {url[:_ADDRESS_CHARS]}]"


def _sized(media: str, data: str) -> str:
    """Say how many bytes base64 stands for."""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    return f"[{media}, {max(size, 0):,} bytes]"
