"""How much of real documents is read: the share of the words in a document that are in the Markdown made of it.

    tests/utilities/corpus.sh DIRECTORY && python bench/reading.py DIRECTORY [--files 15] [--json]

What a document says is found by other means than ours: for the kinds that are XML by taking what is between tags, for
tables and notebooks by the modules that everybody uses, for PDF by pypdf, which is among what is gathered.  Words count
as often as they stand; "added" is the share of the words in the Markdown that are not in the document.
"""

from __future__ import annotations

import argparse
import csv
import email
import html
import io
import json
import re
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

UTILITIES = Path(__file__).resolve().parents[1] / "src" / "workhand"
CALL = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import utilities.commands as c; c.main('extract', sys.argv[1:])"
)
EXTRACT = (sys.executable, "-I", "-S", "-c", CALL, str(UTILITIES))
WORDS_MIN = 10  # a document with less says nothing about reading
WORD = re.compile(r"\w+")
TAG = re.compile(rb"<[^>]*>")
BREAK = re.compile(
    rb"</(?:w:p|a:p|text:p|text:h|w:tab|p|li|t|h\d)>|<(?:w:tab|w:br|a:br|text:s|text:tab|text:line-break|br)\b[^>]*>"
)
UNSEEN = re.compile(rb"(?is)<!--.*?-->|<(head|script|style|nav|footer|aside|noscript|button|select)\b.*?</\1>")


@dataclass(frozen=True, slots=True)
class Row:
    kind: str
    path: str
    words: int
    found: int
    given: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--files", type=int, default=15, help="of each kind, the largest")
    parser.add_argument("--worst", action="store_true", help="each document of which less than 95 %% is read")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measured(options.directory, files_max=options.files)
    if options.json:
        print(json.dumps(summary(rows)))
        return
    print(f"{'kind':<6} {'files':>5} {'words':>8} {'read %':>7} {'worst %':>8} {'added %':>8} {'ms':>6}")
    for kind, figures in summary(rows).items():
        print(
            f"{kind:<6} {figures['files']:>5} {figures['words']:>8,} {figures['read']:>7.1f} {figures['worst']:>8.1f} "
            f"{figures['added']:>8.1f} {figures['ms']:>6.0f}"
        )
    for row in rows if options.worst else ():
        if row.found < 0.95 * row.words:
            print(f"{row.kind} {row.path}: {row.found} of {row.words} words")


def measured(directory: Path, *, files_max: int) -> list[Row]:
    """Read the documents of each kind and compare; one that is refused counts with none of its words read."""
    sys.path.append(str(next(directory.glob("pypdf/*/pypdf")).parent))
    rows = []
    for kind, (pattern, said) in KINDS.items():
        taken = 0
        for path in sorted(directory.rglob(pattern), key=lambda each: (-each.lstat().st_size, each)):
            if path.is_symlink() or taken == files_max:
                continue
            words = _counted(_said(said, path))
            if words.total() < WORDS_MIN:
                continue
            taken += 1
            started = time.perf_counter()
            went = subprocess.run([*EXTRACT, str(path)], capture_output=True, check=False)
            rows.append(_row(kind, path.relative_to(directory), words, went.stdout, time.perf_counter() - started))
    return rows


