"""How blocks of Markdown are written."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LISTED = re.compile(r"\s*([-*]|\d+\.) ")
BACKTICKS = re.compile(r"`+")


def joined(blocks: Iterable[str], *, tight: bool = False) -> Iterator[str]:
    """Give the pieces of a text: an empty line between blocks, none between entries of a list, nor before if tight."""
    before = ""
    for block in blocks:
        if not block.strip():
            continue
        if before:
            yield "\n" if LISTED.match(block) and (tight or LISTED.match(before)) else "\n\n"
        yield block
        before = block


def heading(level: int, text: str) -> str:
    text = " ".join(text.split())
    return f"{'#' * min(max(level, 1), 6)} {text}" if text else ""


def entry(text: str, level: int = 0, number: int | None = None) -> str:
    """Write one entry of a list, its further lines below its first."""
    marker = "- " if number is None else f"{number}. "
    lines = text.strip().split("\n")
    indent = "  " * level
    rest = (f"{indent}{' ' * len(marker)}{line}" if line else "" for line in lines[1:])
    return "\n".join([f"{indent}{marker}{lines[0]}", *rest])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first row is its head; columns that are empty throughout are left out."""
    width = max((len(row) for row in rows), default=0)
    used = [column for column in range(width) if any(column < len(row) and row[column].strip() for row in rows)]
    if not used:
        return ""
    lines = [_row([row[column] if column < len(row) else "" for column in used]) for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(used), *lines[1:]])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def code(text: str, language: str = "") -> str:
    """Write a block of code inside a fence that is longer than any in it."""
    if not text.strip():
        return ""
    longest = max((len(run) for run in BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence + language, text.strip("\n"), fence])


def marked(text: str, mark: str) -> str:
    """Put a mark around a text, and not around the spaces at its ends."""
    inner = text.strip()
    if not inner or not mark or "\n" in inner:
        return text
    start = text.index(inner)
    return f"{text[:start]}{mark}{inner}{mark[::-1]}{text[start + len(inner) :]}"


def link(text: str, target: str) -> str:
    """Write a link; one within the document, or without a text, is only its text."""
    text = " ".join(text.split())
    if not target or not text or target.startswith(("#", "javascript:", "data:")):
        return text
    return f"<{target}>" if text == target else f"[{text}]({target})"


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n")) if text else ""
