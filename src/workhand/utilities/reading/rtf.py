"""Rich text (rtf): its text, paragraph by paragraph, with tables as lines of cells."""

from __future__ import annotations

import codecs
import re

from ..budget import Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-f]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)",
    re.DOTALL | re.IGNORECASE,
)
UNSEEN = {
    "colortbl",
    "datastore",
    "fonttbl",
    "footer",
    "footerf",
    "footerl",
    "footerr",
    "generator",
    "header",
    "headerf",
    "headerl",
    "headerr",
    "info",
    "latentstyles",
    "listtable",
    "listoverridetable",
    "nonshppict",
    "pict",
    "object",
    "rsidtbl",
    "stylesheet",
    "themedata",
    "colorschememapping",
    "xmlnstbl",
    "fldinst",
}
CHARACTERS = {
    "par": "\n\n", "sect": "\n\n", "page": "\n\n", "line": "\n", "row": "\n", "tab": "\t", "cell": " | ", "emdash": "—",
    "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",  # noqa: RUF001
}  # fmt: skip
GROUPS_DEEP_MAX = 10_000


def read(source: Source) -> Iterator[str]:
    content = source.content()
    page = re.search(rb"\\ansicpg(\d{3,5})", content[:4096])
    codec = f"cp{page[1].decode()}" if page else "cp1252"
    try:
        codecs.lookup(codec)
    except LookupError:
        codec = "cp1252"
    text = b"".join(_pieces(content, codec)).decode("utf-8", "replace")
    yield from (part.strip(" |\n") for part in re.split(r"\n{2,}", text))


def _pieces(content: bytes, codec: str) -> Iterator[bytes]:
    """Give the text as pieces of UTF-8; what is in a group that is not seen is left out."""
    groups = [(False, 1)]  # whether one is unseen, and by how many characters a \\u is followed for old readers
    unseen, skip, left = False, 1, 0
    held = b""  # bytes of one character in the codec
    for found in TOKEN.finditer(content):
        word, number, byte, symbol, brace, plain = found.groups()
        if brace == b"{":
            groups.append((unseen, skip))
            if len(groups) > GROUPS_DEEP_MAX:
                raise Unreadable(f"Its groups lie more than {GROUPS_DEEP_MAX:,} deep in one another.")
        elif brace == b"}":
            unseen, skip = groups.pop() if groups else (False, 1)
        elif symbol == b"*":
            unseen = True
        elif word:
            name = word.decode().lower()
            unseen = unseen or name in UNSEEN
            skip = int(number or 1) if name == "uc" else skip
            if not unseen and name == "u" and number:
                yield chr(int(number) % 0x10000).encode("utf-8", "surrogatepass")
                left = skip
            elif not unseen:
                yield CHARACTERS.get(name, "").encode()
        elif byte and left:
            left -= 1
        elif not unseen:
            held += bytes.fromhex(byte.decode()) if byte else b""
            characters = plain[left:] if plain else {b"~": b" ", b"_": b"-"}.get(symbol, symbol or b"")
            left = 0
            decoded, held = _decoded(held, codec) if byte else (held.decode(codec, "replace"), b"")
            yield decoded.encode() + characters.decode(codec, "replace").encode()


def _decoded(held: bytes, codec: str) -> tuple[str, bytes]:
    """Decode the bytes of a character, or hold them until it is complete."""
    try:
        return held.decode(codec), b""
    except UnicodeDecodeError:
        return ("", held) if len(held) < 4 else (held.decode(codec, "replace"), b"")
