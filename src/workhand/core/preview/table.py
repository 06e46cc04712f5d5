"""Tables as text: comma or tab separated, Markdown, or columns aligned with spaces."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence

from workhand.core.preview.grid import Grid, grid_lines
from workhand.core.preview.lines import Line, cut
from workhand.core.preview.plain import drop_blanks

ROWS_MIN = 5
ROWS_READ_MAX = 600
SAME_WIDTH_SHARE = 0.85
BESIDE_MAX = 4  # lines before and after the rows

_SPACES = re.compile(r"\s{2,}")
_RULE = re.compile(r"^[\W_]*$")

Split = Callable[[Sequence[str]], list[list[str]]]


def table(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...] | None:
    """Give the lines of a table; ``None`` where a text is none."""
    if len({at for at, _ in lines}) < ROWS_MIN:
        return None
    texts = [text for _, text in drop_blanks(lines)]
    for split in (_markdown, _separated(","), _separated("\t"), _separated(";"), _separated("|"), _aligned):
        found = _table(texts, split, bytes_max)
        if found is not None:
            return found
    return None


def _table(texts: Sequence[str], split: Split, bytes_max: int) -> tuple[Line, ...] | None:
    if len(texts) < ROWS_MIN or _width(split(texts[:40])) < 2:
        return None
    rows = split(texts)
    width = _width(rows)
    if not width:
        return None
    kept = [row for row in rows if len(row) == width and any(row) and not _RULE.match("".join(row))]
    first = next(index for index, row in enumerate(rows) if len(row) == width)
    last = len(rows) - next(index for index, row in enumerate(reversed(rows)) if len(row) == width)
    before = [" ".join(row) for row in rows[:first] if any(row)][:BESIDE_MAX]
    after = [" ".join(row) for row in rows[last:] if any(row)][-BESIDE_MAX:]
    if not kept:
        return None
    header, body = kept[0], kept[1:]
    step = max(1, len(body) // ROWS_READ_MAX)
    chosen = [(at, tuple(row)) for at, row in enumerate(body) if at < 60 or at % step == 0 or at == len(body) - 1]
    grid = Grid("table", tuple(header), tuple(chosen), len(body))
    return (
        *(Line(at - BESIDE_MAX, cut(text, 160), 1) for at, text in enumerate(before)),
        *grid_lines(grid, bytes_max - sum(min(160, len(text)) for text in (*before, *after)), 1),
        *(Line(len(body) + 9 + at, cut(text, 160), 1) for at, text in enumerate(after)),
    )


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Give the number of columns that nearly all rows have; nought where they differ, or have one."""
    widths = Counter(len(row) for row in rows)
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    return width if width >= 2 and count >= SAME_WIDTH_SHARE * len(rows) else 0


def _separated(mark: str) -> Split:
    def split(texts: Sequence[str]) -> list[list[str]]:
        if sum(mark in text for text in texts) < SAME_WIDTH_SHARE * len(texts):
            return []
        try:
            rows = list(csv.reader(texts, delimiter=mark))
        except csv.Error:
            return []
        prose = sum(mark + " " in text and text.rstrip().endswith((".", ",", ";", "{", ")")) for text in texts)
        return rows if prose < len(texts) / 4 else []

    return split


def _markdown(texts: Sequence[str]) -> list[list[str]]:
    if sum(text.lstrip().startswith("|") for text in texts) < SAME_WIDTH_SHARE * len(texts):
        return []
    rows = [[cell.strip() for cell in text.strip().strip("|").split("|")] for text in texts]
    return [row for row in rows if not _RULE.match("".join(row))]


def _aligned(texts: Sequence[str]) -> list[list[str]]:
    if len(texts) < ROWS_MIN or any(text.rstrip().endswith(("{", ";")) for text in texts[:40]):
        return []
    return [_SPACES.split(text.strip()) for text in texts]
