"""Images, archives and other binaries: the kind by its first bytes, then what is cheap to read from them."""

from __future__ import annotations

import re
import struct

from workhand.core.preview.lines import Line, clean, cut

PROBE_BYTES = 8_192
BROKEN_SHARE = 0.1  # of the characters cannot be read: then it is no text
ENTRIES_MAX = 500
STRINGS_BYTES = 1_000_000
HEX_BYTES = 32
PLACE_OF_HEX = 1_000_000

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"%PDF-", "PDF document"),
    (b"PK\x03\x04", "zip archive"),
    (b"PK\x05\x06", "empty zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"\x7fELF", "ELF program"),
    (b"MZ", "Windows program"),
    (b"SQLite format 3\x00", "SQLite database"),
    (b"\xca\xfe\xba\xbe", "Java class"),
    (b"\x00asm", "WebAssembly module"),
    (b"ID3", "MP3 audio"),
    (b"OggS", "Ogg media"),
    (b"fLaC", "FLAC audio"),
    (b"BM", "BMP image"),
)
_STRINGS = re.compile(rb"[\x20-\x7e]{6,}")
_BROKEN = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")


def text_of(content: bytes) -> str | None:
    """Read bytes as text; ``None`` where they are none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) and len(content) > 3:
        return content.decode("utf-16", errors="replace")
    probe = content[:PROBE_BYTES].decode(errors="replace")
    known = any(content.startswith(magic) for magic, _ in _MAGIC if len(magic) > 3)
    if known or len(_BROKEN.findall(probe)) > BROKEN_SHARE * len(probe):
        return None
    return content.decode(errors="replace").removeprefix("\ufeff")


def binary(content: bytes) -> tuple[Line, ...]:
    """Say what a binary is, with its size in pixels, its entries, or the words in it."""
    name = next((name for magic, name in _MAGIC if content.startswith(magic)), "binary data")
    if content[:4] == b"RIFF":
        name = f"RIFF {content[8:12].decode('ascii', errors='replace').strip()}"
    if content[257:262] == b"ustar":
        name = "tar archive"
    if content[4:8] == b"ftyp":
        name = "MP4 media"
    pixels = _pixels(content)
    size = f", {pixels[0]} x {pixels[1]} pixels" if pixels else ""
    entries = _entries(content, name)
    lines = [Line(0, f"{name}{size}" + (f", {len(entries):,} entries" if entries else ""), 0)]
    lines += (Line(1 + at, cut(clean(entry), 160), 2 + at) for at, entry in enumerate(entries))
    if not entries and not pixels:
        found = dict.fromkeys(match[:120].decode() for match in _STRINGS.findall(content[:STRINGS_BYTES]))
        lines += (Line(2 + at, text, 2 + at) for at, text in enumerate(list(found)[:ENTRIES_MAX]))
    return (*lines, Line(PLACE_OF_HEX, f"first bytes: {content[:HEX_BYTES].hex(' ', 4)}", 1))


def _pixels(content: bytes) -> tuple[int, int] | None:
    if content.startswith(b"\x89PNG") and len(content) >= 24:
        return struct.unpack(">II", content[16:24])
    if content.startswith(b"GIF8") and len(content) >= 10:
        return struct.unpack("<HH", content[6:10])
    if content.startswith(b"\xff\xd8"):
        return _jpeg_pixels(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) >= 30:
        return _webp_pixels(content)
    return None


def _jpeg_pixels(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + max(2, length)
    return None


def _webp_pixels(content: bytes) -> tuple[int, int] | None:
    match content[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(content[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack("<HH", content[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None


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
