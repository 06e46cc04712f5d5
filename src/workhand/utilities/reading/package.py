"""Documents that are a zip archive of XML: docx, xlsx, pptx, odt, epub."""

from __future__ import annotations

import posixpath
import zipfile
from dataclasses import dataclass

from ..budget import Unreadable
from .source import Source, chunks
from .xmltree import elements, tree

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class Relation:
    kind: str  # the last word of its type, such as "hyperlink"
    target: str  # a part of the package, or an address


class Package:
    """The parts of such a document, by name."""

    def __init__(self, source: Source) -> None:
        self.budget = source.budget
        try:
            self.zip = zipfile.ZipFile(source.file)
        except zipfile.BadZipFile as error:
            raise Unreadable(f"It is damaged ({error}).") from error
        self.names = set(self.zip.namelist())
        self.budget.member(len(self.names))

    def chunks(self, name: str) -> Iterator[bytes]:
        if name not in self.names:
            raise Unreadable(f"It has no part {name!r}, so it is damaged.")
        with self.zip.open(name) as member:
            yield from chunks(member, self.budget)  # type: ignore[arg-type]  # it has a read

    def content(self, name: str) -> bytes:
        return b"".join(self.chunks(name))

    def tree(self, name: str) -> Element:
        return tree(self.chunks(name), self.budget)

    def elements(self, name: str, tag: str) -> Iterator[Element]:
        """Give the elements of a name in a part, one after another; none if there is no such part."""
        return elements(self.chunks(name), tag, self.budget) if name in self.names else iter(())

    def relations(self, name: str) -> dict[str, Relation]:
        """Give what a part is related to, by the ids it uses; of the package itself for an empty name."""
        folder, base = posixpath.split(name)
        found = {}
        for each in self.elements(posixpath.join(folder, "_rels", f"{base}.rels"), "Relationship"):
            target = each.get("Target", "")
            if each.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            found[each.get("Id", "")] = Relation(each.get("Type", "").rpartition("/")[2], target)
        return found

    def related(self, name: str, kind: str) -> str:
        """Give the part of a kind that a part is related to, or nothing."""
        return next((each.target for each in self.relations(name).values() if each.kind == kind), "")
