"""Documents of LibreOffice: texts (odt), sheets (ods) and presentations (odp)."""

from __future__ import annotations

from ..budget import Unreadable
from . import markdown
from .package import Package

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from .source import Source

LEFT_OUT = {
    "tracked-changes",
    "forms",
    "sequence-decls",
    "variable-decls",
    "user-field-decls",
    "annotation-end",
    "shapes",
}
SPACES_MAX = 100
REPEATED_MAX = 1_000  # an equal cell is written once for thousands


def read(source: Source) -> Iterator[str]:
    package = Package(source)
    if any(package.elements("META-INF/manifest.xml", "encryption-data")):
        raise Unreadable("It is protected by a password.")
    source.facts["title"] = next((each.text or "" for each in package.elements("meta.xml", "title")), "")
    body = package.tree("content.xml").find("body")
    for kind in () if body is None else body:
        pages = [each for each in kind if each.tag in ("page", "table")]
        paged = kind.tag in ("presentation", "spreadsheet")
        if paged:
            source.facts["pages"] = len(pages)
        for child in kind:
            if not paged:
                yield from _block(child)
            elif child in pages and pages.index(child) + 1 in source.pages:
                yield markdown.heading(2, child.get("name", ""))
                yield from _block(child)


def _blocks(parent: Element) -> Iterator[str]:
    for child in parent:
        yield from _block(child)


def _block(element: Element) -> Iterator[str]:
    if element.tag == "h":
        level = element.get("outline-level", "1")
        yield markdown.heading(int(level) if level.isdigit() else 1, _text(element))
    elif element.tag == "p":
        yield _text(element).strip()
    elif element.tag == "list":
        yield _list(element)
    elif element.tag == "table":
        yield markdown.table(_rows(element))
    elif element.tag == "notes":
        text = " ".join(each for each in _blocks(element) if each)
        yield markdown.quoted(f"Notes: {text}") if text else ""
    elif element.tag not in LEFT_OUT:
        yield from _blocks(element)


def _list(element: Element) -> str:
    entries = []
    for child in element:
        text = "".join(markdown.joined(_blocks(child), tight=True))
        if text:
            entries.append(markdown.entry(text))
    return "\n".join(entries)


def _rows(table: Element) -> list[list[str]]:
    """Give the rows of a table that have something in them; what is repeated at an end is only layout."""
    rows: list[list[str]] = []
    for row in table.iter("table-row"):
        cells: list[str] = []
        empty = 0
        for cell in row:
            count = _count(cell, "number-columns-repeated", REPEATED_MAX)
            text = " ".join(block for block in _blocks(cell) if block)
            if cell.tag not in ("table-cell", "covered-table-cell") or not text:
                empty += count
                continue
            cells += [""] * empty + [text] * count
            empty = 0
        if cells:
            rows += [cells] * _count(row, "number-rows-repeated", REPEATED_MAX)
    return rows


def _text(element: Element) -> str:
    pieces = [element.text or ""]
    for child in element:
        pieces += [_inline(child), child.tail or ""]
    return "".join(pieces)


def _inline(child: Element) -> str:
    if child.tag == "s":
        return " " * _count(child, "c", SPACES_MAX)
    if child.tag in ("tab", "line-break"):
        return "\t" if child.tag == "tab" else "\n"
    if child.tag == "a":
        return markdown.link(_text(child), child.get("href", ""))
    if child.tag == "note":
        body = child.find("note-body")
        return "" if body is None else f" [note: {' '.join(block for block in _blocks(body) if block)}]"
    if child.tag == "annotation":
        return f" [comment: {' '.join(_text(each) for each in child.iter('p'))}]"
    if child.tag == "frame":
        return " ".join(block for block in _blocks(child) if block)
    return "" if child.tag in LEFT_OUT else _text(child)


def _count(element: Element, attribute: str, most: int) -> int:
    stated = element.get(attribute, "1")
    return min(int(stated), most) if stated.isdigit() else 1
