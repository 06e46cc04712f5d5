"""What a file is that is no text: its kind by its first bytes, and of a picture its size in pixels.

Enough to say what was found and how to look into it, without a library: only the
headers of PNG, JPEG, GIF and WebP are read, and nothing in them is believed further.
"""

from __future__ import annotations

import struct

HEAD_BYTES = 8_192  # within which a text has no zero byte
KINDS = (
    (b"\x89PNG\r\n\x1a\n", "PNG picture"),
    (b"\xff\xd8\xff", "JPEG picture"),
    (b"GIF87a", "GIF picture"),
    (b"GIF89a", "GIF picture"),
    (b"%PDF-", "PDF document"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip file"),
    (b"\x28\xb5\x2f\xfd", "zstd file"),
    (b"\x7fELF", "ELF program"),
    (b"SQLite format 3\0", "SQLite database"),
)


def kind_of(content: bytes) -> str:
    """Say what a file is, with the size of a picture; nothing if it is text."""
    name = next((name for magic, name in KINDS if content.startswith(magic)), "")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        name = "WebP picture"
    if not name:
        return "binary file" if b"\0" in content[:HEAD_BYTES] else ""
    try:
        size = _pixels(name, content)
    except (struct.error, IndexError):  # it is cut short
        size = None
    return f"{name}, {size[0]}x{size[1]} pixels" if size else name


def _pixels(name: str, content: bytes) -> tuple[int, int] | None:
    match name.partition(" ")[0]:
        case "PNG":
            return _pair(">II", content, 16)
        case "GIF":
            return _pair("<HH", content, 6)
        case "JPEG":
            return _jpeg(content)
        case "WebP":
            return _webp(content)
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Walk over the segments to the one that starts a frame."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(">HH", content, at + 5)
            return width, height
        else:
            at += 2 + max(2, int.from_bytes(content[at + 2 : at + 4], "big"))
    return None


def _webp(content: bytes) -> tuple[int, int] | None:
    match content[12:16]:
        case b"VP8 ":
            width, height = _pair("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", content, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width, height = (int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
            return width + 1, height + 1
    return None


def _pair(form: str, content: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, content, at)
    return int(first), int(second)
