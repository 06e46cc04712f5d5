"""A secret is found in whatever way it is written, and ordinary content is left alone."""

from __future__ import annotations

import base64
import codecs
import gzip
import html
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from workhand.guard.scan import CREDENTIALS, TOO_MUCH, UNCAUGHT, Finding, Needle, scan

VALUE = b"sk_dummy_9f8E7d6C5b4A"
NEEDLES = (Needle("OTHER", b"another-dummy-value-1234"), Needle("KEY", VALUE))
TEXT = VALUE.decode()


def zipped(content: bytes, method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.txt", content)
    return file.getvalue()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda it: it,
    "in a sentence": lambda it: b"the key is " + it + b", use it",
    "base64": base64.b64encode,
    "base64 one on": lambda it: base64.b64encode(b"x" + it + b"yy"),
    "base64 two on": lambda it: base64.b64encode(b"xx" + it + b"y"),
    "base64 for addresses": lambda it: base64.urlsafe_b64encode(b"\xff\xfe" + it),
    "base64 without its end": lambda it: base64.b64encode(it).rstrip(b"="),
    "base64 twice": lambda it: base64.b64encode(base64.b64encode(it)),
    "base64 three times": lambda it: base64.b64encode(base64.b64encode(base64.b64encode(it))),
    "base64 in lines": lambda it: base64.encodebytes(b"-" * 70 + it + b"-" * 70),
    "base32": base64.b32encode,
    "hex": lambda it: it.hex().encode(),
    "hex in capitals": lambda it: it.hex().upper().encode(),
    "hex with spaces": lambda it: it.hex(" ").encode(),
    "hex with colons": lambda it: it.hex(":").encode(),
    "hex in base64": lambda it: base64.b64encode(it.hex().encode()),
    "percent": lambda it: "".join(f"%{byte:02x}" for byte in it).encode(),
    "percent twice": lambda it: quote("".join(f"%{byte:02X}" for byte in it)).encode(),
    "unicode escapes": lambda it: "".join(f"\\u{byte:04x}" for byte in it).encode(),
    "hexadecimal escapes": lambda it: "".join(f"\\x{byte:02x}" for byte in it).encode(),
    "octal escapes": lambda it: "".join(f"\\{byte:03o}" for byte in it).encode(),
    "entities": lambda it: "".join(f"&#{byte};" for byte in it).encode(),
    "hexadecimal entities": lambda it: "".join(f"&#x{byte:x};" for byte in it).encode(),
    "quoted-printable": lambda it: "".join(f"={byte:02X}" for byte in it).encode() + b"=\n",
    "gzip": gzip.compress,
    "gzip in base64": lambda it: base64.b64encode(gzip.compress(it)),
    "gzip in hex": lambda it: gzip.compress(it).hex().encode(),
    "zlib": zlib.compress,
    "zlib in base64": lambda it: base64.b64encode(zlib.compress(it)),
    "zstd": zstandard.compress,
    "zip": lambda it: zipped(it, zipfile.ZIP_DEFLATED),
    "zip as it is": lambda it: zipped(it, zipfile.ZIP_STORED),
    "base64 in a zip": lambda it: zipped(base64.b64encode(it), zipfile.ZIP_DEFLATED),
    "zip cut short": lambda it: zipped(b"-" * 40_000 + it + os.urandom(99), zipfile.ZIP_DEFLATED)[:-60],
    "zip behind a damaged one": lambda it: b"PK\x03\x04damaged" + b"x" * 99 + zipped(it, zipfile.ZIP_DEFLATED),
    "gzip cut short": lambda it: gzip.compress(it + b"\n" + os.urandom(40_000))[:-9],
    "gzip behind another": lambda it: gzip.compress(b"hello") + gzip.compress(it),
    "zlib behind its mark": lambda it: b"\x78\x9c" * 3 + zlib.compress(it),
    "zstd inside": lambda it: b"hello" + zstandard.compress(it),
    "lower case": bytes.lower,
    "capitals": bytes.upper,
    "swapped case": bytes.swapcase,
    "reversed": lambda it: it[::-1],
    "thirteen places on": lambda it: codecs.encode(it.decode(), "rot13").encode(),
    "dots between": lambda it: ".".join(it.decode()).encode(),
    "spaces between": lambda it: " ".join(it.decode()).encode(),
    "lines between": lambda it: "\n".join(it.decode()).encode(),
    "spaces without width": lambda it: "\u200b".join(it.decode()).encode(),
    "UTF-16": lambda it: it.decode().encode("utf-16-le"),
    "UTF-32": lambda it: it.decode().encode("utf-32-le"),
    "over two values": lambda it: b"a=" + it[:9] + b"&b=" + it[9:],
    "over two fields": lambda it: json.dumps({"a": it[:9].decode(), "b": it[9:].decode()}).encode(),
    "multipart": lambda it: (
        b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + base64.b64encode(it) + b"\r\n--x--"
    ),
    "escaped in JSON": lambda it: json.dumps(json.dumps({"k": it.decode()})).encode(),
}
UNSEEN: dict[str, Callable[[bytes], bytes]] = {
    UNCAUGHT[0]: lambda it: bytes(byte ^ 0x5A for byte in it),
    UNCAUGHT[2]: lambda it: bytes(byte + 1 for byte in it),
    UNCAUGHT[6]: lambda it: base64.b64encode(it).lower(),
    UNCAUGHT[7]: lambda it: it[:3],
}
PLACES = ("address", "header x-data", "header cookie", "body")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_is_found_however_it_is_written(name: str, place: str) -> None:
    found = scan([("header host", b"example.com"), (place, ENCODINGS[name](VALUE))], NEEDLES)
    assert found is not None
    assert (found.name, found.where) == ("KEY", place)
    assert TEXT not in repr((found, NEEDLES))


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_found_is_known_by_name(name: str) -> None:
    assert scan([("body", UNSEEN[name](VALUE))], NEEDLES) is None


