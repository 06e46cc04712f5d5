"""Previews of large results: what a result is, and the names in it that the next actions need.

A large result goes to a file, and a preview of it enters the context.  What the
preview lacks the model has to read back, at the price of a call, so each kind
of content is shown by what is telling in it.  The kind is detected from the
bytes alone; what one kind cannot read is shown as the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from workhand.core.preview.binary import binary, text_of
from workhand.core.preview.detect import shaped
from workhand.core.preview.lines import cut, fit


@dataclass(frozen=True, slots=True)
class Preview:
    kind: str
    text: str


def preview(content: bytes, *, path: str, bytes_max: int) -> Preview:
    """Show a result in at most ``bytes_max`` bytes: a note on what is missing, then what tells most."""
    room = bytes_max - len(_note("binary", 0, len(content), path).encode(errors="replace")) - 1
    text = text_of(content)
    kind, lines = ("binary", binary(content)) if text is None else shaped(text, max(room, 0))
    body = fit(lines, room, marked=kind != "code") if room > 0 else ""
    shown = min(len(body.encode()), len(content))
    note = cut(_note(kind, shown, len(content), path), bytes_max)
    return Preview(kind, f"{note}\n{body}" if body else note)


def _note(kind: str, shown: int, size: int, path: str) -> str:
    left_out = 100 * (size - shown) // max(1, size)
    return f"[{kind}, {left_out} % left out; all {size:,} bytes are in {path}]"
