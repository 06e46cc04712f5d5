"""Listings of files (``ls -l``, ``ls -R``, ``find``, ``tree``): all names, each directory written once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workhand.core.preview.lines import Line, cut
from workhand.core.preview.plain import drop_blanks

LISTED_SHARE = 0.8
NAMES_MIN = 8
NAMES_BYTES_MIN = 48
NAMES_SHOWN_MIN = 3

_LONG = re.compile(
    r"^[-dlbcps][-rwxsStT]{9}[.+@]?\s+\d+\s+\S+\s+\S+\s+(\S+)\s+(?:\S+\s+){2,3}?"
    r"(?:\d\d:\d\d(?::\d\d\S*)?(?: [+-]\d{4})?|\d{4})\s(.+)$"
)
_TREE = re.compile(r"^([│|\s]*+)[├└|`][─-]{1,2}\s(.+)$")
_PATH = re.compile(r"^[^\s'\"(){}<>=;,:]*(?:/[^'\"(){}<>=;,\t]*)?$")
_COUNT = re.compile(r"(?<=\w)(?::| \()(\d+)(?: [a-z]{1,10})?\)?$")
_SECTION = re.compile(r"^([^\s:]+):$")


def listing(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...] | None:
    """Give names by directory; ``None`` where a text is no listing."""
    texts = [text for _, text in drop_blanks(lines)]
    directories: dict[str, list[str]] = {}
    others: list[str] = []
    here, stack = "", list[str]()
    for text in texts:
        if long := _LONG.match(text):
            name = long[2] + ("/" if text[0] == "d" else f" {long[1]}")
            directories.setdefault(here, []).append(name)
        elif branch := _TREE.match(text):
            depth = len(branch[1]) // 4
            stack[depth:] = [branch[2].rstrip("/")]
            directories.setdefault("/".join(stack[:depth]), []).append(branch[2])
        elif section := _SECTION.match(text):
            here = section[1]
            directories.setdefault(here, [])
        elif _PATH.match(path := _COUNT.sub("", text)) and "|" not in text:
            parent, _, name = path.rstrip("/").rpartition("/")
            name += f" ({counted[1]})" if (counted := _COUNT.search(text)) else ""
            folder = f"{here}/{parent}" if here and parent and text[0] != "/" else parent or here
            directories.setdefault("/" if text.startswith("/") and not parent else folder, []).append(name)
        else:
            others.append(text)
    count = sum(map(len, directories.values()))
    if count < max(NAMES_MIN, LISTED_SHARE * len(texts)) or not _named(directories):
        return None
    return _shown(directories, others, count, bytes_max)


def _named(directories: dict[str, list[str]]) -> bool:
    """Say whether these can be names of files: words alone can be anything."""
    shaped = sum("." in name or "_" in name or name.endswith("/") for names in directories.values() for name in names)
    return len(directories) > 2 or shaped * 3 > sum(map(len, directories.values()))


def _shown(directories: dict[str, list[str]], others: list[str], count: int, bytes_max: int) -> tuple[Line, ...]:
    """Write a directory a line: all its names where they fit, else as many as its share of the room has place for."""
    root = _root([path for path, names in directories.items() if path and names])
    sizes = {
        path: len(path) - len(root) + 4 + sum(len(name) + 2 for name in names) for path, names in directories.items()
    }
    share = bytes_max // max(1, len(directories)) - 4
    wide = sum(1 for size in sizes.values() if size > share)
    share += sum(max(0, share - size) for size in sizes.values()) // max(1, wide)
    inside = f", all under {root}" if root else ""
    heads = [f"{count:,} names, directories: {len(directories):,}{inside}", *others[:2], *others[2:][-3:]]
    lines = [Line(at - len(heads), cut(text, 200), int(at > 0)) for at, text in enumerate(heads)]
    for at, (path, names) in enumerate(directories.items()):
        head = f"{path.removeprefix(root)}/" if path and f"{path}/" != root else ""
        text, shown = f"{head}: " if head and len(names) > 1 else head, 0
        room = max(share - 6, len(head) + NAMES_BYTES_MIN)
        while shown < len(names) and (shown < NAMES_SHOWN_MIN or len(text) + len(names[shown]) < room):
            text += f"{names[shown]}  "
            shown += 1
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        lines.append(Line(at, text.rstrip() + more, 2))
    return tuple(lines)


def _root(paths: Sequence[str]) -> str:
    """Give the directory that all paths are in, with a slash at its end; empty where that saves little."""
    first, last = min(paths, default=""), max(paths, default="")
    same = next((at for at, (one, two) in enumerate(zip(first, last, strict=False)) if one != two), len(first))
    root = first[: first.rfind("/", 0, same) + 1] if len(paths) > 2 else ""
    return root if len(root) > 8 else ""
