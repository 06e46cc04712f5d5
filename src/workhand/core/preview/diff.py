"""Differences: the files with counts of lines, the hunks, then the changed lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workhand.core.preview.lines import Line, cut
from workhand.core.preview.names import by_novelty

_START = re.compile(r"^(?:diff --git |--- \S|Index: )")
_HUNK = re.compile(r"^@@+ .* @@+")


def diff(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...] | None:
    """Give the lines of a diff; ``None`` where a text is none."""
    hunks = sum(1 for _, text in lines if _HUNK.match(text))
    if not hunks or not any(_START.match(text) for _, text in lines[:60]):
        return None
    files: dict[str, list[int]] = {}
    ranked: list[Line] = []
    changed: list[tuple[int, str]] = []
    name, inside = "", False
    for at, (_, text) in enumerate(lines):
        if text.startswith("diff --git "):
            name, inside = text.split(" b/")[-1], False
            files.setdefault(name, [0, 0])
        elif text.startswith(("+++ ", "--- ")) and not inside:
            path = re.sub(r"^[ab]/", "", text[4:].split("\t")[0])
            name = path if path != "/dev/null" else name
        elif _HUNK.match(text):
            counts, inside = files.setdefault(name, [0, 0]), True
            shown = f"{name} {text}" if counts == [0, 0] else text
            ranked.append(Line(at, cut(shown, 160), 1 if counts == [0, 0] else 3))
        elif inside and text[:1] in {"+", "-"}:
            files[name][text[0] == "-"] += 1
            changed.append((at, cut(text, 120)))
        elif not inside and at < 12:
            ranked.append(Line(at, cut(text, 100), 4))
        inside = inside and not _START.match(text)
    listed = ", ".join(f"{path} +{added} -{removed}" for path, (added, removed) in files.items())
    head = f"{len(files):,} files, {hunks:,} hunks: {listed}"
    ranked = [line for line in ranked if not line.text.startswith(("index ", "new file", "similarity"))]
    return (Line(-1, cut(head, bytes_max // 2), 0), *ranked, *by_novelty(changed, 5, set()))
