"""What bytes are that are no text: their kind by the first of them, and of an image its size in pixels.

Enough to say what was found and how to look into it, without a library: of images
only the headers of PNG, JPEG, GIF and WebP are read, and nothing in them is believed
further.
"""

from __future__ import annotations

import struct

PROBE_BYTES = 8_192  # within which a text has no zero byte
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF87a", "GIF image"),
    (b"GIF89a", "GIF image"),
    (b"%PDF-", "PDF document"),
    (b"PK\x03\x04", "zip archive"),
    (b"PK\x05\x06", "empty zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"\x7fELF", "ELF program"),
    (b"SQLite format 3\x00", "SQLite database"),
    (b"\xca\xfe\xba\xbe", "Java class"),
    (b"\x00asm", "WebAssembly module"),
    (b"OggS", "Ogg media"),
    (b"fLaC", "FLAC audio"),
)
TAKEN = ("PNG image", "JPEG image", "WebP image")
WORDLIKE = ((b"BZh", "bzip2 data"), (b"MZ", "Windows program"), (b"ID3", "MP3 audio"), (b"BM", "BMP image"))
"""How a text may begin, too."""


def kind_of(content: bytes) -> str:
    """Say what bytes are, with the size of an image; nothing where they can be text."""
    name = _named_first(content)
    if not name and b"\0" not in content[:PROBE_BYTES]:
        return ""
    name = name or _named_inside(content) or "binary data"
    pixels = size_of(content)
    return f"{name}, {pixels[0]} x {pixels[1]} pixels" if pixels else name


def size_of(content: bytes) -> tuple[int, int] | None:
    """Give the width and the height of an image in pixels."""
    try:
        return _pixels(_named_first(content), content)
    except (struct.error, IndexError):  # it is cut short
        return None


def type_of(content: bytes) -> str:
    """Give the media type of an image of a kind that every model that sees takes; nothing for anything else."""
    name = _named_first(content)
    return f"image/{name.split()[0].lower()}" if name in TAKEN else ""


def _named_first(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP image"
    return next((name for magic, name in MAGIC if content.startswith(magic)), "")


def _named_inside(content: bytes) -> str:
    """Name what is no text, by what does not stand at its beginning or would not be enough there."""
    if content[257:262] == b"ustar":
        return "tar archive"
    if content[4:8] == b"ftyp":
        return "MP4 media"
    if content[:4] == b"RIFF":
        return f"RIFF {content[8:12].decode('ascii', errors='replace').strip()}"
    return next((name for magic, name in WORDLIKE if content.startswith(magic)), "")


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
