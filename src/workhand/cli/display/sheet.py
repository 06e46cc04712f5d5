"""How a file of a session looks: drawn in a terminal, or as one page that loads nothing.

What an agent made is not trusted.  A terminal gets no control characters.  A page has a policy under which nothing is
fetched, sent or gone to, and an HTML file stands in it as a frame of no origin, which inherits that.  Its scripts may
run, since many a chart is one; what browsers do not put under such a policy (names that are looked up) is left.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from workhand.cli.display import words
from workhand.core.preview.media import kind_of, type_of

if TYPE_CHECKING:
    from rich.console import RenderableType

Kind: TypeAlias = Literal["text", "markdown", "table", "json", "page", "picture", "pdf", "other"]

TEXT_BYTES_MAX = 2 << 20  # of a text that is drawn
ROWS_MAX = 1_000
CELL_CHARS_MAX = 200
PAGE_COLUMNS = 120
MARKDOWN = (".md", ".markdown")
TABLES = {".csv": ",", ".tsv": "\t"}
PAGES = (".html", ".htm", ".xhtml")
POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data: blob:; font-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; object-src data:; frame-src 'none'; form-action 'none'; base-uri 'none'"
)
STYLE = "body{margin:0;font-family:sans-serif}pre,p{margin:1em}img,embed,iframe{display:block;border:0;max-width:100%}"
WHOLE = 'style="width:100%;height:100vh"'


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that is to be looked at, with its content."""

    name: str
    content: bytes

    @property
    def media_type(self) -> str:
        first = type_of(self.content) or ("image/gif" if self.content.startswith(b"GIF8") else "")
        known = first or mimetypes.guess_type(self.name)[0]
        return known or ("application/octet-stream" if kind_of(self.content) else "text/plain")

    @property
    def kind(self) -> Kind:
        ending = "." + self.name.rpartition(".")[2].lower()
        if self.content.startswith(b"%PDF-"):
            return "pdf"
        if type_of(self.content) or self.content.startswith(b"GIF8") or ending == ".svg":
            return "picture"
        if kind_of(self.content):
            return "other"
        if ending in PAGES:
            return "page"
        if ending in MARKDOWN:
            return "markdown"
        if ending in TABLES:
            return "table"
        return "json" if ending == ".json" else "text"


def drawn(sheet: Sheet) -> RenderableType:
    """Draw a text, a table, Markdown or JSON for a terminal."""
    from rich.console import Group
    from rich.markdown import Markdown
    from rich.text import Text

    text = words.clean(sheet.content[:TEXT_BYTES_MAX].decode("utf-8-sig", "replace"))
    body: RenderableType
    match sheet.kind:
        case "markdown":
            body = Markdown(text, hyperlinks=False)
        case "table":
            body = _table(text, TABLES["." + sheet.name.rpartition(".")[2].lower()])
        case "json":
            body = _json(text)
        case _:
            body = Text(text.rstrip("\n"))
    left = len(sheet.content) - TEXT_BYTES_MAX
    return Group(body, Text(f"[{left:,} bytes more]", style="dim")) if left > 0 else body


def _json(text: str) -> RenderableType:
    from rich.json import JSON
    from rich.text import Text

    try:
        return JSON(text)
    except (ValueError, RecursionError):  # it is cut off, or no JSON
        return Text(text.rstrip("\n"))


def _table(text: str, delimiter: str) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:  # such as a field longer than any may be
        return Text(text.rstrip("\n"))
    if not rows:
        return Text("(no rows)")
    table = Table(box=None, pad_edge=False)
    width = max(map(len, rows))
    for cell in rows[0] + [""] * (width - len(rows[0])):
        table.add_column(Text(cell[:CELL_CHARS_MAX]))
    for row in rows[1 : ROWS_MAX + 1]:
        table.add_row(*(Text(cell[:CELL_CHARS_MAX]) for cell in row))
    left = len(rows) - 1 - ROWS_MAX
    return Group(table, Text(f"[{left:,} rows more]", style="dim")) if left > 0 else table


def page(sheet: Sheet) -> str:
    """Make one page of a file that loads nothing."""
    title = html.escape(words.clean(sheet.name))
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return f"<!doctype html>\n{head}<title>{title}</title><style>{STYLE}</style>\n{_body(sheet)}\n"


def _body(sheet: Sheet) -> str:
    data = f"data:{sheet.media_type};base64,"
    match sheet.kind:
        case "page":
            text = sheet.content.decode("utf-8-sig", "replace")
            return f'<iframe sandbox="allow-scripts" {WHOLE} srcdoc="{html.escape(text)}"></iframe>'
        case "picture":
            return f'<img alt="" src="{data}{base64.b64encode(sheet.content).decode()}">'
        case "pdf":
            return f'<embed type="application/pdf" {WHOLE} src="{data}{base64.b64encode(sheet.content).decode()}">'
        case "other":
            return f"<p>{html.escape(kind_of(sheet.content))}, {len(sheet.content):,} bytes, cannot be shown here.</p>"
    return _recorded(drawn(sheet))


def _recorded(body: RenderableType) -> str:
    from rich.console import Console

    console = Console(
        file=io.StringIO(), record=True, width=PAGE_COLUMNS, force_terminal=True, color_system="truecolor"
    )
    console.print(body)
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def is_text(sheet: Sheet) -> bool:
    return sheet.kind in ("text", "markdown", "table", "json")


def facts(sheet: Sheet) -> dict[str, object]:
    """Say for programs what a file is."""
    return {"kind": sheet.kind, "media_type": sheet.media_type, "bytes": len(sheet.content)}