def summary(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    return {
        kind: {
            "files": len(each),
            "words": (words := sum(row.words for row in each)),
            "read": 100 * (found := sum(row.found for row in each)) / words,
            "worst": min(100 * row.found / row.words for row in each),
            "added": 100 * (1 - found / max(1, sum(row.given for row in each))),
            "ms": 1000 * sum(row.seconds for row in each) / len(each),
        }
        for kind, each in by_kind.items()
    }


def _row(kind: str, path: Path, words: Counter[str], printed: bytes, seconds: float) -> Row:
    given = _counted(printed.decode(errors="replace"))
    return Row(kind, str(path), words.total(), (words & given).total(), given.total(), seconds)


def _counted(text: str) -> Counter[str]:
    return Counter(WORD.findall(text.lower()))


def _said(said: Callable[[bytes], str], path: Path) -> str:
    try:
        return said(path.read_bytes())
    except (ValueError, OSError, KeyError, zipfile.BadZipFile, RuntimeError):  # made to be damaged
        return ""


def _between_tags(markup: bytes) -> str:
    """Give the characters between the tags of markup, with a space where a paragraph ends."""
    return html.unescape(TAG.sub(b"", BREAK.sub(b" ", markup)).decode(errors="replace"))


def _parts(*patterns: str) -> Callable[[bytes], str]:
    """Give a function that takes the text of those parts of a package that match."""

    def said(content: bytes) -> str:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            names = [name for name in package.namelist() if any(re.fullmatch(each, name) for each in patterns)]
            return " ".join(_between_tags(UNSEEN.sub(b" ", package.read(name))) for name in names)

    return said


def _slides(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        names = [name for name in package.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name)]
        paragraphs = [each for name in names for each in re.findall(rb"(?s)<a:p>(.*?)</a:p>", package.read(name))]
    return " ".join(_between_tags(b"".join(re.findall(rb"<a:t>[^<]*|<a:br[^>]*>", each))) for each in paragraphs)


def _page(content: bytes) -> str:
    main = re.search(rb"(?is)<main\b.*?</main>|<body\b.*", content)
    markup = UNSEEN.sub(b" ", main[0] if main else content)
    return _between_tags(
        re.sub(rb"(?is)<[^>]*>", b" ", re.sub(rb"</?(b|i|em|strong|code|a|span|u|tt)\b[^>]*>", b"", markup))
    )


def _workbook(content: bytes) -> str:
    """Give the texts of a workbook: those that a cell names, and those in cells."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        shared = package.read("xl/sharedStrings.xml") if "xl/sharedStrings.xml" in package.namelist() else b""
        strings = [
            _between_tags(each)
            for each in re.findall(rb"(?s)<si>(.*?)</si>", re.sub(rb"(?s)<rPh.*?</rPh>", b"", shared))
        ]
        texts = []
        for name in package.namelist():
            if name.startswith("xl/worksheets/sheet"):
                sheet = package.read(name)
                texts += [strings[int(number)] for number in re.findall(rb't="s"[^>]*><v>(\d+)</v>', sheet)]
                texts += [_between_tags(each) for each in re.findall(rb"(?s)<is>(.*?)</is>", sheet)]
    return " ".join(texts)


def _notebook(content: bytes) -> str:
    cells = json.loads(content).get("cells", [])
    return " ".join("".join(cell["source"]) for cell in cells)


def _mail(content: bytes) -> str:
    message = email.message_from_bytes(content)
    body = next((part for part in message.walk() if part.get_content_type() == "text/plain"), None)
    if body is None or len(message.keys()) < 3:
        return ""
    payload = body.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def _table(content: bytes) -> str:
    return " ".join(cell for row in csv.reader(content.decode().splitlines()) for cell in row)


def _pdf(content: bytes) -> str:
    import pypdf  # type: ignore[import-not-found]  # of the corpus

    try:
        return " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    except pypdf.errors.PyPdfError:  # encrypted, or damaged on purpose
        return ""


KINDS: dict[str, tuple[str, Callable[[bytes], str]]] = {
    "docx": ("*.docx", _parts(r"word/document\.xml")),
    "xlsx": ("*.xlsx", _workbook),
    "pptx": ("*.pptx", _slides),
    "odt": ("*.odt", _parts(r"content\.xml")),
    "ods": ("*.ods", _parts(r"content\.xml")),
    "odp": ("*.odp", _parts(r"content\.xml")),
    "epub": ("*.epub", _parts(r".*\.x?html")),
    "ipynb": ("*.ipynb", _notebook),
    "pdf": ("*.pdf", _pdf),
    "html": ("*.html", _page),
    "eml": ("msg_*.txt", _mail),
    "csv": ("*.csv", _table),
}
"""How documents of each kind are named, and how what they say is found."""


if __name__ == "__main__":
    main()
