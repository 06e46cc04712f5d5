"""PDF, through poppler: its text page by page; pages that are pictures through tesseract."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile

from ..budget import OverBudget, Unreadable
from ..programs import need, run

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

DOTS_PER_INCH = 200
SCANNED_PAGES_MAX = 50  # a page takes seconds
PICTURE_BYTES_MAX = 256 << 20


def read(source: Source) -> Iterator[str]:
    program = need("pdftotext", purpose="reading PDF")
    with on_disk(source) as path:
        pages = count_pages(path, source)
        first, last = source.pages.first, min(pages, source.pages.last or pages)
        limits = source.budget.limits
        if first > pages:
            raise Unreadable(f"It has {pages:,} pages, so there is no page {first:,}.")
        if last - first >= limits.pages_max:
            raise OverBudget(
                f"It has {pages:,} pages, and at most {limits.pages_max:,} are read at once; "
                f"choose some with --pages {first}-{first + limits.pages_max - 1}."
            )
        argv = [program, "-enc", "UTF-8", "-f", str(first), "-l", str(last), path, "-"]
        text = run(argv, time_s=limits.time_s, output_bytes_max=limits.output_bytes_max).decode(errors="replace")
        scanned = 0
        for number, page in enumerate(text.split("\f")[: last - first + 1], first):
            words = page.strip()
            if not words:
                scanned += 1
                words = _recognised(path, number, scanned, source)
            yield f"<!-- page {number} -->\n\n{words}" if pages > 1 else words


@contextlib.contextmanager
def on_disk(source: Source) -> Iterator[str]:
    """Give a path at which a source is a file."""
    if source.path:
        yield os.path.abspath(source.path)
        return
    with tempfile.NamedTemporaryFile(suffix=os.path.splitext(source.name)[1]) as file:
        file.write(source.content())
        file.flush()
        yield file.name


def count_pages(path: str, source: Source) -> int:
    program = need("pdfinfo", purpose="reading PDF")
    told = run([program, path], time_s=source.budget.limits.time_s, output_bytes_max=1 << 20).decode(errors="replace")
    pages = re.search(r"^Pages:\s+(\d+)", told, re.MULTILINE)
    if not pages:
        raise Unreadable("It does not say how many pages it has, so it is damaged.")
    title = re.search(r"^Title:\s+(\S.*)", told, re.MULTILINE)
    source.facts.update({"pages": int(pages[1]), "title": title[1] if title else ""})
    return int(pages[1])


def _recognised(path: str, number: int, scanned: int, source: Source) -> str:
    """Read a page that has no text from its picture."""
    from .picture import recognise  # few documents are scanned

    if scanned > SCANNED_PAGES_MAX:
        return f"[not read: more than {SCANNED_PAGES_MAX} pages have no text; choose some with --pages {number}-]"
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = need("pdftoppm", purpose="reading a page that is a picture")
            name = os.path.join(folder, "page")
            argv = [
                program,
                "-png",
                "-r",
                str(DOTS_PER_INCH),
                "-f",
                str(number),
                "-l",
                str(number),
                "-singlefile",
                path,
                name,
            ]
            run(argv, time_s=source.budget.limits.time_s, output_bytes_max=PICTURE_BYTES_MAX)
            return recognise(f"{name}.png", source)
        except Unreadable as error:
            return f"[no text on this page, and not read as a picture: {error}]"
