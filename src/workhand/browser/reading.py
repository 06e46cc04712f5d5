"""A page as text to read: Markdown from its accessibility tree, so that what is hidden is not in it and frames are."""

from __future__ import annotations

from collections.abc import Sequence

from workhand.browser.snapshot import CELLS, Thing, holds_more
from workhand.core.browsing import Node

LEFT_OUT = frozenset({"navigation", "banner", "contentinfo", "complementary", "search", "menu", "menubar", "toolbar"})
BLOCKS = frozenset({"paragraph", "listitem", "row", "heading", "blockquote", "term", "definition", "caption"})


def markdown(things: Sequence[Thing]) -> str:
    """Write a page as Markdown, without what only leads around in the site and what only takes input."""
    blocks: list[str] = []
    around: list[tuple[int, Node]] = []
    skipped = -1  # deeper than this is left out
    block: object = None
    for place, (indent, node) in enumerate(things):
        while around and around[-1][0] >= indent:
            around.pop()
        skipped = skipped if skipped >= 0 and indent > skipped else -1
        if skipped < 0 and node.role in LEFT_OUT:
            skipped = indent
        around.append((indent, node))
        if skipped >= 0:
            continue
        words = _words(things, place)
        if not words:
            continue
        if node.role == "link":
            skipped = indent
        within = next((each for each in reversed(around) if each[1].role in BLOCKS), (indent, None))
        if within is block and blocks:
            joint = " | " if within[1] is not None and within[1].role == "row" else " "
            blocks[-1] += joint + words
        else:
            blocks.append(_prefix(around) + words)
        block = within
    return "".join(_joint(before, block) + block for before, block in zip(["", *blocks], blocks, strict=False))


def _joint(before: str, block: str) -> str:
    """Keep the rows of a table, and the items of a list, together."""
    if not before:
        return ""
    return "\n" if before[:2] == block[:2] and block[:2] in ("- ", "| ") else "\n\n"


def _words(things: Sequence[Thing], place: int) -> str:
    """Give the words of a thing itself; those of what is in it follow."""
    _, node = things[place]
    match node.role:
        case "link":
            url = next((each.value for _, each in things[place + 1 : place + 2] if each.role == "/url"), "")
            words = node.name or node.value
            return f"[{words}]({url})" if url and words else words
        case "img":
            return f"![{node.name}]" if node.name else ""
        case "code":
            return f"`{node.value}`" if node.value else ""
        case role if role == "heading" or role in CELLS:
            return "" if holds_more(things, place) else node.name or node.value
        case role if role in BLOCKS or role in ("text", "generic", "strong", "emphasis"):
            return node.value
    return ""


def _prefix(around: Sequence[tuple[int, Node]]) -> str:
    for _, node in reversed(around):
        if node.role == "heading":
            level = next((state[6:] for state in node.states if state.startswith("level=")), "2")
            return "#" * min(int(level) if level.isdecimal() else 2, 6) + " "
        if node.role == "listitem":
            return "- "
        if node.role == "row":
            return "| "
        if node.role == "blockquote":
            return "> "
    return ""
