"""Logs, builds and test runs: what failed, how much of each level, then head and tail."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from workhand.core.preview.lines import Line, cut
from workhand.core.preview.plain import drop_blanks, plain, squeeze, within

LEVELS_SHARE = 0.25
STAMPS_SHARE = 0.5
ERRORS_SHARE = 0.45
WARNINGS_SHARE = 0.12
TELLING_SHARE = 0.1  # of the lines are errors or say how a run of tests ended
ENDS_SHARE = 0.5

_LEVEL = re.compile(
    r"\b(FATAL|CRITICAL|SEVERE|ERROR|WARN(?:ING)?|INFO|NOTICE|DEBUG|TRACE)\b|\[(?i:error|warn(?:ing)?|info|debug)\]"
)
_STAMP = re.compile(
    r"^\W{0,2}(?:\d{4}[-/]\d\d[-/]\d\d[T ]|\d\d:\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d|\d{10}\.\d|\[\s*\d+\.\d{6}\])"
)
_ERROR = re.compile(
    r"\b(?:FATAL|CRITICAL|SEVERE|ERROR|FAIL(?:ED|URE)?|panicked)\b|^\s*[\w.]*(?:Error|Exception)\b"
    r"|\b(?:fatal )?error(?:\[\w+\])?:|^Caused by:|^not ok\b|\[error\]|^\s*✗"
)
_WARNING = re.compile(r"\bWARN(?:ING)?\b|\bwarning:|\w+Warning:|\[warn(?:ing)?\]")
_SUMMARY = re.compile(
    r"^=+ .*\b(?:passed|failed|errors?|skipped)\b.*=+$|^\d+ (?:passed|failed)\b|^Ran \d+ tests?|^(?:FAILED|OK)(?: \(|$)"
    r"|Tests run:|^Tests?:\s|^test result:|^(?:ok|FAIL)\s+\S+\s+[\d.(]|BUILD \w+|^npm ERR!|^make: \*\*\*"
    r"|\b\d+ (?:errors?|warnings?) (?:generated|found)"
)
_VARIABLE = re.compile(r"\d+|0x[0-9a-f]+")


def journal(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...] | None:
    """Give the lines of a log by their importance; ``None`` where a text is none."""
    texts = drop_blanks(lines)
    if not texts:
        return None
    levels = Counter(match[0].strip("[]").upper() for _, text in texts if (match := _LEVEL.search(text[:200])))
    stamps = sum(1 for _, text in texts if _STAMP.match(text))
    telling = sum(1 for _, text in texts if _SUMMARY.search(text) or _ERROR.search(text))
    traced = any(text.startswith("Traceback (most recent") for _, text in texts)
    if (
        sum(levels.values()) < LEVELS_SHARE * len(texts)
        and stamps < STAMPS_SHARE * len(texts)
        and telling < TELLING_SHARE * len(texts)
        and not traced
    ):
        return None
    width = max(80, bytes_max // 5)
    placed = {at: cut(squeeze(text), width) for at, (_, text) in enumerate(texts)}
    summaries = [at for at, text in placed.items() if _SUMMARY.search(text)]
    errors = _distinct([(at, text) for at, text in placed.items() if _ERROR.search(text)])
    warnings = _distinct([(at, text) for at, text in placed.items() if _WARNING.search(text)])
    ranks: dict[int, int] = {}
    for rank, group, share in ((5, warnings, WARNINGS_SHARE), (2, errors, ERRORS_SHARE)):
        fitting = within([(at, placed[at]) for at in group], int(bytes_max * share))
        ranks.update(dict.fromkeys(group[:fitting], rank))
    ranks.update(dict.fromkeys(summaries[-5:], 1))
    counted = "".join(f", {count:,} {level}" for level, count in levels.most_common(8))
    rest = plain([(at, text) for at, text in placed.items() if at not in ranks], int(bytes_max * ENDS_SHARE))
    places = [*(at for at in placed if at not in ranks), len(placed), len(placed) + 1]
    return (
        Line(-1, cut(f"{len(texts):,} lines{counted}", 160), 0),
        *(Line(at, placed[at], rank) for at, rank in ranks.items()),
        *(Line(places[min(line.at, len(places) - 1)], line.text, line.rank + 3) for line in rest),
    )


def _distinct(lines: Sequence[tuple[int, str]]) -> list[int]:
    """Give the places of lines that differ in more than their numbers; of those alike, the first."""
    firsts: dict[str, int] = {}
    for at, text in lines:
        firsts.setdefault(_VARIABLE.sub("0", text), at)
    return sorted(firsts.values())
