"""Workbooks of Excel (xlsx): each sheet is a table, with values as a person sees them.

A formula is shown as its last value, and as itself where none was kept.  Empty rows and
columns are left out, so that a cell in the last corner costs nothing.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from ..budget import Unreadable
from . import markdown
from .package import Package

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from .source import Source

DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
LITERAL = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')  # what stands in a format as it is shown
COLUMN = re.compile(r"[A-Z]{1,3}")
DAY_S = 86_400
DAYS_MAX = 2_958_466  # the first day that Excel does not know


@dataclass(frozen=True)
class _Context:
    strings: list[str]
    dates: frozenset[int]  # the styles that show a number as a date
    percents: frozenset[int]
    epoch: datetime.datetime


def read(source: Source) -> Iterator[str]:
    package = Package(source)
    part = package.related("", "officeDocument") or "xl/workbook.xml"
    book = package.tree(part)
    relations = package.relations(part)
    context = _context(package, part, book)
    sheets = book.findall("sheets/sheet")
    source.facts["pages"] = len(sheets)
    for number, sheet in enumerate(sheets, 1):
        relation = relations.get(sheet.get("r:id", ""))
        if number not in source.pages or relation is None or relation.kind != "worksheet":
            continue
        hidden = " (hidden)" if sheet.get("state", "visible") != "visible" else ""
        yield markdown.heading(2, f"{sheet.get('name', f'Sheet {number}')}{hidden}")
        yield markdown.table(list(_rows(package, relation.target, context)))


def _context(package: Package, part: str, book: Element) -> _Context:
    properties = book.find("workbookPr")
    since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    # Excel counts a 29th of February 1900, so its days are those since the one before the 31st.
    epoch = datetime.datetime(1904, 1, 1) if since_1904 else datetime.datetime(1899, 12, 30)  # noqa: DTZ001
    strings = [_text(each) for each in package.elements(package.related(part, "sharedStrings"), "si")]
    styles = package.related(part, "styles")
    formats = {each.get("numFmtId", ""): each.get("formatCode", "") for each in package.elements(styles, "numFmt")}
    used = [each.get("numFmtId", "") for cells in package.elements(styles, "cellXfs") for each in cells]
    shown = [formats.get(id, "") for id in used]
    dates = {
        index
        for index, id in enumerate(used)
        if (id.isdigit() and int(id) in DATE_FORMATS) or re.search("[ymdhs]", LITERAL.sub("", shown[index].lower()))
    }
    percents = {index for index, id in enumerate(used) if id in ("9", "10") or "%" in LITERAL.sub("", shown[index])}
    return _Context(strings, frozenset(dates), frozenset(percents), epoch)


def _rows(package: Package, part: str, context: _Context) -> Iterator[list[str]]:
    """Give the rows of a sheet that have something in them."""
    rows = []
    for row in package.elements(part, "row"):
        cells = {}
        for place, cell in enumerate(row.findall("c")):
            text = _cell(cell, context)
            if text:
                cells[_column(cell.get("r", ""), place)] = text
        if cells:
            rows.append(cells)
    columns = sorted({column for cells in rows for column in cells})
    for cells in rows:
        yield [cells.get(column, "") for column in columns]


def _column(reference: str, place: int) -> int:
    """Give the number of a column from a reference such as ``AB12``; its place in the row when there is none."""
    letters = COLUMN.match(reference)
    if not letters:
        return place
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _cell(cell: Element, context: _Context) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _text(cell)
    value = cell.findtext("v") or ""
    if kind == "s":
        if not value.isdigit() or int(value) >= len(context.strings):
            raise Unreadable(f"A cell names the text {value[:20]!r}, which it does not have, so it is damaged.")
        return context.strings[int(value)]
    if kind == "b":
        return {"0": "FALSE", "1": "TRUE"}.get(value, value)
    if kind == "n" and value:
        style = cell.get("s", "")
        return _number(value, int(style) if style.isdigit() else 0, context)
    formula = cell.findtext("f")
    return value or (f"={formula}" if formula else "")


def _number(value: str, style: int, context: _Context) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    if style in context.dates and 0 <= number < DAYS_MAX:
        seconds = round(number * DAY_S)
        moment = context.epoch + datetime.timedelta(seconds=seconds)
        if number < 1:
            return moment.strftime("%H:%M:%S")
        return moment.isoformat(" ") if seconds % DAY_S else moment.date().isoformat()
    if style in context.percents:
        return f"{number * 100:.10g}%"
    return f"{number:.15g}"


def _text(element: Element) -> str:
    """Give the text of a string: without the reading aids of Japanese."""
    if element.tag == "rPh":
        return ""
    return (element.text or "" if element.tag == "t" else "") + "".join(_text(child) for child in element)
