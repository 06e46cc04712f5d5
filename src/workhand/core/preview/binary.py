"""Images, archives and other binaries: the kind by its first bytes, then what is cheap to read from them."""

from __future__ import annotations

import re
import struct

from workhand.core.preview.lines import Line, clean, cut
from workhand.core.preview.media import MAGIC, PROBE_BYTES, kind_of

BROKEN_SHARE = 0.1  # of the characters cannot be read: then it is no text
ENTRIES_MAX = 500
STRINGS_BYTES = 1_000_000
HEX_BYTES = 32
PLACE_OF_HEX = 1_000_000

_NO_TEXT = tuple(magic for magic, _ in MAGIC)
_STRINGS = re.compile(rb"[\x20-\x7e]{6,}")
_BROKEN = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")


def text_of(content: bytes) -> str | None:
    """Read bytes as text; ``None`` where they are none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) and len(content) > 3:
        return content.decode("utf-16", errors="replace")
    if content.startswith(_NO_TEXT):
        return None
    probe = content[:PROBE_BYTES].decode(errors="replace")
    if len(_BROKEN.findall(probe)) > BROKEN_SHARE * len(probe):
        return None
    return content.decode(errors="replace").removeprefix("\ufeff")


def binary(content: bytes) -> tuple[Line, ...]:
    """Say what a binary is, with its size in pixels, its entries, or the words in it."""
    kind = kind_of(content) or "binary data"
    entries = _entries(content, kind)
    lines = [Line(0, kind + (f", {len(entries):,} entries" if entries else ""), 0)]
    lines += (Line(1 + at, cut(clean(entry), 160), 2 + at) for at, entry in enumerate(entries))
    if not entries and "image" not in kind:
        found = dict.fromkeys(match[:120].decode() for match in _STRINGS.findall(content[:STRINGS_BYTES]))
        lines += (Line(2 + at, text, 2 + at) for at, text in enumerate(list(found)[:ENTRIES_MAX]))
    return (*lines, Line(PLACE_OF_HEX, f"first bytes: {content[:HEX_BYTES].hex(' ', 4)}", 1))


def _entries(content: bytes, name: str) -> list[str]:
    if name == "zip archive":
        return _zip_entries(content)
    return _tar_entries(content) if name == "tar archive" else []


def _zip_entries(content: bytes) -> list[str]:
    """Read the names and sizes in the directory at a zip's end."""
    end = content.rfind(b"PK\x05\x06")
    if end < 0 or end + 20 > len(content):
        return []
    at = int.from_bytes(content[end + 16 : end + 20], "little")
    entries: list[str] = []
    while content[at : at + 4] == b"PK\x01\x02" and at + 46 <= len(content) and len(entries) < ENTRIES_MAX:
        size, name, extra, comment = struct.unpack("<IHHH", content[at + 24 : at + 34])
        entries.append(f"{content[at + 46 : at + 46 + name].decode(errors='replace')} {size}")
        at += 46 + name + extra + comment
    return entries


def _tar_entries(content: bytes) -> list[str]:
    entries: list[str] = []
    at = 0
    while content[at + 257 : at + 262] == b"ustar" and len(entries) < ENTRIES_MAX:
        name = content[at : at + 100].split(b"\0")[0].decode(errors="replace")
        octal = content[at + 124 : at + 136].strip(b" \0")
        size = int(octal, 8) if re.fullmatch(rb"[0-7]+", octal) else 0
        entries.append(f"{name} {size}")
        at += 512 + -(-size // 512) * 512
    return entries
