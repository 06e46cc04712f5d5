"""Text, JSON, and tables in text (csv, tsv)."""

from __future__ import annotations

import csv
import io
import json

from . import markdown
from .encodings import text_of

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

SAMPLE_CHARS = 1 << 14
DELIMITERS = ",;\t|"


def read(source: Source) -> Iterator[str]:
    yield text_of(source.content()).strip("\n")


def read_json(source: Source) -> Iterator[str]:
    text = text_of(source.content())
    try:
        text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):  # several documents, or one that is deep: shown as it stands
        text = text.strip("\n")
    yield markdown.code(text, "json")


def read_table(source: Source) -> Iterator[str]:
    text = text_of(source.content())
    before = csv.field_size_limit(len(text) + 1)
    try:
        yield markdown.table(list(_rows(text, source)))
    finally:
        csv.field_size_limit(before)  # It is the whole process's.


def _rows(text: str, source: Source) -> Iterator[list[str]]:
    for row in csv.reader(io.StringIO(text), delimiter=_delimiter(text, source.name)):
        for _ in row:
            source.budget.element()
        if any(row):
            yield row


def _delimiter(text: str, name: str) -> str:
    """Choose the delimiter that stands in the lines most evenly."""
    if name.lower().endswith(".tsv"):
        return "\t"
    lines = [line for line in text[:SAMPLE_CHARS].split("\n")[:20] if line]
    least = {mark: min((line.count(mark) for line in lines), default=0) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: least[mark])
    return best if least[best] else max(DELIMITERS, key=text[:SAMPLE_CHARS].count)
