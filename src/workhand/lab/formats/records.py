"""The JSON in a text, whichever way it is laid out: JSON Lines, one array, one object, or objects one after another.

Whatever can be read is, and the rest is named by its number: a line that is no
JSON costs that line, an array that is cut costs what comes after its last whole
item.  An array of things and the same things one a line are the same records.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workhand.lab.formats.faults import Fault, Unfit

_BETWEEN_ITEMS = re.compile(r"[\s,]*")
_VISIBLE = re.compile(r"\S")
_DECODER = json.JSONDecoder()
_MILLISECONDS = 1e11  # no recording is from the year 5138: a larger number counts milliseconds
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Records:
    values: tuple[tuple[int, Any], ...]  # number of the line or item, and what it holds
    faults: tuple[Fault, ...] = ()

    def each(self, take: Callable[[dict[str, Any]], None]) -> tuple[Fault, ...]:
        """Hand every object to ``take``; give all faults, those it raised as ``Unfit`` included."""
        faults = list(self.faults)
        for number, value in self.values:
            try:
                take(mapping(value, "it"))
            except Unfit as unfit:
                faults.append(Fault(number, str(unfit)))
        return tuple(sorted(faults, key=lambda fault: fault.line))


def parse(text: str) -> Records:
    """Find the records of a text."""
    text = text.removeprefix("\ufeff")
    found = _VISIBLE.search(text)
    start = found.start() if found else len(text)
    end = text.find("\n", start)
    alone = end < 0 or not _VISIBLE.search(text, end)
    opening = text[start : start + 1]
    if opening == "[" and (alone or not _is_json(text[start:end])):
        records = _in_sequence(text, start + 1, closing="]")
    elif opening == "{" and not alone and not _is_json(text[start:end]):
        records = _in_sequence(text, start, closing="")
    else:
        return parse_lines(text.split("\n"))
    return records if records.values or not records.faults else parse_lines(text.split("\n"))


def parse_lines(lines: Iterable[str]) -> Records:
    """Find one record in every line that is not blank."""
    values: list[tuple[int, Any]] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values.append((number, json.loads(line.removeprefix("\ufeff") if number == 1 else line)))
        except (ValueError, RecursionError) as error:
            faults.append(Fault(number, _why(error)))
    return Records(tuple(values), tuple(faults))


def _in_sequence(text: str, at: int, *, closing: str) -> Records:
    """Find values one after another, with or without commas, up to the closing bracket or the end."""
    values: list[tuple[int, Any]] = []
    while True:
        at = skip.end() if (skip := _BETWEEN_ITEMS.match(text, at)) else at
        number = len(values) + 1
        if at >= len(text) and closing:
            return Records(tuple(values), (Fault(number, "the array is cut before its end"),))
        if at >= len(text) or text[at] == closing:
            return Records(tuple(values))
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            return Records(tuple(values), (Fault(number, f"{_why(error)}; the rest cannot be told apart"),))
        values.append((number, value))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _why(error: Exception) -> str:
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case json.JSONDecodeError():
            return f"it is not JSON ({error.msg[:1].lower()}{error.msg[1:]}: character {error.pos + 1})"
        case _:
            return f"it is not JSON that can be read ({error})"


def mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unfit(f"{what} is {shown(value)}, not an object")
    return value


def listed(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit(f"{what} is {shown(value)}, not an array")
    return value


def string(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        raise Unfit(f"it has no {name!r}")
    value = fields[name]
    if not isinstance(value, str):
        raise Unfit(f"its {name!r} is {shown(value)}, not text")
    return value


def word(fields: dict[str, Any], name: str) -> str:
    """Give a text, or an empty one: for what a format may leave out."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def inner(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Give the object at the end of a path, or an empty one: for what a format may leave out."""
    value: object = fields
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Give the objects in an array, or nothing: for what a format may leave out."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def moment(value: object) -> float | None:
    """Give seconds since the epoch of an ISO 8601 text, of seconds or of milliseconds; a time without zone is UTC."""
    match value:
        case bool():
            return None
        case int() | float():
            seconds = float(value) if abs(value) < _MILLISECONDS else float(min(value, 10**18)) / 1000
            return seconds if math.isfinite(seconds) else None
        case str():
            try:
                stated = datetime.fromisoformat(value)
                return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                return None
        case _:
            return None


def written(value: object) -> str:
    """Give arguments as a model would write them: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps({} if value is None else value, ensure_ascii=False)


def stated(value: object) -> str:
    """Give what a header states, as text."""
    return "" if value is None else written(value)


def tool_names(value: object) -> tuple[str, ...]:
    """Give the names in a list of tools, as any of the providers has them."""
    listed_tools = value if isinstance(value, list) else []
    names = [
        each if isinstance(each, str) else each.get("name") or inner(each, "function").get("name") or each.get("type")
        for each in listed_tools
        if isinstance(each, str | dict)
    ]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def shown(value: object) -> str:
    """Show a value in a sentence, short."""
    text = repr(value) if not isinstance(value, dict | list) else f"{type(value).__name__} of {len(value)}"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
