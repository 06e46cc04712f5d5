"""Presentations of PowerPoint (pptx): each slide under its title, with tables and the speaker's notes."""

from __future__ import annotations

from . import markdown
from .package import Package, Relation

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from .source import Source

TITLES = {"title", "ctrTitle"}
FIXED = {"dt", "ftr", "sldNum", "hdr", "sldImg"}  # the date, the footer, the number: the same on every slide
LEVELS_MAX = 9


def read(source: Source) -> Iterator[str]:
    package = Package(source)
    part = package.related("", "officeDocument") or "ppt/presentation.xml"
    relations = package.relations(part)
    slides = [relations.get(each.get("r:id", "")) for each in package.tree(part).findall("sldIdLst/sldId")]
    source.facts["pages"] = len(slides)
    for number, slide in enumerate(slides, 1):
        if number in source.pages and slide is not None and slide.target in package.names:
            yield from _slide(package, slide.target, number)


def _slide(package: Package, part: str, number: int) -> Iterator[str]:
    relations = package.relations(part)
    shapes = package.tree(part).find("cSld/spTree")
    titles, blocks = [], []
    for shape in [] if shapes is None else _shapes(shapes):
        if _placeholder(shape) in TITLES:
            titles.append(" ".join(_lines(shape, relations)))
        elif _placeholder(shape) not in FIXED:
            blocks += list(_blocks(shape, relations))
    yield markdown.heading(2, ": ".join([f"Slide {number}", *filter(None, titles)]))
    yield from blocks
    for relation in relations.values():
        if relation.kind == "diagramData":
            yield from (_paragraph(each, relations) for each in package.elements(relation.target, "p"))
    notes = package.related(part, "notesSlide")
    for shape in package.elements(notes, "sp"):
        text = "\n".join(_lines(shape, {}))
        if text and _placeholder(shape) not in FIXED:
            yield markdown.quoted(f"Notes: {text}")


def _shapes(parent: Element) -> Iterator[Element]:
    """Give the shapes of a slide, also those in groups."""
    for child in parent:
        if child.tag in ("grpSp", "AlternateContent", "Choice"):
            yield from _shapes(child)
        elif child.tag in ("sp", "graphicFrame", "pic", "cxnSp"):
            yield child


def _placeholder(shape: Element) -> str:
    """Give what kind of place a shape fills, such as ``title``; nothing for a shape of its own."""
    found = shape.find("nvSpPr/nvPr/ph")
    return "" if found is None else found.get("type", "body")


def _blocks(shape: Element, relations: dict[str, Relation]) -> Iterator[str]:
    if shape.tag == "pic":
        described = shape.find("nvPicPr/cNvPr")
        alternative = "" if described is None else described.get("descr", "")
        yield f"![{' '.join(alternative.split())}]()" if alternative else ""
    for table in shape.iter("tbl"):
        cells = [[" ".join(_lines(cell, relations)) for cell in row.findall("tc")] for row in table.findall("tr")]
        yield markdown.table(cells)
    body = shape.find("txBody")
    if body is None:
        return
    listed = _placeholder(shape) in ("body", "obj")
    for paragraph in body.findall("p"):
        text = _paragraph(paragraph, relations)
        level = 0 if (properties := paragraph.find("pPr")) is None else _level(properties)
        if text:
            yield markdown.entry(text, level) if listed or level else text


def _level(properties: Element) -> int:
    stated = properties.get("lvl", "0")
    return min(int(stated), LEVELS_MAX) if stated.isdigit() else 0


def _lines(shape: Element, relations: dict[str, Relation]) -> list[str]:
    return [text for each in shape.iter("p") if (text := _paragraph(each, relations))]


def _paragraph(element: Element, relations: dict[str, Relation]) -> str:
    pieces = []
    for child in element:
        if child.tag == "br":
            pieces.append("\n")
        elif child.tag in ("r", "fld"):
            clicked = child.find("rPr/hlinkClick")
            relation = None if clicked is None else relations.get(clicked.get("r:id", ""))
            text = child.findtext("t") or ""
            outside = relation is not None and relation.kind == "hyperlink"
            pieces.append(markdown.link(text, relation.target) if outside and relation else text)
        else:  # a formula, and whatever else holds text
            pieces += [each.text or "" for each in child.iter("t")]
    return "".join(pieces).strip()
