"""JSON as an outline: its fields in brief, and every list of objects as a grid of ids and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workhand.core.preview.grid import Grid, grid_lines
from workhand.core.preview.lines import Line, cut
from workhand.core.preview.mend import Json, Value

ROWS_READ_MAX = 400
LEAVES_MAX = 200  # of one item
VALUES_JOINED_MAX = 40
DEPTH_MAX = 8
SECTIONS_MAX = 200
FIELD_BYTES_MAX = 100
LINE_BYTES = 160
ENVELOPE_SHARE = 0.6  # of the text in one string: then the JSON is only wrapped around it
ENVELOPE_CHARS_MIN = 400


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    items: Sequence[Value]
    keys: tuple[str, ...] = ()  # of a mapping whose values are the items


def outline(found: Json, bytes_max: int) -> tuple[Line, ...]:
    """Give the fields of a JSON value, then a grid for each list in it."""
    fields: list[str] = []
    sections: list[Section] = []
    _walk(found.value, "", fields, sections, 0)
    lines = [Line(at, text, 1 + (at > 0) * 2) for at, text in enumerate(_pack(fields, bytes_max // 2))]
    used = sum(len(line.text) for line in lines[: bytes_max // 3 // LINE_BYTES + 1])
    share = max(120, (bytes_max - used) // max(1, len(sections)))
    at = len(lines)
    for order, section in enumerate(sections):
        shown = grid_lines(_grid(section), share, at)
        lines += (Line(line.at, line.text, line.rank + 4 * (order > 0)) for line in shown)
        at = shown[-1].at + 1
    return tuple(lines)


def content_of(value: Value) -> str | None:
    """Give the text that a JSON value is only an envelope of: one string in it, or the texts of a list of blocks."""
    strings = list(_strings(value, 0))
    if not strings:
        return None
    longest = max(strings, key=len)
    blocks = [text for text in strings if len(text) > 20]
    size = sum(map(len, strings)) + 12 * len(strings)
    if len(longest) >= ENVELOPE_CHARS_MIN and len(longest) >= ENVELOPE_SHARE * size:
        return longest if len(blocks) == 1 else "\n".join(blocks)
    return None


def _strings(value: Value, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < 4 and isinstance(value, Mapping | list) and len(value) <= 20:
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part, depth + 1)
    elif isinstance(value, Mapping | list):
        yield from (" " * 99 for _ in range(len(value)))  # too much beside it: no envelope


def _walk(value: Value, name: str, fields: list[str], sections: list[Section], depth: int) -> None:
    """Sort what a value holds into single fields and lists of many."""
    if len(sections) + len(fields) > SECTIONS_MAX:
        return
    if isinstance(value, Mapping):
        if len(value) >= 4 and all(isinstance(part, Mapping) and part for part in value.values()):
            sections.append(Section(name or "object", list(value.values()), tuple(value)))
            return
        for key, part in value.items():
            _walk(part, f"{name}.{key}" if name else key, fields, sections, depth + 1)
    elif isinstance(value, list) and value and depth < DEPTH_MAX and any(isinstance(v, Mapping | list) for v in value):
        if len(value) <= 2:
            for index, part in enumerate(value):
                _walk(part, f"{name}[{index}]", fields, sections, depth + 1)
        else:
            sections.append(Section(name or "list", value))
    elif isinstance(value, list) and len(value) > 30:
        sections.append(Section(name or "list", value))
    else:
        fields.append(f"{name}: {cut(_brief(value), FIELD_BYTES_MAX)}" if name else cut(_brief(value), FIELD_BYTES_MAX))


def _pack(fields: Sequence[str], bytes_max: int) -> list[str]:
    """Write fields side by side; where they do not fit, the long ones are shortened."""
    if sum(map(len, fields)) > bytes_max:
        fields = [cut(field, 60) for field in fields]
    lines: list[str] = []
    for field in fields:
        if lines and len(lines[-1]) + len(field) < LINE_BYTES:
            lines[-1] += f"; {field}"
        else:
            lines.append(field)
    return lines


def _grid(section: Section) -> Grid:
    total = len(section.items)
    step = max(1, total // ROWS_READ_MAX)
    numbers = [number for number in range(total) if number < 60 or number % step == 0 or number == total - 1]
    columns: dict[str, int] = {"key": 0} if section.keys else {}
    rows: list[tuple[int, tuple[str, ...]]] = []
    for number in numbers:
        leaves: dict[str, list[str]] = {"key": [section.keys[number]]} if section.keys else {}
        _flatten(section.items[number], "", leaves, 0)
        for name in leaves:
            columns.setdefault(name, len(columns))
        cells = [""] * len(columns)
        for name, values in leaves.items():
            cells[columns[name]] = ",".join(values)
        rows.append((number, tuple(cells)))
    return Grid(section.name, tuple(columns), tuple(rows), total)


def _flatten(value: Value, name: str, leaves: dict[str, list[str]], depth: int) -> None:
    """Bring an item's leaves under the names of their paths; the values of a list are joined."""
    if isinstance(value, Mapping) and value and depth < DEPTH_MAX:
        for key, part in value.items():
            _flatten(part, f"{name}.{key}" if name else key, leaves, depth + 1)
    elif isinstance(value, list) and value and depth < DEPTH_MAX:
        for index, part in enumerate(value[:VALUES_JOINED_MAX]):
            _flatten(part, f"{name}[]" if name else str(index), leaves, depth + 1)
    elif name in leaves or len(leaves) < LEAVES_MAX:
        values = leaves.setdefault(name, [])
        if len(values) < VALUES_JOINED_MAX:
            values.append(_brief(value))


def _brief(value: Value) -> str:
    """Write a value on one line: a plain one as it is, a list by its items, an object by its keys."""
    if isinstance(value, str):
        return " ".join(value[: 4 * FIELD_BYTES_MAX].split())
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(list(value)[:VALUES_JOINED_MAX]) + "}"
    if isinstance(value, Sequence):
        return (
            f"[{len(value)}] " + ", ".join(_brief(part) for part in value[:VALUES_JOINED_MAX] if part)
            if value
            else "[]"
        )
    return str(value)
