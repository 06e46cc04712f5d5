"""HTML and XML: title, headings, links with their targets, forms and ids, then the text."""

from __future__ import annotations

import html
import re

from workhand.core.preview.lines import SAMPLE_BYTES, Line, cut
from workhand.core.preview.names import by_novelty, names

LINK_BYTES_MAX = 140
TAGS_MIN = 12
TAG_CHARS_SHARE = 0.25
PIECES_MAX = 2_000

_START = re.compile(r"\s*(?:<\?xml|<!doctype|<html|<\w[^<>]{0,300}>)", re.IGNORECASE)
_TAG = re.compile(r"<!--|<(/?)([A-Za-z][\w:.-]*)((?:\s[^<>]{0,2000})?)>")
_DROPPED = {"script", "style", "svg", "noscript"}
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_KEPT = ("id", "name", "type", "value", "action", "method", "placeholder", "key", "ref", "version", "class")
_FORMS = {"form", "input", "select", "textarea", "button", "option"}


def markup(text: str, bytes_max: int) -> tuple[str, tuple[Line, ...]] | None:
    """Give kind and lines of HTML or XML; ``None`` where a text is neither."""
    sample = text if len(text) <= SAMPLE_BYTES else text[: SAMPLE_BYTES * 3 // 4] + text[-SAMPLE_BYTES // 4 :]
    if not _START.match(sample):
        return None
    tags = list(_TAG.finditer(sample))
    if len(tags) < TAGS_MIN or sum(len(tag[0]) for tag in tags) < TAG_CHARS_SHARE * min(len(sample), 20_000):
        return None
    is_html = bool(re.search(r"<(?:html|body|div|head|table|p|a|span)\b", sample[:20_000], re.IGNORECASE))
    pieces = _pieces(sample, is_html)
    ranked: list[Line] = []
    rest: list[tuple[int, str]] = []
    seen: set[str] = set()
    for at, (rank, piece) in enumerate(pieces):
        if piece in seen:
            continue
        seen.add(piece)
        if rank < 9:
            ranked.append(Line(at, cut(piece, LINK_BYTES_MAX), rank))
        else:
            rest.append((at, cut(piece, LINK_BYTES_MAX)))
    known = {name for line in ranked[:40] for name in names(line.text)}
    start = [Line(at, piece, 2) for at, piece in rest[: max(3, bytes_max // 400)]]
    taken = {line.at for line in start}
    kind = "html" if is_html else "xml"
    return kind, (*ranked, *start, *by_novelty([part for part in rest if part[0] not in taken], 5, known))


def _pieces(text: str, is_html: bool) -> list[tuple[int, str]]:
    """Cut markup into what it shows, in order, each with its rank: 9 is plain text and what names things."""
    pieces: list[tuple[int, str]] = []
    end, inside, target = 0, "", ""
    while len(pieces) < PIECES_MAX and (tag := _TAG.search(text, end)):
        shown = " ".join(html.unescape(text[end : tag.start()][:2_000]).split())
        if shown:
            pieces.append(_said(shown, inside, target, is_html))
        closing, name = tag[1], (tag[2] or "").lower()
        end = _after(text, tag.end(), "-->" if not name else f"</{name}" if name in _DROPPED and not closing else "")
        attributes = {key: one or two for key, one, two in _ATTRIBUTE.findall(tag[3] or "")}
        inside, target = ("", "") if closing else (name, attributes.get("href", ""))
        kept = " ".join(f"{key}={attributes[key]}" for key in _KEPT if attributes.get(key))
        if is_html and name in _FORMS and kept:
            pieces.append((4, f"{name} {kept}"))
        elif kept and (not is_html or "id" in attributes):
            pieces.append((9, f"<{name} {kept}>"))
    return pieces


def _after(text: str, start: int, close: str) -> int:
    """Give the place after what a tag opens and nobody reads, or the end of the text."""
    found = text.find(close, start)
    return len(text) if found < 0 else found


def _said(shown: str, inside: str, target: str, is_html: bool) -> tuple[int, str]:
    if target:
        return 9, f"[{shown}]({target})"
    if inside == "title":
        return 0, f"title: {shown}"
    if re.fullmatch(r"h[1-6]", inside):
        return 1 + (int(inside[1]) > 2), f"{'#' * int(inside[1])} {shown}"
    return 9, shown if is_html or not inside else f"{inside}: {shown}"
