"""Look for secrets in what is about to leave, through the ways in which they can be written.

This is a tripwire behind the placeholders: a secret that is not inside cannot leave.  It looks for registered values,
and for strings that have the form of a well-known credential.  Pure functions over bytes; a large request is searched
in another process, so that no other session waits.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_to_bytes

from workhand.guard.placing import in_base64

DEPTH_MAX = 4
VIEWS_MAX = 400
DECODED_BYTES_MAX = 6 << 20  # of all that is decoded, beside a few times the content itself
TEXT_SHARE_MIN = 0.85
TEXT = bytes([9, 10, 13, *range(32, 127)])
PIECE_BYTES_MIN = 16
SQUEEZED_MIN = 8
LOWER = bytes(range(256)).lower()
OTHERS = bytes(byte for byte in range(256) if not (byte < 128 and chr(byte).isalnum()))
TURNED = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"nopqrstuvwxyzabcdefghijklm")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{%d,}={0,2}" % PIECE_BYTES_MIN)
WRAPPED = re.compile(rb"(?<=[A-Za-z0-9+/]{60})\r?\n")
BASE32 = re.compile(rb"[A-Z2-7]{%d,}={0,6}" % PIECE_BYTES_MIN)
HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}(?:[ :,]|\\x|%%|0x|, 0x)?){%d,}" % PIECE_BYTES_MIN)
ESCAPES = re.compile(rb"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\([0-7]{3})")
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
    name: str  # of the secret, or of the kind of credential
    where: str  # "address", "header NAME", "body"
    how: str  # the layers that it was under


def scan(parts: Iterable[tuple[str, bytes]], needles: tuple[Needle, ...]) -> Finding | None:
    """Give the first finding in the parts of a request; each part has a name and its bytes."""
    parts = tuple(parts)
    budget = [VIEWS_MAX, DECODED_BYTES_MAX + 4 * sum(len(content) for _, content in parts)]
    for where, content in parts:
        for how, view in _views(content, "", 0, budget):
            if found := _in_view(view, needles):
                return Finding(found[0], where, f"{how}{found[1]}".strip(", ") or "plain")
    return None


def squeezed(content: bytes) -> bytes:
    """Leave letters and digits only, in one case: what a secret cannot be told apart by."""
    return content.translate(LOWER, OTHERS)


def _in_view(view: bytes, needles: tuple[Needle, ...]) -> tuple[str, str] | None:
    if not needles:
        return _credential(view)
    tight = squeezed(view)
    for needle in needles:
        if needle.value in view:
            return needle.name, ""
        if any(each in view for each in in_base64(needle.value)):
            return needle.name, ", base64"
        small = squeezed(needle.value)
        if len(small) < SQUEEZED_MIN:
            continue
        for how, sought in (
            ("separators or case", small),
            ("reversed", small[::-1]),
            ("rot13", small.translate(TURNED)),
            ("hex", needle.value.hex().encode()),
        ):
            if sought in tight:
                return needle.name, f", {how}"
    return _credential(view)


def _credential(view: bytes) -> tuple[str, str] | None:
    for name, marks, pattern in CREDENTIALS:
        if any(mark in view for mark in marks) and pattern.search(view):  # the marks are found much faster
            return name, ""
    return None


def _views(content: bytes, how: str, depth: int, budget: list[int]) -> Iterator[tuple[str, bytes]]:
    """Give a content, and what it is once decoded in every way that fits, within bounds."""
    budget[0] -= 1
    budget[1] -= len(content)
    if budget[0] < 0 or budget[1] < 0 or not content:
        return
    yield how, content
    if depth < DEPTH_MAX:
        for name, inner in _decoded(content):
            if inner and inner != content:
                yield from _views(inner, f"{how}, {name}", depth + 1, budget)


def _decoded(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _unpacked(content)
    if not _is_text(content):
        return
    yield from _respelled(content)
    if WRAPPED.search(content):
        yield "lines joined", re.sub(rb"\s", b"", content)
    for name, pattern, decode in (("base64", BASE64, _base64), ("base32", BASE32, _base32), ("hex", HEX, _hex)):
        for match in pattern.finditer(content):
            yield name, decode(match[0])


def _is_text(content: bytes) -> bool:
    sample = content[:4_096]
    return len(sample.translate(None, TEXT)) <= len(sample) * (1 - TEXT_SHARE_MIN)


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
    for magic, window in PACKED.items():
        at = content.find(magic)
        if at >= 0:
            yield "compressed", _inflated(content[at:], window)
    if content.startswith((b"\x28\xb5\x2f\xfd",)):
        yield "compressed", _zstd(content)
    at = content.find(b"PK\x03\x04")
    if at >= 0:
        yield from _members(content[at:])


def _inflated(content: bytes, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(content, DECODED_BYTES_MAX)
    except zlib.error:
        return b""


def _zstd(content: bytes) -> bytes:
    import zstandard

    try:
        return zstandard.ZstdDecompressor().stream_reader(content).read(DECODED_BYTES_MAX)
    except zstandard.ZstdError:
        return b""


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist()[:50]:
                with archive.open(member) as file:
                    yield "zip", file.read(DECODED_BYTES_MAX)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, OSError, EOFError):
        return  # Damaged, or with a password: see ``UNCAUGHT``.


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
