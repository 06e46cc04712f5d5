"""``extract``: a document becomes Markdown, within a budget."""

from __future__ import annotations

import contextlib
import getopt
import json
import os
import resource
import signal
import sys

from .budget import Budget, Limits, OverBudget, Unreadable
from .reading.kinds import blocks_of
from .reading.markdown import joined
from .reading.source import Pages, Source

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = """\
extract FILE [MEMBER...] [-o OUT.md] [--pages 3-7] [--json]

Turn a document into Markdown, on standard output or in OUT.md.

FILE      html docx xlsx pptx odt ods odp epub rtf ipynb csv tsv json eml mbox zip tar gz bz2 xz, text of any encoding;
          pdf (with pdftotext); pictures (with tesseract); doc xls ppt (with libreoffice)
MEMBER    of an archive or a mail, what to read in it: a name, or a pattern such as '*.docx'; without it, all are listed
--pages   3-7, 3- or 3: pages of a pdf, slides, sheets, chapters, messages of an mbox
--json    print {"file", "kind", "title", "pages", "bytes", "markdown" or "out", "stopped"} instead

Exit status: 0 read; 1 cannot be read, the reason is on standard error; 2 wrong arguments;
3 stopped at a limit (120 s, 512 MB unpacked, 2,000 pages, 32 MB of Markdown): what was read until then is there.
"""


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "o:", ["pages=", "json"])
    given = dict(options)
    if not operands:
        raise getopt.GetoptError("which file?")
    path, budget = operands[0], Budget()
    pages = pages_of(given.get("--pages", ""))
    with open(path, "rb") as file, limited(budget.limits):
        source = Source(path, file, budget, os.path.abspath(path), pages, tuple(operands[1:]))
        text, stopped = read(source)
    size = len(text.encode("utf-8", "replace"))
    if "-o" in given:
        with open(given["-o"], "w", encoding="utf-8", errors="replace") as out:
            out.write(text)
    if "--json" in given:
        where = {"out": given["-o"]} if "-o" in given else {"markdown": text}
        text = json.dumps({"file": path, **source.facts, "bytes": size, **where, "stopped": stopped}) + "\n"
    if "--json" in given or "-o" not in given:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    if stopped:
        raise OverBudget(f"{path}: {stopped}")
    return 0


def read(source: Source) -> tuple[str, str | None]:
    """Give a document as Markdown, and the sentence if reading it ended at a limit."""
    pieces: list[str] = []
    size, stopped = 0, None
    most = source.budget.limits.output_bytes_max
    try:
        for piece in joined(blocks_of(source)):
            size += len(piece.encode("utf-8", "replace"))
            if size > most:
                raise OverBudget(f"It is more than {most >> 20} MB of Markdown, so the rest was not read.")
            pieces.append(piece)
    except Unreadable as error:
        raise Unreadable(f"{source.name}: {error}") from error
    except OverBudget as error:
        stopped = str(error)
    except MemoryError:
        stopped = f"It takes more than {source.budget.limits.memory_bytes_max >> 20:,} MB of memory to read."
    if stopped:
        pieces.append(f"\n\n[stopped: {stopped}]")
    return "".join(pieces).strip("\n") + "\n", stopped


def pages_of(stated: str) -> Pages:
    """Read what stands behind ``--pages``."""
    first, dash, last = stated.partition("-")
    if not stated:
        return Pages()
    if not first.isdigit() or not (last.isdigit() or not last) or (last and int(last) < int(first)):
        raise getopt.GetoptError(f"--pages {stated!r} is not like 3-7, 3- or 3")
    return Pages(int(first), int(last) if last else None if dash else int(first))


@contextlib.contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Bound the time and the memory of this process."""

    def stop(number: int, frame: object) -> None:
        raise OverBudget(f"It takes longer than {limits.time_s:g} s to read.")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = limits.memory_bytes_max if hard == resource.RLIM_INFINITY else min(limits.memory_bytes_max, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limits.time_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
