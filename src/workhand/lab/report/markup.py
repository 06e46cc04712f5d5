"""Text of a session inside markup: whatever people, models and commands wrote is hostile until it is escaped.

Besides the five characters of markup, three kinds of characters are replaced: those
that no XML may hold, control characters, and those that turn the direction of the
text around them, which can make a line read as something that it does not say.
"""

from __future__ import annotations

from html import escape

INVISIBLE = (
    *range(0x20),
    *range(0x7F, 0xA0),
    0xAD,
    0x061C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFDD0, 0xFDF0),
    *range(0xFFF0, 0xFFFD),
    0xFEFF,
    0xFFFE,
    0xFFFF,
    *range(0xE0000, 0xE0080),
)
SHOWN = {code: 0x2400 + code if code < 0x20 else 0xFFFD for code in INVISIBLE}
SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)


def text(said: str, chars_max: int = 400) -> str:
    """Escape a text for an element or a quoted attribute, cut to a length."""
    cut = said if len(said) <= chars_max else said[: chars_max - 1] + "…"
    return escape(cut.translate(SHOWN).translate(SURROGATES))


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def tokens(count: float) -> str:
    """Write a number of tokens short enough for a chart."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if abs(count) >= 0.9995 * size:
            digits = 0 if abs(count) >= 99.95 * size else 1
            return f"{count / size:.{digits}f}".removesuffix(".0") + unit
    return f"{count:.0f}"


def size(count: float) -> str:
    """Write a number of bytes."""
    for unit, bytes in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= bytes:
            return f"{count / bytes:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def pause(seconds: float) -> str:
    """Write a span of time in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def share(part: float, whole: float) -> str:
    """Write a share in percent; never a rounded 100 or 0 for what is not."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 0.05 or 99.95 <= percent < 100:
        return "< 0.1 %" if percent < 50 else "> 99.9 %"
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"