@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from(["plain", "hex", "base64 one on", "gzip"]))
def test_what_stands_around_a_secret_hides_nothing(before: bytes, after: bytes, name: str) -> None:
    assert scan([("body", before + b"\n" + ENCODINGS[name](VALUE) + b"\n" + after)], NEEDLES) is not None


@given(st.binary(max_size=300))
def test_any_content_can_be_searched(content: bytes) -> None:
    found = scan([("body", content)], NEEDLES)
    assert found is None or found.name in [
        TOO_MUCH,
        *(needle.name for needle in NEEDLES),
        *(name for name, *_ in CREDENTIALS),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"%41" * 100_000,
        b"A" * 300_000,
        b"\\u0041" * 50_000,
        b"&#65;" * 50_000,
        b"41" * 150_000,
        b"PK\x03\x04" * 9_999,
        b"\x1f\x8b" * 9_999,
        b"a=b&" * 50_000,
        b'{"a":' * 20_000,
    ],
)
def test_what_is_made_to_be_dear_is_searched_within_bounds(content: bytes) -> None:
    assert scan([("body", content)], NEEDLES) is None


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"\0" * 33_554_433),
        base64.b64encode(gzip.compress(b"\0" * 50_000_000)),
        b"".join(gzip.compress(bytes([byte]) * 3_000_000) for byte in range(32)),
    ],
)
def test_what_unpacks_to_more_than_can_be_searched_does_not_pass(content: bytes) -> None:
    assert scan([("body", content)], NEEDLES) == Finding(TOO_MUCH, "body", "")


@pytest.mark.parametrize(
    "before",
    [
        b" ".join(b"word%012dword" % number for number in range(2_000)),
        os.urandom(20_000),
        b"\n".join(base64.b64encode(b"words of text %d" % number) for number in range(2_000)),
    ],
)
def test_no_crowd_of_decoys_hides_a_secret(before: bytes) -> None:
    hidden = base64.b64encode(base64.b64encode(gzip.compress(VALUE)))
    assert scan([("body", before + b"\n" + hidden)], NEEDLES) is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("github-token", "ghp_" + "a1B2" * 9),
        ("aws-key", "AKIA" + "ABCDEFGHIJKLMNOP"),
        ("google-key", "AIza" + "a" * 35),
        ("npm-token", "npm_" + "a1" * 18),
        ("private-key", "-----BEGIN RSA PRIVATE KEY-----\n" + "a1B2" * 20),
    ],
)
def test_what_has_the_form_of_a_credential_is_found(name: str, text: str) -> None:
    found = scan([("body", base64.b64encode(f"x {text} y".encode()))], ())
    assert found is not None and found.name == name


def test_ordinary_source_is_left_alone() -> None:
    """As bodies, as text in JSON, and as attachments: at most one in two hundred may be held back."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))[:150]
    requests = [
        (("body", made),)
        for file in files
        for content in [file.read_bytes()[:20_000]]
        for made in (content, json.dumps(content.decode("latin-1")).encode(), base64.b64encode(content))
    ]
    assert len(requests) > 300
    assert sum(scan(parts, NEEDLES) is not None for parts in requests) <= len(requests) // 200


def test_html_is_read_as_a_page_shows_it() -> None:
    assert scan([("body", b"&amp;;" + html.escape(TEXT).encode())], NEEDLES) is not None
