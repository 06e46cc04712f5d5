"""Look for secrets in what is about to leave, through the ways in which they can be written.

This is a tripwire behind the placeholders: a secret that is not inside cannot leave.  It looks for registered values,
and for strings that have the form of a well-known credential.  Pure functions over bytes; a large request is searched
in another process, so that no other session waits.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import parse_qsl, unquote_to_bytes

from workhand.guard.placing import in_base64

DEPTH_MAX = 4
DECODED_BYTES_MAX = 6 << 20  # of all that is decoded, beside some times the content itself
DECODED_TIMES = 8
UNPACKED_BYTES_MAX = 32 << 20  # of one thing that is packed
TEXT_SHARE_MIN = 0.85
TEXT = bytes([9, 10, 13, *range(32, 127)])
PIECE_BYTES_MIN = 16
SHORT_BYTES_MAX = 64 << 10  # in what is longer, base64 begins where its letters do
TEXT_RUN = re.compile(rb"[\t\n\r -~]{%d,}" % PIECE_BYTES_MIN)
SQUEEZED_MIN = 8
LOWER = bytes(range(256)).lower()
OTHERS = bytes(byte for byte in range(256) if not (byte < 128 and chr(byte).isalnum()))
TURNED = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"nopqrstuvwxyzabcdefghijklm")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{%d,}={0,2}" % PIECE_BYTES_MIN)
WRAPPED = re.compile(rb"(?<=[A-Za-z0-9+/]{60})\r?\n")
BASE32 = re.compile(rb"[A-Z2-7]{%d,}={0,6}" % PIECE_BYTES_MIN)
HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}(?:[ :,]|\\x|%%|0x|, 0x)?){%d,}" % PIECE_BYTES_MIN)
ESCAPES = re.compile(rb"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\([0-7]{3})")
RAW_DEFLATE = -15
ZIP_MEMBER, ZSTD = b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
PLACES_MAX = 32  # at which unpacking is tried, of each kind
CHUNK_BYTES = 1 << 14
PACKED = {b"\x1f\x8b": 31, b"\x78\x01": 15, b"\x78\x5e": 15, b"\x78\x9c": 15, b"\x78\xda": 15}
UNCAUGHT = (
    "exclusive or with a key",
    "encryption",
    "a substitution of letters other than by thirteen places",
    "pictures, sounds and other carriers that hide a text",
    "the times, the number or the order of requests",
    "an archive with a password",
    "base64 in the name of a host, which has no capitals",
    "pieces shorter than four characters over several requests",
)
"""What no search can see; the placeholders are the answer to it."""

CREDENTIALS: tuple[tuple[str, tuple[bytes, ...], re.Pattern[bytes]], ...] = tuple(
    (name, tuple(marks.split()), re.compile(pattern))
    for name, marks, pattern in (
        (
            "github-token",
            b"ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
            rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})\b",
        ),
        ("gitlab-token", b"glpat-", rb"\bglpat-[A-Za-z0-9_-]{20}\b"),
        ("aws-key", b"AKIA ASIA", rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        ("google-key", b"AIza", rb"\bAIza[A-Za-z0-9_-]{35}\b"),
        ("slack-token", b"xox", rb"\bxox[abpors]-\d{8,}-[A-Za-z0-9-]{20,}\b"),
        ("stripe-key", b"k_live_", rb"\b[sr]k_live_[A-Za-z0-9]{24,}\b"),
        ("anthropic-key", b"sk-ant-", rb"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80,}"),
        ("openai-key", b"T3BlbkFJ", rb"\bsk-(?:proj-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
        ("npm-token", b"npm_", rb"\bnpm_[A-Za-z0-9]{36}\b"),
        ("pypi-token", b"pypi-AgEIcHlwaS5vcmc", rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
        (
            "private-key",
            b"KEY-----",
            rb"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64,}",
        ),
    )
)
"""Well-known credentials: their kind, what they all hold, and their form, as those who issue them publish it."""


@dataclass(frozen=True, slots=True)
class Needle:
    """A registered secret, as it is looked for."""

    name: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    name: str  # of the secret, of the kind of credential, or ``TOO_MUCH``
    where: str  # "address", "header NAME", "body"
    how: str  # the layers that it was under


TOO_MUCH = "more than can be searched"
"""Found where decoding does not end within its bounds: what was not looked at must not leave."""


class _Beyond(Exception):
    """More would have to be decoded than is searched."""


@dataclass(slots=True)
class _Bounds:
    bytes_left: int
    seen: set[bytes] = field(default_factory=set)

    def take(self, view: bytes) -> None:
        self.seen.add(view)
        self.bytes_left -= len(view)
        if self.bytes_left < 0:
            raise _Beyond


def scan(parts: Iterable[tuple[str, bytes]], needles: tuple[Needle, ...]) -> Finding | None:
    """Give the first finding in the parts of a request; each part has a name and its bytes."""
    return next(findings(parts, needles), None)


def findings(parts: Iterable[tuple[str, bytes]], needles: tuple[Needle, ...]) -> Iterator[Finding]:
    """Give whatever is found, the same thing perhaps more than once."""
    parts = tuple(parts)
    bounds = _Bounds(DECODED_BYTES_MAX + DECODED_TIMES * sum(len(content) for _, content in parts))
    for where, content in parts:
        try:
            for how, view in _views(content, bounds):
                for name, written in _in_view(view, needles):
                    yield Finding(name, where, f"{how}{written}".strip(", ") or "plain")
        except _Beyond:
            yield Finding(TOO_MUCH, where, "")


def squeezed(content: bytes) -> bytes:
    """Leave letters and digits only, in one case: what a secret cannot be told apart by."""
    return content.translate(LOWER, OTHERS)


def _in_view(view: bytes, needles: tuple[Needle, ...]) -> Iterator[tuple[str, str]]:
    tight = squeezed(view) if needles else b""
    for needle in needles:
        if (written := _written(needle.value, view, tight)) is not None:
            yield needle.name, written
    for name, marks, pattern in CREDENTIALS:
        if any(mark in view for mark in marks) and pattern.search(view):  # the marks are found much faster
            yield name, ""


def _written(value: bytes, view: bytes, tight: bytes) -> str | None:
    """Say how a value is written in a view, if it is there."""
    if value in view:
        return ""
    if any(each in view for each in in_base64(value)):
        return ", base64"
    small = squeezed(value)
    ways = (
        ("separators or case", small),
        ("reversed", small[::-1]),
        ("rot13", small.translate(TURNED)),
        ("hex", value.hex().encode()),
    )
    found = [how for how, sought in ways if len(small) >= SQUEEZED_MIN and sought in tight]
    return f", {found[0]}" if found else None


def _views(content: bytes, bounds: _Bounds) -> Iterator[tuple[str, bytes]]:
    """Give a content, and what it is once decoded in every way that fits: each once, by the shortest way."""
    queue = deque([("", content, 0)])
    while queue:
        how, view, depth = queue.popleft()
        yield how, view
        for name, inner in _decoded(view) if depth < DEPTH_MAX else ():
            if inner and inner not in bounds.seen:
                bounds.take(inner)
                queue.append((f"{how}, {name}", inner, depth + 1))


def _decoded(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _unpacked(content)
    if not _is_text(content):
        yield "text in it", b"\n".join(TEXT_RUN.findall(content))
        return
    yield from _respelled(content)
    if WRAPPED.search(content):
        yield "lines joined", re.sub(rb"\s", b"", content)
    turns = 4 if len(content) <= SHORT_BYTES_MAX else 1  # a path, or a letter, may run on into what is encoded
    ways = (("base64", BASE64, _base64, turns), ("base32", BASE32, _base32, 1), ("hex", HEX, _hex, 1))
    for name, pattern, decode, begins in ways:
        found = [decode(match[0][at:]) for match in pattern.finditer(content) for at in range(begins)]
        for is_text in (True, False):  # together, since words are a great many; apart, since texts are decoded further
            yield name, b"\n".join(each for each in found if _is_text(each) is is_text)


def _is_text(content: bytes) -> bool:
    return len(content.translate(None, TEXT)) <= len(content) * (1 - TEXT_SHARE_MIN)


def _respelled(content: bytes) -> Iterator[tuple[str, bytes]]:
    if b"%" in content:
        yield "percent", unquote_to_bytes(content)
    if b"&" in content and b";" in content:
        yield "entities", html.unescape(content.decode("latin-1")).encode("utf-8", "replace")
    if b"\\" in content:
        yield "escapes", ESCAPES.sub(_unescaped, content)
    if b"=\n" in content or b"=\r\n" in content:
        yield "quoted-printable", binascii.a2b_qp(content)
    if b"=" in content and b"&" in content:
        yield "values joined", "".join(value for _, value in _form(content)).encode("latin-1")
    if b'"' in content:
        yield "values joined", b"".join(re.findall(rb':\s*"((?:[^"\\]|\\.)*)"', content))


def _form(content: bytes) -> list[tuple[str, str]]:
    return parse_qsl(content.decode("latin-1"), encoding="latin-1")


def _unescaped(match: re.Match[bytes]) -> bytes:
    wide, narrow, octal = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    return chr(int(wide or narrow, 16)).encode("utf-8", "replace")


def _unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Unpack from every place where something packed may begin: what stands before it, or is damaged, hides nothing."""
    for magic, window in PACKED.items():
        for at in islice(_places(magic, content), PLACES_MAX):
            yield "compressed", _inflated(content[at:], window)
    for at in islice(_places(ZSTD, content), PLACES_MAX):
        yield "compressed", _zstd(content[at:])
    for at in islice(_places(ZIP_MEMBER, content), PLACES_MAX):
        lengths = content[at + 26 : at + 30]  # of the member's name and of what follows it, in a local file header
        begin = at + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        yield "zip", _inflated(content[begin:], RAW_DEFLATE)


