"""Lines of a result, each with its place and its rank, and the one way to fit them into a number of bytes.

Every kind of preview only says which lines there are and which matter most.
``fit`` takes them by rank until the room is full and writes them in the order of
their places, with a mark wherever something is missing in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

GAP = "…"
SAMPLE_BYTES = 120_000  # a larger text is sampled: half of this from its head, the rest from all over it
STRIDES = 40
PIECE_CHARS = 240  # a line that is longer than two of these is read as several
MISSES_MAX = 200

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Line:
    """``at`` is the place: consecutive numbers have nothing between them.  The lowest ``rank`` is taken first."""

    at: int
    text: str
    rank: int = 0


def fit(lines: Iterable[Line], bytes_max: int, *, marked: bool = True) -> str:
    """Write the lines that matter most, in order, in at most ``bytes_max`` bytes.

    No two may have one place.  Lines that carry their numbers need no marks between them.
    """
    taken: dict[int, str] = {}
    mark = len(f"{GAP}\n".encode()) if marked else 0
    room = bytes_max + mark + 1  # the first run has no mark before it, the last line no line end
    misses = 0
    for line in sorted(lines, key=lambda line: (line.rank, line.at)):
        runs = 1 - (line.at - 1 in taken) - (line.at + 1 in taken)
        text = clean(line.text).encode(errors="replace").decode()
        cost = len(text.encode()) + 1 + runs * mark
        if cost > room and not misses and room > 80:
            text = cut(text, room - 1 - runs * mark)
            cost = len(text.encode()) + 1 + runs * mark
        if cost > room:
            misses += 1
            if misses > MISSES_MAX:
                break
            continue
        room -= cost
        taken[line.at] = text
    written: list[str] = []
    previous: int | None = None
    for at in sorted(taken):
        if marked and previous is not None and at != previous + 1:
            written.append(GAP)
        written.append(taken[at])
        previous = at
    return "\n".join(written)


def cut(text: str, bytes_max: int) -> str:
    """Give at most ``bytes_max`` bytes of a text, with a mark where it was cut; no code point is split."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= bytes_max:
        return encoded.decode()
    kept = encoded[: max(0, bytes_max - len(GAP.encode()))].decode(errors="ignore")
    return kept + GAP if bytes_max >= len(GAP.encode()) else ""


def number(text: str) -> tuple[tuple[int, str], ...]:
    """Give the lines of a text with their numbers, clean and bounded; of a huge text, a sample of them."""
    if len(text) <= SAMPLE_BYTES:
        return _pieces(text, 1)
    sampled = list(_pieces(text[: SAMPLE_BYTES // 2], 1))
    size = SAMPLE_BYTES // 2 // STRIDES
    seen, line = 0, 1
    for index in range(1, STRIDES + 1):
        start = SAMPLE_BYTES // 2 + (len(text) - SAMPLE_BYTES // 2) * index // STRIDES - size  # the last: the very end
        begin = text.find("\n", start, start + size) + 1 or start
        line += text.count("\n", seen, begin)
        seen = begin
        known = sampled[-1][0]
        sampled += [(max(at, known + 2), piece) for at, piece in _pieces(text[begin : start + size], line)]
    return tuple(sampled)


def _pieces(text: str, first: int) -> tuple[tuple[int, str], ...]:
    numbered: list[tuple[int, str]] = []
    for at, line in enumerate(text.split("\n"), first):
        shown = clean(line)
        if len(shown) <= 2 * PIECE_CHARS:
            numbered.append((at, shown))
        else:
            numbered += [(at, piece) for piece in _wrap(shown)]
    return tuple(numbered)


def _wrap(line: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    while start < len(line):
        end = start + PIECE_CHARS
        space = line.rfind(" ", start + PIECE_CHARS // 2, end) + 1 if end < len(line) else 0
        pieces.append(line[start : space or end])
        start = space or end
    return pieces


def clean(line: str) -> str:
    """Give a line as a terminal would have left it, without control characters."""
    if line.isascii() and line.isprintable():
        return line
    if "\r" in line:
        line = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    return _CONTROLS.sub(" ", _ESCAPES.sub("", line)).rstrip()
