"""A page as lines: one for each thing that matters, with what it is called and what can be done with it.

What comes in is Playwright's accessibility snapshot: hidden things are left out of it already, frames are in it, and
references stay with their elements.  Most of its lines are boxes around boxes; they go, and what is in them moves
up.  A label beside the field that it names goes, too.  The cells of a table's row become one line, and so do the
options of a list.  It is one pass without recursion, because a hostile page may be as deep as it likes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from workhand.core.browsing import Node

CHARS_MAX = 24_000  # of what is shown at once
NAME_CHARS_MAX = 300
URL_CHARS_MAX = 200
PARTS_CHARS_MAX = 1_000  # of a row's cells, or of the options to select from
LINE = re.compile(
    r'(?P<role>/?[\w-]+)(?: (?P<name>"(?:[^"\\]|\\.)*"))?(?P<states>(?: \[[^\]]*\])*)(?::(?: (?P<value>.*))?)?$',
    re.DOTALL,
)
STATE = re.compile(r"\[([^\]]*)\]")

BOXES = frozenset(
    {"generic", "none", "presentation", "list", "listitem", "rowgroup", "paragraph", "group", "strong", "emphasis"}
)
CELLS = frozenset({"cell", "gridcell", "columnheader", "rowheader"})
PARTS, ROWS = CELLS | {"option"}, frozenset({"row", "combobox", "listbox"})
ACTIVE = frozenset(
    {"button", "link", "textbox", "searchbox", "combobox", "listbox", "option", "checkbox", "radio", "switch"}
    | {"slider", "spinbutton", "tab", "menuitem", "menuitemcheckbox", "menuitemradio", "treeitem"}
)


Thing: TypeAlias = tuple[int, Node]


@dataclass(frozen=True, slots=True)
class Line:
    depth: int
    node: Node

    def __str__(self) -> str:
        return "  " * self.depth + written(self.node)


@dataclass(frozen=True, slots=True)
class Snapshot:
    lines: tuple[Line, ...] = ()

    def node(self, ref: str) -> Node | None:
        """Give the thing that a reference stands for."""
        return next((line.node for line in self.lines if ref and line.node.ref == ref), None)

    def __str__(self) -> str:
        return "\n".join(map(str, self.lines))


def written(node: Node) -> str:
    """Write a thing as a line: role, name, states, reference, value, and where it leads."""
    if node.role == "text":
        return f"text: {node.value}"
    name = f" {json.dumps(node.name, ensure_ascii=False)}" if node.name else ""
    states = "".join(f" [{state}]" for state in (*node.states, *([f"ref={node.ref}"] if node.ref else ())))
    value = f": {node.value}" if node.value else ""
    return f"{node.role}{name}{states}{value}" + (f" -> {node.url}" if node.url else "")


def compact(things: Sequence[Thing]) -> Snapshot:
    """Make a page the few lines that matter."""
    lines: list[Line] = []
    around: list[tuple[int, int]] = []  # what encloses the line at hand: its indent, and the depth of what is in it
    row = -1  # the line that cells or options are added to
    for place, (indent, node) in enumerate(things):
        while around and around[-1][0] >= indent:
            around.pop()
        depth = around[-1][1] if around else 0
        row = row if row >= 0 and lines[row].depth < depth else -1
        filled = holds_more(things, place)
        if node.role[0] == "/":
            lines[-1:] = [replace(line, node=_leading(line.node, node)) for line in lines[-1:]]
        elif node.role in PARTS and not node.ref and not filled and row >= 0:
            lines[row] = replace(lines[row], node=_with_part(lines[row].node, node))
        elif (kept := _kept(node, filled=filled)) is None:
            around.append((indent, depth))
        else:
            _add(lines, Line(depth, kept))
            around.append((indent, depth + 1))
            row = len(lines) - 1 if kept.role in ROWS else row
    return Snapshot(tuple(lines))


def holds_more(things: Sequence[Thing], place: int) -> bool:
    """Say whether there are things in one."""
    (indent, _), after = things[place], next(iter(things[place + 1 : place + 2]), None)
    return after is not None and after[0] > indent and after[1].role[0] != "/"


def _leading(node: Node, told: Node) -> Node:
    leads = node.role == "link" and told.role == "/url"
    return replace(node, url=_cut(told.value, URL_CHARS_MAX)) if leads else node


def _with_part(row: Node, part: Node) -> Node:
    words = (part.name or part.value) + (" (selected)" if "selected" in part.states else "")
    joined = f"{row.value} | {words}" if row.value else words
    return replace(row, value=joined) if len(row.value) < PARTS_CHARS_MAX else row


def _kept(node: Node, *, filled: bool) -> Node | None:
    """Give a thing as its line shows it; nothing for a box, whose content stands for it."""
    if node.role in BOXES and node.ref:  # something that can be clicked, though it does not say so
        return replace(node, role="clickable", name=node.name or node.value, value="")
    if node.role in BOXES or (node.role in CELLS and filled):
        words = node.value or ("" if filled else node.name)
        return Node("text", value=words) if words else None
    if node.role == "text" and not any(map(str.isalnum, node.value)):
        return None
    if node.role == "img" and not (node.name or node.ref):
        return None
    return replace(node, name="") if node.role == "row" else node


def _add(lines: list[Line], line: Line) -> None:
    """Add a line; a label goes where the thing beside it has its words as a name."""
    before = lines[-1] if lines else None
    if before is not None and before.depth == line.depth:
        if line.node.role == "text" and line.node.value == before.node.name:
            return
        if before.node.role == "text" and before.node.value == line.node.name:
            lines.pop()
    lines.append(line)


def parsed(raw: str) -> Iterator[Thing]:
    """Take an accessibility snapshot apart: each thing, and how far it is indented."""
    for text in raw.split("\n"):  # and at no other mark that ends a line: a page may have those in its words
        body = text.lstrip(" ")
        indent = len(text) - len(body)
        if not body.startswith("- "):
            continue
        found = LINE.match(_unquoted_key(body[2:]))
        if found is not None:
            yield indent, _node(found)


def _node(found: re.Match[str]) -> Node:
    role, value = found["role"], _unquoted(found["value"] or "")
    states = tuple(STATE.findall(found["states"]))
    ref = next((state[4:] for state in states if state.startswith("ref=")), "")
    useful = role in ACTIVE or "cursor=pointer" in states
    told = tuple(state for state in states if not state.startswith(("ref=", "cursor=", "active")))
    name = _cut(_unquoted(found["name"] or ""), NAME_CHARS_MAX)
    return Node(role, name, value, told, ref if useful else "")


def _unquoted_key(body: str) -> str:
    """Take the quotes off a key that has a colon or the like in it."""
    if not body.startswith("'"):
        return body
    end = re.search(r"(?<!')'(?:'')*(?!')", body[1:])
    if end is None:
        return body
    return body[1 : end.end()].replace("''", "'") + body[end.end() + 1 :]


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:  # an escape that JSON does not have
        return value.strip('"')


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"


def found(snapshot: Snapshot, words: str) -> Snapshot:
    """Give the lines that have some words in them, what is in those, and what they are in."""
    wanted = words.casefold()
    above: list[int] = []
    kept: set[int] = set()
    within = -1  # deeper lines than this belong to one that was found
    for place, line in enumerate(snapshot.lines):
        del above[line.depth :]
        above.append(place)
        if within >= 0 and line.depth > within:
            kept.add(place)
            continue
        within = line.depth if wanted in str(line).casefold() else -1
        if within >= 0:
            kept.update(above)
    return Snapshot(tuple(snapshot.lines[place] for place in sorted(kept)))


def bounded(lines: Iterable[str], *, chars_max: int = CHARS_MAX) -> str:
    """Join lines, as many as may be shown, and say how many are left out."""
    every = tuple(lines)
    used, shown = 0, 0
    for line in every:
        used += len(line) + 1
        if used > chars_max:
            break
        shown += 1
    left = len(every) - shown
    note = [f"[{left:,} more lines are left out here; `find` shows those with some words in them]"] if left else []
    return "\n".join([*every[:shown], *note])