def _places(sought: bytes, content: bytes) -> Iterator[int]:
    at = content.find(sought)
    while at >= 0:
        yield at
        at = content.find(sought, at + 1)


def _inflated(content: bytes, window: int) -> bytes:
    """Unpack as far as it goes, within bounds."""
    unpacked, unpacker = bytearray(), zlib.decompressobj(window)
    try:
        for at in range(0, len(content), CHUNK_BYTES):
            unpacked += unpacker.decompress(content[at : at + CHUNK_BYTES], UNPACKED_BYTES_MAX - len(unpacked))
            if len(unpacked) >= UNPACKED_BYTES_MAX:
                raise _Beyond
            if unpacker.eof:
                break
    except zlib.error:
        return bytes(unpacked)
    return bytes(unpacked)


def _zstd(content: bytes) -> bytes:
    import zstandard

    unpacked = bytearray()
    try:
        with zstandard.ZstdDecompressor().stream_reader(content) as reader:
            while chunk := reader.read(CHUNK_BYTES):
                unpacked += chunk
                if len(unpacked) >= UNPACKED_BYTES_MAX:
                    raise _Beyond
    except zstandard.ZstdError:
        return bytes(unpacked)
    return bytes(unpacked)


def _base64(text: bytes) -> bytes:
    text = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    text = text[: len(text) - (len(text) % 4 == 1)]
    return base64.b64decode(text + b"=" * (-len(text) % 4))


def _base32(text: bytes) -> bytes:
    text = text.rstrip(b"=")
    text = text[: len(text) - len(text) % 8 + {0: 0, 2: 2, 4: 4, 5: 5, 7: 7}.get(len(text) % 8, 0)]
    return base64.b32decode(text + b"=" * (-len(text) % 8))


def _hex(text: bytes) -> bytes:
    digits = re.sub(rb"0x|\\x|[^0-9A-Fa-f]", b"", text)
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
