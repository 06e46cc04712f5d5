"""Pictures: the text in them, through tesseract."""

from __future__ import annotations

from ..programs import need, run
from .pdf import on_disk

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source


def read(source: Source) -> Iterator[str]:
    with on_disk(source) as path:
        yield recognise(path, source)


def recognise(path: str, source: Source) -> str:
    program = need("tesseract", purpose="reading text in a picture")
    limits = source.budget.limits
    printed = run([program, path, "-"], time_s=limits.time_s, output_bytes_max=limits.output_bytes_max)
    return printed.decode(errors="replace").strip() or "[no text in this picture]"
