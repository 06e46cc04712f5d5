"""Notebooks of Jupyter (ipynb): texts, code and what it printed."""

from __future__ import annotations

import json
import re

from ..budget import Unreadable
from . import markdown, web

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .source import Source

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read(source: Source) -> Iterator[str]:
    notebook = json.loads(source.content())
    if not isinstance(notebook, dict):
        raise Unreadable("It is JSON, but no notebook.")
    sheets = notebook.get("worksheets", [])  # of the format before the fourth
    cells = notebook.get("cells") or [cell for sheet in sheets for cell in sheet.get("cells", [])]
    language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    for cell in cells:
        text = _text(cell.get("source", cell.get("input", "")))
        kind = cell.get("cell_type")
        if kind == "heading":
            yield markdown.heading(cell.get("level", 1), text)
        elif kind == "code":
            yield markdown.code(text, language)
            for output in cell.get("outputs", []):
                yield from _output(output, source)
        else:
            yield text


def _output(output: dict[str, Any], source: Source) -> Iterator[str]:
    """Give the richest form of an output that can be read."""
    if output.get("output_type") in ("error", "pyerr"):
        yield markdown.code(COLOURS.sub("", "\n".join(output.get("traceback", []))), "text")
        return
    forms = output.get("data", output)
    html = _text(forms.get("text/html", ""))
    if forms.get("text/markdown"):
        yield _text(forms["text/markdown"])
    elif "<table" in html:
        yield from web.page(html, source)
    else:
        yield markdown.code(COLOURS.sub("", _text(forms.get("text/plain", forms.get("text", "")))), "text")
    for kind in forms:
        if kind.startswith("image/"):
            yield f"[a picture: {kind}]"


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
