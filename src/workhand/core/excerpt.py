"""The beginning of a text, in one line of bounded length."""

from __future__ import annotations

LOOKED_AT = 40  # characters of the text for each of the line: white space may be folded


def line(text: str, chars_max: int) -> str:
    """Fold a text to one line, and cut it where it is longer than ``chars_max``."""
    flat = " ".join(text[: LOOKED_AT * chars_max].split())
    return flat if len(flat) <= chars_max else flat[: chars_max - 1] + "…"
