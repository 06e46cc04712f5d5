"""Lines that carry numbers: a listing of one file (``cat -n``), or matches in many (``grep -n``).

A listing is read as what its lines hold, under the numbers that they have in
their file.  Matches are grouped by file, with counts, so that every path is
written once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from workhand.core.preview.lines import Line, cut
from workhand.core.preview.names import by_novelty
from workhand.core.preview.plain import drop_blanks, squeeze, within

LISTED_SHARE = 0.75
MATCHED_SHARE = 0.6
FILES_SHARE = 0.6
UNNUMBERED = 10_000_000  # what stands around a listing goes before it, under places that are no numbers

_LISTED = re.compile(r"^\s*(\d{1,7})(?:[:|\t│→]|  ?|$)(.*)$")
_MATCHED = re.compile(r"^((?=[^\s:]*[./])[^\s:]{1,300}?)[:-](\d{1,7})[:-](.*)$")


def read_listing(lines: Sequence[tuple[int, str]]) -> tuple[tuple[int, str], ...] | None:
    """Give the lines of a file under their own numbers, and under ever lower ones what stands before; or ``None``."""
    texts = drop_blanks(lines)
    parsed = [(at, text, _LISTED.match(text)) for at, text in texts]
    numbers = [int(match[1]) for _, _, match in parsed if match]
    rising = sum(1 for one, two in pairwise(numbers) if 0 <= two - one <= 5 or two - one > 999)
    if len(numbers) < max(4, LISTED_SHARE * len(texts)) or rising < 0.9 * (len(numbers) - 1):
        return None
    listed: list[tuple[int, str]] = []
    for at, text, match in parsed:
        listed.append((int(match[1]), match[2]) if match else (at - UNNUMBERED, text))
    return tuple(listed)


def matches(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...] | None:
    """Give matches by file; ``None`` where most lines are no matches."""
    texts = drop_blanks(lines)
    parsed = [(at, text, _MATCHED.match(text)) for at, text in texts]
    found = [(match[1], match[2], match[3]) for _, _, match in parsed if match]
    if len(found) < max(4, MATCHED_SHARE * len(texts)):
        return None
    by_file: dict[str, list[tuple[str, str]]] = {}
    for path, line, text in found:
        by_file.setdefault(path, []).append((line, text))
    others = [(at, text) for at, text, match in parsed if not match]
    before, after = [text for at, text in others if at <= 4], [text for at, text in others if at > 4]
    lines_of: list[tuple[int, str]] = []
    ranked = [Line(-9 + at, cut(text, 100), 1) for at, text in enumerate(before[:8])]
    ranked.append(Line(-1, f"{len(found):,} lines in {len(by_file):,} files", 0))
    at = 0
    heads: list[tuple[int, str]] = []
    for path, listed in by_file.items():
        heads.append((at, f"{path} ({len(listed)})" if len(listed) > 1 else path))
        lines_of += [
            (at + index, f" {line}: {squeeze(text.strip())}"[:160]) for index, (line, text) in enumerate(listed, 1)
        ]
        at += len(listed) + 1
    fitting = within(heads, int(bytes_max * FILES_SHARE))
    ranked += [Line(place, text, 1 if index < fitting else 9_000) for index, (place, text) in enumerate(heads)]
    ranked += by_novelty(lines_of, 2, set())
    ranked += [Line(at + 1 + index, cut(text, 100), 1) for index, text in enumerate(after[-3:])]
    return tuple(ranked)
