"""Documents of Word (docx): headings, lists, tables, links, notes and comments.

What was deleted under revision is left out, and what was inserted is in.  Headers and
footers are left out: they repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..budget import Unreadable
from . import markdown
from .package import Package, Relation

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from .source import Source

LEFT_OUT = {"del", "delText", "Fallback", "instrText", "moveFrom", "pPr", "rPr", "sdtPr", "tblPr", "tcPr", "trPr"}
CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}
OFF = {"0", "false", "none", "off"}
STYLES_DEEP_MAX = 20  # a style may be based on another
LEVELS_MAX = 9


@dataclass(frozen=True)
class _Context:
    headings: dict[str, int]  # the level by the id of a style
    bullets: dict[tuple[str, str], bool]  # whether a list has no numbers, by its id and level
    relations: dict[str, Relation]
    counted: dict[tuple[str, int], int] = field(default_factory=dict)  # entries so far, by list and level


def read(source: Source) -> Iterator[str]:
    package = Package(source)
    part = package.related("", "officeDocument") or "word/document.xml"
    source.facts["title"] = next((each.text or "" for each in package.elements("docProps/core.xml", "title")), "")
    styles = package.related(part, "styles")
    numbering = package.related(part, "numbering")
    context = _Context(_headings(package, styles), _bullets(package, numbering), package.relations(part))
    body = package.tree(part).find("body")
    if body is None:
        raise Unreadable("It has no text in its main part, so it is damaged.")
    yield from _blocks(body, context)
    for kind in ("footnote", "endnote"):
        for note in package.elements(package.related(part, f"{kind}s"), kind):
            text = " ".join(" ".join(_blocks(note, context)).split())
            if text:
                yield f"[^{kind[0]}{note.get('id', '')}]: {text}"
    for comment in package.elements(package.related(part, "comments"), "comment"):
        text = " ".join(" ".join(_blocks(comment, context)).split())
        yield markdown.quoted(f"Comment by {comment.get('author', 'somebody')}: {text}")


def _headings(package: Package, part: str) -> dict[str, int]:
    """Find which styles are of headings: by their name, their outline level, or what they are based on."""
    levels, based = {}, {}
    for style in package.elements(part, "style"):
        id = style.get("styleId", "")
        name = _value(style.find("name")).lower()
        outline = _value(style.find("pPr/outlineLvl"))
        based[id] = _value(style.find("basedOn"))
        if name.startswith("heading ") and name[8:].isdigit():
            levels[id] = int(name[8:])
        elif name == "title":
            levels[id] = 1
        elif outline.isdigit() and int(outline) < LEVELS_MAX:
            levels[id] = int(outline) + 1
    for id in based:
        above = id
        for _ in range(STYLES_DEEP_MAX):
            if above in levels:
                levels[id] = levels[above]
                break
            above = based.get(above, "")
    return levels


def _bullets(package: Package, part: str) -> dict[tuple[str, str], bool]:
    """Say of each level of each list whether it has bullets, not numbers."""
    abstract, found = {}, {}
    for each in package.elements(part, "abstractNum"):
        for level in each.findall("lvl"):
            bullet = _value(level.find("numFmt")) in ("bullet", "none")
            abstract[each.get("abstractNumId", ""), level.get("ilvl", "")] = bullet
    for each in package.elements(part, "num"):
        target = _value(each.find("abstractNumId"))
        for (id, ilvl), bullet in abstract.items():
            if id == target:
                found[each.get("numId", ""), ilvl] = bullet
    return found


def _blocks(parent: Element, context: _Context) -> Iterator[str]:
    for child in parent:
        if child.tag == "p":
            yield _paragraph(child, context)
        elif child.tag == "tbl":
            yield from _table(child, context)
        elif child.tag not in LEFT_OUT:
            yield from _blocks(child, context)


def _paragraph(element: Element, context: _Context) -> str:
    style = _value(element.find("pPr/pStyle"))
    outline = _value(element.find("pPr/outlineLvl"))
    level = int(outline) + 1 if outline.isdigit() and int(outline) < LEVELS_MAX else context.headings.get(style, 0)
    text = "".join(_pieces(element, context, marks=not level)).strip()
    list_id = _value(element.find("pPr/numPr/numId"))
    if level or not text:
        return markdown.heading(level, text) if level else ""
    if list_id not in ("", "0"):
        return _entry(text, list_id, _value(element.find("pPr/numPr/ilvl")) or "0", context)
    return markdown.entry(text) if style.startswith("ListBullet") else text


def _entry(text: str, list_id: str, ilvl: str, context: _Context) -> str:
    level = min(int(ilvl), LEVELS_MAX) if ilvl.isdigit() else 0
    if context.bullets.get((list_id, ilvl), True):
        return markdown.entry(text, level)
    number = context.counted.get((list_id, level), 0) + 1
    context.counted[list_id, level] = number
    for deeper in range(level + 1, LEVELS_MAX + 1):
        context.counted.pop((list_id, deeper), None)
    return markdown.entry(text, level, number)


def _table(element: Element, context: _Context) -> Iterator[str]:
    rows = [[_cell(cell, context) for cell in row.iter("tc")] for row in element.iter("tr")]
    if len(rows) == 1 and len(rows[0]) == 1:  # a frame around a text
        yield from _blocks(element, context)
    else:
        yield markdown.table(rows)


def _cell(element: Element, context: _Context) -> str:
    return " ".join(block for block in _blocks(element, context) if block)


def _pieces(element: Element, context: _Context, *, marks: bool) -> Iterator[str]:
    """Give the text of a paragraph, with neighbouring runs of one look marked as one."""
    before, gathered = "", ""
    for child in element:
        if child.tag == "r":
            mark = _mark(child) if marks else ""
            if mark != before:
                yield markdown.marked(gathered, before)
                before, gathered = mark, ""
            gathered += "".join(_run(child, context))
        elif child.tag not in LEFT_OUT:
            yield markdown.marked(gathered, before)
            before, gathered = "", ""
            yield from _around(child, context, marks)
    yield markdown.marked(gathered, before)


def _around(element: Element, context: _Context, marks: bool) -> Iterator[str]:
    """Give the text of what stands around runs: a link, a field, an insertion, a formula."""
    if element.tag == "hyperlink":
        relation = context.relations.get(element.get("r:id", ""))
        yield markdown.link("".join(_pieces(element, context, marks=False)), relation.target if relation else "")
    elif element.tag == "t":  # of a formula
        yield element.text or ""
    else:
        yield from _pieces(element, context, marks=marks)


def _run(element: Element, context: _Context) -> Iterator[str]:
    for child in element:
        if child.tag == "t":
            yield child.text or ""
        elif child.tag in CHARACTERS:
            yield CHARACTERS[child.tag]
        elif child.tag in ("footnoteReference", "endnoteReference"):
            yield f"[^{child.tag[0]}{child.get('id', '')}]"
        elif child.tag == "docPr":
            yield f"![{child.get('descr', '')}]()" if child.get("descr") else ""
        elif child.tag == "txbxContent":
            yield "\n".join(block for block in _blocks(child, context) if block) + " "
        elif child.tag not in LEFT_OUT:
            yield from _run(child, context)


def _mark(run: Element) -> str:
    bold, italic = (
        properties is not None and properties.get("val", "") not in OFF
        for properties in (run.find("rPr/b"), run.find("rPr/i"))
    )
    return "**" * bold + "*" * italic


def _value(element: Element | None) -> str:
    return "" if element is None else element.get("val", "")
