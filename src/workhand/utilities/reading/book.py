"""Electronic books (epub): their chapters, in order, each a web page."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from ..budget import Unreadable
from . import web
from .package import Package

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source


def read(source: Source) -> Iterator[str]:
    package = Package(source)
    part = next((each.get("full-path", "") for each in package.elements("META-INF/container.xml", "rootfile")), "")
    if not part:
        raise Unreadable("It does not say where its contents are, so it is damaged.")
    root = package.tree(part)
    source.facts["title"] = " ".join((root.findtext("metadata/title") or "").split())
    items = {each.get("id"): each for each in root.findall("manifest/item")}
    chapters = [items[each.get("idref")] for each in root.findall("spine/itemref") if each.get("idref") in items]
    source.facts["pages"] = len(chapters)
    for number, chapter in enumerate(chapters, 1):
        name = posixpath.normpath(posixpath.join(posixpath.dirname(part), unquote(chapter.get("href", ""))))
        if number not in source.pages or name not in package.names:
            continue
        if not chapter.get("media-type", "").startswith(("application/xhtml", "text/")):
            continue
        yield from web.read(source.inside(name, package.content(name)))
