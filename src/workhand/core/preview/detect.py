"""Which kind of content a text is, tried in one explicit order, the most certain first."""

from __future__ import annotations

from workhand.core.preview.code import code, is_code
from workhand.core.preview.diff import diff
from workhand.core.preview.journal import journal
from workhand.core.preview.lines import Line, number
from workhand.core.preview.listing import listing
from workhand.core.preview.markup import markup
from workhand.core.preview.mend import Json, read_json
from workhand.core.preview.numbered import matches, read_listing
from workhand.core.preview.outline import content_of, outline
from workhand.core.preview.plain import plain
from workhand.core.preview.table import table

PROBED_HEAD, PROBED_TAIL = 200, 100  # lines by which a kind is tried before all are read
UNWRAPPED_MAX = 3  # envelopes in envelopes
BESIDE_CHARS = 600  # of the words before and after a JSON value

_IN_ORDER = (("diff", diff), ("matches", matches), ("log", journal), ("listing", listing), ("table", table))


def shaped(text: str, bytes_max: int, unwrapped: int = 0) -> tuple[str, tuple[Line, ...]]:
    """Give the kind of a text and its lines."""
    found = read_json(text)
    if found is not None:
        inner = content_of(found.value) if unwrapped < UNWRAPPED_MAX else None
        if inner is None:
            return "json", _beside(found, outline(found, bytes_max))
        kind, lines = shaped(inner, bytes_max, unwrapped + 1)
        return kind, _beside(found, lines)
    marked = markup(text, bytes_max)
    if marked is not None:
        return marked
    lines_of = number(text)
    ends = (*lines_of[:PROBED_HEAD], *lines_of[max(PROBED_HEAD, len(lines_of) - PROBED_TAIL) :])
    if read_listing(ends) is not None and (listed := read_listing(lines_of)) is not None:
        return "code", code(listed, bytes_max)
    for kind, read in _IN_ORDER:
        if read(ends, bytes_max) is not None and (shown := read(lines_of, bytes_max)) is not None:
            return kind, shown
    if is_code(ends):
        return "code", code(lines_of, bytes_max)
    return "text", plain(lines_of, bytes_max)


def _beside(found: Json, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Put the words before and after a JSON value around its lines."""
    before = [line for _, line in number(found.before[:BESIDE_CHARS]) if line][:6]
    after = [line for _, line in number(found.after[-BESIDE_CHARS:]) if line][-4:]
    first = min((line.at for line in lines), default=0) - len(before)
    last = max((line.at for line in lines), default=0)
    return (
        *(Line(first + at, text[:200], 1) for at, text in enumerate(before)),
        *lines,
        *(Line(last + 2 + at, text[:200], 1) for at, text in enumerate(after)),
    )
