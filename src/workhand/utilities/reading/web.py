"""Web pages: the main content as Markdown, without what only leads elsewhere and what nobody sees."""

from __future__ import annotations

import re

from . import markdown
from .encodings import text_of
from .webtree import BLOCKS, CELLS, Node, parse

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source
    from .webtree import Child

DECLARED = re.compile(
    rb"<(?:meta[^>]{0,200}charset|\?xml[^>]{0,100}encoding)\s*=\s*[\"']?([A-Za-z0-9_:.-]+)", re.IGNORECASE
)
UNSEEN = {
    "script",
    "style",
    "title",
    "template",
    "noscript",
    "svg",
    "head",
    "iframe",
    "object",
    "canvas",
    "select",
    "button",
}
ASIDE = {
    "nav",
    "footer",
    "aside",
}
MARKS = {
    "strong": "**",
    "b": "**",
    "em": "*",
    "i": "*",
    "code": "`",
    "kbd": "`",
    "samp": "`",
    "tt": "`",
    "del": "~~",
    "s": "~~",
}
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LANGUAGE = re.compile(r"(?:language|lang|highlight|brush)[-:]\s*([A-Za-z0-9+#-]+)")
SPACES = re.compile(r"[ \t\r\n\f]+")
AROUND_BREAK = re.compile(r" *\n *")
HIDDEN = re.compile(r"(display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
ANCHORS = {"¶", "#", "§", "🔗"}
MAIN_SHARE_MIN = 0.3  # of the text of a page, for an element to be its main content


def read(source: Source) -> Iterator[str]:
    content = source.content()
    declared = DECLARED.search(content[:4096])
    return page(text_of(content, declared[1].decode("ascii") if declared else ""), source)


def page(text: str, source: Source) -> Iterator[str]:
    """Read a page whose characters are known."""
    root = parse(text, source.budget)
    title = next((" ".join(node.text().split()) for node in root.walk() if node.tag == "title"), "")
    source.facts.setdefault("title", title)
    main = _main(root)
    if title and not any(node.tag == "h1" for node in main.walk()):
        yield markdown.heading(1, title)
    yield from _blocks(main, main is root)


def _main(root: Node) -> Node:
    """Choose the element that holds what a page is about, or all of it."""
    whole = len(root.text())
    for wanted in (_is_main, _is_article):
        found = [node for node in root.walk() if wanted(node)]
        if found:
            largest = max(found, key=lambda node: len(node.text()))
            alone = wanted is _is_main or len(found) == 1
            if alone and len(largest.text()) >= MAIN_SHARE_MIN * whole:
                return largest
    return root


def _is_main(node: Node) -> bool:
    return node.tag == "main" or node.attributes.get("role") == "main"


def _is_article(node: Node) -> bool:
    return node.tag == "article"


def _seen(child: Child, whole: bool) -> bool:
    """Say whether a reader should see a part of a page; of a whole page not what leads elsewhere."""
    if isinstance(child, str):
        return True
    given = child.attributes
    hidden = "hidden" in given or given.get("aria-hidden") == "true" or bool(HIDDEN.search(given.get("style", "")))
    elsewhere = whole and (child.tag in ASIDE or given.get("role") == "navigation")
    return not (child.tag in UNSEEN or hidden or elsewhere)


def _blocks(node: Node, whole: bool = False) -> Iterator[str]:
    run: list[str] = []
    for child in node.children:
        if not _seen(child, whole):
            continue
        if isinstance(child, Node) and _is_block(child):
            yield _paragraph(run)
            run = []
            yield from _block(child, whole)
        else:
            run.append(_inline(child))
    yield _paragraph(run)


def _is_block(node: Node) -> bool:
    return node.tag in BLOCKS or (node.holds_block and node.tag != "a")


def _paragraph(run: list[str]) -> str:
    return AROUND_BREAK.sub("\n", re.sub(" +", " ", "".join(run))).strip()


def _block(node: Node, whole: bool) -> Iterator[str]:
    if node.tag in HEADINGS:
        yield markdown.heading(HEADINGS[node.tag], _children(node))
    elif node.tag == "pre":
        yield markdown.code(node.text(), _language(node))
    elif node.tag in ("ul", "ol"):
        yield _list(node)
    elif node.tag == "table":
        yield from _table(node)
    elif node.tag == "blockquote":
        yield markdown.quoted("".join(markdown.joined(_blocks(node))))
    elif node.tag == "dt":
        yield markdown.marked(_paragraph([_children(node)]), "**")
    elif node.tag == "hr":
        yield "---"
    else:
        yield from _blocks(node, whole)


def _list(node: Node) -> str:
    entries = []
    number = 0
    for child in node.children:
        if not _seen(child, False):
            continue
        if isinstance(child, str):
            text = _paragraph([_inline(child)])
        else:
            text = "".join(markdown.joined(_blocks(child) if child.tag == "li" else _block(child, False), tight=True))
        if text:
            number += 1
            entries.append(markdown.entry(text, number=number if node.tag == "ol" else None))
    return "\n".join(entries)


def _table(node: Node) -> Iterator[str]:
    """Write a table; one that only lays out a page, or has a single column, is its content."""
    rows = [_cells(row) for row in node.walk() if row.tag == "tr"]
    nested = any(child.tag == "table" for child in node.walk() if child is not node)
    if nested or all(len(row) < 2 for row in rows):
        yield from _blocks(node)
        return
    for child in node.children:
        if isinstance(child, Node) and child.tag == "caption":
            yield _children(child).strip()
    yield markdown.table([[_children(cell) for cell in row] for row in rows])


def _cells(row: Node) -> list[Node]:
    return [child for child in row.children if isinstance(child, Node) and child.tag in CELLS]


def _children(node: Node) -> str:
    return "".join(_inline(child) for child in node.children if _seen(child, False))


def _inline(child: Child) -> str:
    if isinstance(child, str):
        return SPACES.sub(" ", child)
    if child.tag == "br":
        return "\n"
    if child.tag == "img":
        alternative = " ".join(child.attributes.get("alt", "").split())
        target = child.attributes.get("src", "")
        return f"![{alternative}]({'' if target.startswith('data:') else target})" if alternative else ""
    if child.tag == "math" and child.attributes.get("alttext"):
        return child.attributes["alttext"]
    text = _children(child)
    if child.tag == "a":
        return "" if text.strip() in ANCHORS else _linked(text, child.attributes.get("href", ""))
    if child.tag in BLOCKS:
        return f" {text} "
    mark = MARKS.get(child.tag, "")
    return markdown.marked(text, "" if mark in text else mark)


def _linked(text: str, target: str) -> str:
    before, after = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
    return before + markdown.link(text, target.strip()) + after


def _language(node: Node) -> str:
    classes = " ".join(each.attributes.get("class", "") for each in node.walk() if each.tag in ("pre", "code"))
    found = LANGUAGE.search(classes)
    return found[1] if found else ""
