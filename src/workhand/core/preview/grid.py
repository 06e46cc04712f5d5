"""A grid of rows and columns, from a table or from a list of objects, in few bytes.

What all rows have in common is said once.  Columns are chosen by how much they
tell a row from the others for their bytes; as many are shown as leave room for
all rows, and rows are left out only when not even one column of all would fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from workhand.core.preview.lines import Line, cut

CELL_BYTES_MAX = 72
KEYS_MIN = 2  # columns that are shown though not all rows fit then
ROWS_SHOWN_MIN = 12  # where not all rows fit, a row may be so wide that only this many do
COLUMNS_SHARE = 0.25
BESIDE_SHARE = 0.12  # for the columns that are not shown, and for what all rows have in common

_KEY = re.compile(
    r"(^|[^a-z])(id|ids|name|title|path|sha|email|full_name|subject|file|filename|value|text|label|address)$",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"(^|[^a-z])(ur[il]|href|link|number|code|slug|login|date|time|status|state|type|price|total|count|size)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Grid:
    label: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]  # the number of a row, from nought, and its cells
    total: int


def grid_lines(grid: Grid, bytes_max: int, at: int) -> list[Line]:
    """Give the lines of a grid: what it is, its columns, and its rows, from the place ``at`` on."""
    size = max((len(cells) for _, cells in grid.rows), default=0)
    names = [*grid.columns, *(str(index) for index in range(len(grid.columns), size))]
    cells = [[row[index] if index < len(row) else "" for _, row in grid.rows] for index in range(size)]
    same = [index for index in range(size) if len(grid.rows) > 1 and len(set(cells[index])) == 1]
    chosen = _choose(names, cells, [index for index in range(size) if index not in same], bytes_max)
    hidden = [names[index] for index in range(size) if index not in same and index not in chosen]
    beside_max = int(bytes_max * BESIDE_SHARE)
    heads = [(f"{grid.label}: {grid.total:,} rows x {size} columns", 0)]
    if hidden:
        heads.append((cut(f"not shown: {', '.join(hidden)}", beside_max), 2))
    constant = ", ".join(f"{names[index]}={cut(cells[index][0], 40)}" for index in same if cells[index][0])
    if constant:
        heads.append((cut(f"in all: {constant}", beside_max), 2))
    if any(grid.columns):
        heads.append((cut("|".join(names[index] for index in chosen), int(bytes_max * COLUMNS_SHARE)), 0))
    lines = [Line(at + place, text, rank) for place, (text, rank) in enumerate(heads)]
    last = grid.rows[-1][0] if grid.rows else 0
    for order, (number, _) in enumerate(grid.rows):
        rank = 1 if order < 3 or number == last else 3
        text = "|".join(cut(cells[index][order], CELL_BYTES_MAX) for index in chosen)
        lines.append(Line(at + len(heads) + number, text, rank))
    return lines


def _choose(names: list[str], cells: list[list[str]], indices: Sequence[int], bytes_max: int) -> list[int]:
    """Choose columns, the most telling first, while the rows have room for them; give them in their own order."""
    rows = max(1, len(cells[0]) if cells else 0)
    room = int(bytes_max * (1 - COLUMNS_SHARE)) - rows
    scored = sorted((-_tells(names[index], cells[index]), index) for index in indices)
    chosen: list[int] = []
    shown: set[tuple[str, ...]] = set()
    for order, (_, index) in enumerate(scored):
        needed = sum(min(len(cell.encode(errors="replace")), CELL_BYTES_MAX) + 1 for cell in cells[index])
        needed += len(names[index])
        if order < KEYS_MIN and needed > room:
            room = max(room, rows * bytes_max // ROWS_SHOWN_MIN)
        if tuple(cells[index]) in shown or (chosen and needed > room):
            continue
        room -= needed
        chosen.append(index)
        shown.add(tuple(cells[index]))
    return sorted(chosen)


def _tells(name: str, cells: Sequence[str]) -> float:
    """Say how much a column tells for its bytes: different values, few bytes, a name that promises a key.

    Length counts less than evenly: a name is longer than the number of a row, and tells more.
    """
    length = sum(sqrt(min(len(cell), CELL_BYTES_MAX) + 2) for cell in cells)
    weight = 6.0 if _KEY.search(name) else 2.0 if _TELLS.search(name) else 1.0
    depth = 1 + name.count(".") / 2
    return weight * len({cell for cell in cells if cell}) / length / depth
