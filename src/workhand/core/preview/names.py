"""Names: the paths, addresses, ids and numbers in a text which the next action may have to repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workhand.core.preview.lines import Line, cut

NAME_CHARS_MAX = 24  # that count: a long name is not worth more
WORD_CHARS_MIN = 6  # shorter ones most often only start a sentence
WORD_WEIGHT = 0.5  # of a word that only starts with a capital
LINE_COST = 20  # characters that a line costs besides its own
LAST_RANK = 1_000_000
EXCERPT_CHARS = 110
MARGIN_CHARS = 25

_NAME = re.compile(r"[\w./@:#%+~-]{4,}")
_TELLING = re.compile(r"[0-9/_@#A-Z]|\w\.\w")
_EDGES = ".,:;-/'\""


def names(text: str) -> tuple[str, ...]:
    """Give the names in a text, in order; a word in lower case is none."""
    found = (match.strip(_EDGES) if match[-1] in _EDGES else match for match in _NAME.findall(text))
    return tuple(name for name in found if len(name) > 3 and _TELLING.search(name))


def by_novelty(lines: Sequence[tuple[int, str]], rank: int, seen: set[str]) -> Iterable[Line]:
    """Rank lines by how much of them is names that stand nowhere before; lines that bring none come last."""
    bare: list[Line] = []
    scored: list[tuple[float, int, str]] = []
    for at, text in lines:
        fresh = [name for name in dict.fromkeys(names(text)) if name not in seen]
        if fresh:
            seen.update(fresh)
            shown = _around(text, fresh)
            weight = sum(_weight(name) for name in fresh)
            scored.append((-weight / (len(shown) + LINE_COST), at, shown))
        else:
            bare.append(Line(at, text, LAST_RANK))
    for index, (_, at, text) in enumerate(sorted(scored)):
        yield Line(at, text, rank + index)
    yield from bare


def index(ranked: Sequence[Line], bytes_max: int, at: int) -> tuple[Line, ...]:
    """Give the names of ranked lines in one line, those of the last first: their own lines will hardly be shown."""
    every = dict.fromkeys(name for line in reversed(ranked) if line.rank < LAST_RANK for name in names(line.text))
    found = sorted(every, key=lambda name: _is_word(name) and len(name) < WORD_CHARS_MIN)
    return (Line(at, cut(f"also: {' '.join(found)}", bytes_max), 1),) if found else ()


def _weight(name: str) -> float:
    size = min(len(name), NAME_CHARS_MAX) + 6
    return size * WORD_WEIGHT if _is_word(name) else size


def _is_word(name: str) -> bool:
    return name.isalpha() and name[1:].islower()


def _around(text: str, fresh: Sequence[str]) -> str:
    """Give the part of a long line that its new names stand in."""
    if len(text) <= EXCERPT_CHARS:
        return text
    start = max(0, text.find(fresh[0]) - MARGIN_CHARS)
    end = text.find(fresh[-1]) + len(fresh[-1]) + MARGIN_CHARS
    excerpt = text[start : min(end, start + EXCERPT_CHARS)]
    return f"{'…' if start else ''}{excerpt}{'…' if start + len(excerpt) < len(text) else ''}"
