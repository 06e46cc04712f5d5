"""Plain text: its head and its tail, and between them the lines that bring names not seen before."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workhand.core.preview.lines import Line, cut
from workhand.core.preview.names import by_novelty, index, names

HEAD_SHARE = 0.25
TAIL_SHARE = 0.15
LINE_SHARE = 0.15
INDEX_SHARE = 0.35

_SPACES = re.compile(r"(?<=\S)\s{3,}")
_INDENT = re.compile(r"^ {4,}")


def plain(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...]:
    """Rank the lines of a text: head, tail, then what brings most names for its length."""
    line_bytes_max = max(60, int(bytes_max * LINE_SHARE))
    placed = [(at, cut(squeeze(text), line_bytes_max)) for at, (_, text) in enumerate(drop_blanks(lines))]
    head = within(placed, int(bytes_max * HEAD_SHARE))
    tail = within(placed[head:][::-1], int(bytes_max * TAIL_SHARE))
    ends = [*placed[:head], *placed[len(placed) - tail :]]
    seen = {name for _, text in ends for name in names(text)}
    middle = list(by_novelty(placed[head : len(placed) - tail], 2, seen))
    return (
        *(Line(at, text, 0) for at, text in placed[:head]),
        *(Line(at, text, 1) for at, text in placed[len(placed) - tail :]),
        *middle,
        *index(middle, int(bytes_max * INDEX_SHARE), len(placed) + 1),
    )


def squeeze(text: str) -> str:
    """Write a line with short gaps and a short indent: what they align is no longer whole."""
    if "   " not in text:
        return text.replace("\t", "  ")
    return _SPACES.sub("  ", _INDENT.sub(lambda match: " " * min(6, len(match[0]) // 4 + 2), text))


def drop_blanks(lines: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(at, text) for at, text in lines if text and not text.isspace()]


def within(lines: Sequence[tuple[int, str]], bytes_max: int) -> int:
    """Count how many of the first lines fit into a number of bytes."""
    room = bytes_max
    for count, (_, text) in enumerate(lines):
        room -= len(text) + 1 if text.isascii() else len(text.encode()) + 1
        if room < 0:
            return count
    return len(lines)
