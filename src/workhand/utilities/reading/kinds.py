"""What a document is, by its bytes and then by its name, and who reads it."""

from __future__ import annotations

import importlib
import os
import re
import struct
import tarfile
import zipfile
import zlib
from lzma import LZMAError

from ..budget import Unreadable
from .encodings import SAMPLE_BYTES, text_of

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

READERS = {
    "html": "web.read",
    "pdf": "pdf.read",
    "docx": "word.read",
    "xlsx": "sheet.read",
    "pptx": "slides.read",
    "odf": "opendocument.read",
    "epub": "book.read",
    "ipynb": "notebook.read",
    "mail": "mail.read",
    "mbox": "mail.read_box",
    "rtf": "rtf.read",
    "json": "plain.read_json",
    "csv": "plain.read_table",
    "text": "plain.read",
    "picture": "picture.read",
    "office": "office.read",
    "zip": "archive.read",
    "tar": "archive.read_tar",
    "packed": "archive.read_packed",
}
"""The module and function that reads each kind; loaded when a document of it comes."""
HEADER_BLOCK = re.compile(r"(?:[!-9;-~]+:.*\n(?:[ \t].*\n)*)*")
MAIL_HEADERS = re.compile(r"^(?:from|to|subject|date|message-id|received|return-path|mime-version):", re.I | re.M)
MAIL_HEADERS_MIN = 3
CONTROLS = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]")
CONTROL_SHARE_MAX = 0.02  # of the characters of a text
ARCHIVES = {"zip", "tar", "packed"}

STARTS = (
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
    (b"\x89PNG\r\n", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"BM", "picture"),
    (b"II*\x00", "picture"),
    (b"MM\x00*", "picture"),
    (b"\x1f\x8b", "packed"),
    (b"BZh", "packed"),
    (b"\xfd7zXZ", "packed"),
    (b"From ", "mbox"),
)
ENDINGS = {
    "html": (".html", ".htm", ".xhtml"),
    "ipynb": (".ipynb",),
    "mail": (".eml",),
    "csv": (".csv", ".tsv"),
    "json": (".json", ".geojson"),
    "mbox": (".mbox",),
}
PARTS = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"), ("META-INF/container.xml", "epub"))
TYPES = {"application/epub+zip": "epub", "application/vnd.oasis.opendocument": "odf"}
DAMAGES = (
    ArithmeticError, AttributeError, EOFError, LookupError, LZMAError, OSError, RuntimeError, struct.error,
    tarfile.TarError, TypeError, ValueError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the standard library and the readers run into when a document is not what it says."""


def blocks_of(source: Source, *, archives: bool = True) -> Iterator[str]:
    """Read a document of any kind; one that is damaged is ``Unreadable``."""
    kind = kind_of(source)
    source.facts["kind"] = kind
    if kind in ARCHIVES and not archives:
        raise Unreadable("It is an archive in a packed file: unpack it, then read it.")
    module, _, function = READERS[kind].partition(".")
    read = getattr(importlib.import_module(f".{module}", __package__), function)
    try:
        yield from read(source)
    except DAMAGES as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(f"It cannot be read as {kind}, so it is damaged or something else ({why[:200]}).") from error


def kind_of(source: Source) -> str:
    head = source.head(SAMPLE_BYTES)
    if not head:
        raise Unreadable("It is empty.")
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _zip_kind(source)
    kind = next((kind for start, kind in STARTS if head.startswith(start)), "")
    if not kind and (head[257:262] == b"ustar"):
        kind = "tar"
    if not kind and head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "picture"
    return kind or _text_kind(head, source.name)


def _zip_kind(source: Source) -> str:
    try:
        with zipfile.ZipFile(source.file) as opened:
            source.budget.member(len(opened.infolist()))
            names = set(opened.namelist())
            stated = opened.read("mimetype")[:100].decode("ascii", "replace") if _has_type(opened, names) else ""
    except DAMAGES as error:
        raise Unreadable(f"It is a damaged zip archive, or a document that is one ({error}).") from error
    for start, kind in TYPES.items():
        if stated.startswith(start):
            return kind
    if "[Content_Types].xml" not in names and "META-INF/container.xml" not in names:
        return "zip"
    return next((kind for part, kind in PARTS if any(name.startswith(part) for name in names)), "zip")


def _has_type(opened: zipfile.ZipFile, names: set[str]) -> bool:
    return "mimetype" in names and opened.getinfo("mimetype").file_size < 100


def _text_kind(head: bytes, name: str) -> str:
    """Tell kinds of text apart: by the name, and by how a text begins that has none that helps."""
    text = text_of(head)
    if len(CONTROLS.findall(text)) > len(text) * CONTROL_SHARE_MAX:
        raise Unreadable("It is no text and no document of a kind that is read here; `file` may say what it is.")
    ending = os.path.splitext(name.lower())[1]
    start = head[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for kind, endings in ENDINGS.items():
        if ending in endings:
            return kind
    if start.startswith((b"<!doctype html", b"<html")) or (start.startswith(b"<?xml") and b"<html" in start):
        return "html"
    if ending == "" and start[:1] in (b"{", b"["):
        return "json"
    if len(MAIL_HEADERS.findall(HEADER_BLOCK.match(text)[0])) >= MAIL_HEADERS_MIN:  # type: ignore[index]  # it matches always
        return "mail"
    return "text"
