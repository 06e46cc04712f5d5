"""HTML as a tree, however its tags are closed, and of no more than a bounded depth."""

from __future__ import annotations

from html.parser import HTMLParser

from ..budget import Budget

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Union

    Child = Union["Node", str]

VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "param",
    "source",
    "track",
    "wbr",
}
BLOCKS = {
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
}
CELLS = {"td", "th"}
CLOSED_BY = {
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "td": CELLS,
    "th": CELLS,
    "tr": {"tr", *CELLS},
    "option": {"option"},
    **{part: {"tr", "thead", "tbody", "tfoot", *CELLS} for part in ("thead", "tbody", "tfoot")},
}
"""What is still open, and ends where one of these begins; a block ends a paragraph."""
HELD = {"article", "blockquote", "button", "div", "dl", "main", "ol", "section", "table", "ul"}
"""What does not let that happen across its border."""


class Node:
    __slots__ = ("attributes", "children", "holds_block", "tag")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Child] = []
        self.holds_block = False

    def walk(self) -> Iterator[Node]:
        """Give this node and all in it, in the order of the document."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [child for child in reversed(node.children) if isinstance(child, Node)]

    def text(self) -> str:
        """Give the characters in a node, as they stand."""
        waiting: list[Child] = [self]
        found = []
        while waiting:
            child = waiting.pop()
            if isinstance(child, str):
                found.append(child)
            elif child.tag == "br":
                found.append("\n")
            else:
                waiting += reversed(child.children)
        return "".join(found)


def parse(text: str, budget: Budget) -> Node:
    builder = _Builder(budget)
    builder.feed(text)
    builder.close()
    return builder.stack[0]


class _Builder(HTMLParser):
    def __init__(self, budget: Budget) -> None:
        super().__init__(convert_charrefs=True)
        self.budget = budget
        self.stack = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._close_before(tag)
        self.budget.element()
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(node)
        if tag in BLOCKS:
            for parent in reversed(self.stack):
                if parent.holds_block:
                    break
                parent.holds_block = True
        if tag not in VOID and len(self.stack) < self.budget.limits.depth_max:  # deeper ones become siblings
            self.stack.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID and self.stack[-1].tag == tag and "/" not in tag:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        for index in range(len(self.stack) - 1, 0, -1):
            if self.stack[index].tag == tag:
                del self.stack[index:]
                return
            if self.stack[index].tag in ("table", "td", "th") and tag not in ("table", "tr", "tbody", "thead", "html"):
                return

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)

    def _close_before(self, tag: str) -> None:
        closed = CLOSED_BY.get(tag, set()) | ({"p"} if tag in BLOCKS else set())
        for index in range(len(self.stack) - 1, 0, -1):
            if self.stack[index].tag in closed:
                del self.stack[index:]
            elif self.stack[index].tag in HELD or not closed:
                return
