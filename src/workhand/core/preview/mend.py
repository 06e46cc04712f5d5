"""Read JSON as it comes out of tools: after a few words, before a few, cut off at the end, or one value a line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "Mapping[str, Value] | Sequence[Value] | str | int | float | bool | None"

BEFORE_LINES_MAX = 8  # of other text before the JSON
MENDED_CHARS_MAX = 300_000
LINES_READ_MAX = 1_000
DEPTH_MAX = 64

_START = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)
_TOKEN = re.compile(r'[ \t\r\n]*([\[\]{}:,]|"(?:[^"\\\x00-\x1f]|\\.)*+"|[-+0-9.eE]+(?=[\s,\]}])|true|false|null)')
_OPEN_STRING = re.compile(r'[ \t\r\n]*("(?:[^"\\\x00-\x1f]|\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]))*+)')
_DECODER = json.JSONDecoder()
_NUMBER_DIGITS_MAX = re.compile(r"\d{4000}")  # the interpreter refuses to read longer ones


@dataclass(frozen=True, slots=True)
class Json:
    value: Value
    before: str = ""
    after: str = ""
    whole: bool = True  # false: it was cut off, and what was open is closed here


def read_json(text: str) -> Json | None:
    """Find the JSON that makes up most of a text; ``None`` where there is none."""
    start = _START.search(text)
    if start is None or text.count("\n", 0, start.start()) > BEFORE_LINES_MAX or _NUMBER_DIGITS_MAX.search(text):
        return None
    before, found = text[: start.start()].strip(), None
    try:
        value, end = _DECODER.raw_decode(text, start.end())
        found = Json(value, before, text[end:].strip())
    except RecursionError:
        return None
    except ValueError:
        found = _mended(text, start.end(), before)
    if found is None or len(before) + len(found.after) > len(text) // 3:
        return _lines(text)
    return found


def _lines(text: str) -> Json | None:
    """Read JSON lines: every line that is not blank starts a value of its own."""
    lines = [line for line in text.split("\n") if line.strip()]
    step = max(1, len(lines) // LINES_READ_MAX)
    values: list[Value] = []
    for line in lines[::step]:
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    objects = sum(isinstance(value, Mapping) for value in values)
    return Json(values) if len(lines) > 2 and objects * step >= len(lines) * 0.8 else None


def _mended(text: str, start: int, before: str) -> Json | None:
    """Close what is open where the text was cut off; ``None`` where it is no JSON from the first tokens on."""
    text = text[: start + MENDED_CHARS_MAX]
    closers: list[str] = []
    end, cut, closing = start, start, ""
    while token := _TOKEN.match(text, end):
        mark = token[1]
        if mark in "[{":
            closers.append("]" if mark == "[" else "}")
        elif mark in "]}" and (not closers or closers.pop() != mark):
            break
        if len(closers) > DEPTH_MAX:
            return None
        if mark == ",":
            cut, closing = end, "".join(reversed(closers))
        elif mark in "]}":
            cut, closing = token.end(), "".join(reversed(closers))
        end = token.end()
    rest = text[end:]
    attempts = [(cut, closing)]
    string = _OPEN_STRING.match(text, end)
    if string and len(string[1]) > 20:
        attempts.insert(0, (string.end(), '"' + "".join(reversed(closers))))
    for until, close in attempts:
        try:
            value = json.loads(text[start:until] + close)
        except (ValueError, RecursionError):
            continue
        rest = text[until:]
        return Json(value, before, rest.strip(), whole=False)
    return None
