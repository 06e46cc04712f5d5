"""XML within bounds: no entities of its own, no endless depth, no more elements than allowed.

Names are local: ``p`` for ``w:p``.  The formats read here put elements of one name and of
different meaning only where the difference does not matter to a reader.  Attributes are
local too, but those that name a relationship are ``r:id``, because ``id`` stands beside it.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element
from xml.parsers import expat

from ..budget import Budget, OverBudget, Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def tree(chunks: Iterable[bytes], budget: Budget) -> Element:
    """Give the root of a document."""
    for root in elements(chunks, "", budget):
        return root
    raise Unreadable("There is no element in its XML, so it is damaged.")


def elements(chunks: Iterable[bytes], tag: str, budget: Budget) -> Iterator[Element]:
    """Give each element of a name when it is complete, and keep nothing of the others; the root without a name."""
    builder = _Builder(tag, budget)
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = _refuse_entity
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            yield from builder.taken()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Unreadable(f"Its XML is damaged ({error}).") from error
    yield from builder.taken()


class _Builder:
    """Makes elements of what the parser finds, from the wanted ones inwards."""

    def __init__(self, tag: str, budget: Budget) -> None:
        self.tag = tag
        self.budget = budget
        self.depth = 0
        self.stack: list[Element] = []
        self.complete: list[Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.budget.element(self.depth)
        local = name.rpartition("}")[2]
        if not self.stack and self.tag not in ("", local):
            return
        element = Element(local, {_attribute(key): value for key, value in attributes.items()})
        if self.stack:
            self.stack[-1].append(element)
        self.stack.append(element)

    def end(self, name: str) -> None:
        self.depth -= 1
        if self.stack:
            element = self.stack.pop()
            if not self.stack:
                self.complete.append(element)

    def text(self, text: str) -> None:
        if not self.stack:
            return
        parent = self.stack[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text

    def taken(self) -> list[Element]:
        complete, self.complete = self.complete, []
        return complete


def _attribute(name: str) -> str:
    space, _, local = name.rpartition("}")
    return f"r:{local}" if space.endswith("/relationships") else local


def _refuse_entity(name: str, *declared: object) -> None:
    raise OverBudget(f"Its XML declares the entity {name[:40]!r}, which could grow without end, so it was not read.")
