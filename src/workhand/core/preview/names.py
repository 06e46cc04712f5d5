"""Names: the paths, addresses, ids and numbers in a text which the next action may have to repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workhand.core.preview.lines import Line

NAME_CHARS_MAX = 120

_NAME = re.compile(r"[\w./@:#%+~-]{4,}")
_TELLING = re.compile(r"[0-9/_@#A-Z]|\w\.\w")
_EDGES = ".,:;-/'\""


def names(text: str) -> tuple[str, ...]:
    """Give the names in a text, in order; a word in lower case is none."""
    found = (match.strip(_EDGES) if match[-1] in _EDGES else match for match in _NAME.findall(text))
    return tuple(name for name in found if len(name) > 3 and _TELLING.search(name))


def by_novelty(lines: Sequence[tuple[int, str]], rank: int, seen: set[str]) -> Iterable[Line]:
    """Rank lines by how much of them is names that stand nowhere before; a line that brings none is left out."""
    scored: list[tuple[float, int, str]] = []
    for at, text in lines:
        fresh = [name for name in dict.fromkeys(names(text)) if name not in seen]
        if fresh:
            seen.update(fresh)
            weight = sum(min(len(name), 24) + 6 for name in fresh)
            scored.append((-weight / (len(text) + 12), at, text))
    for index, (_, at, text) in enumerate(sorted(scored)):
        yield Line(at, text, rank + index)
