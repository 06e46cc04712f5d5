"""``render``: a document or a page becomes a picture, or a PDF."""

from __future__ import annotations

import getopt
import os
import sys
import tempfile

from .budget import Unreadable
from .convert import BROWSER, OFFICE, OUTPUT_BYTES_MAX, TIME_S, address, browse, convert, ending
from .extract import pages_of
from .programs import need, run

HELP = """\
render FILE|URL OUT.png|OUT.pdf [--pages 3-7] [--width 1280] [--height 1600]

Make pictures of the pages of a document, or a picture or a PDF of a web page. The files made are printed, one a line.

pdf                                      ->  png: OUT.png of one page, OUT-3.png ... of several (with pdftoppm)
docx, odt, rtf, xlsx, csv, pptx, doc...  ->  pdf, png (with libreoffice)
html, svg, URL                           ->  png of --width by --height, or pdf (with chromium)
png, jpg, gif, webp, bmp, avif           ->  png, made to fit into --width by --height (with chromium)

--pages   3-7 or 3: which pages become pictures; without it, the first 20

Exit status: 0 made, 1 not made (the reason is on standard error), 2 wrong arguments.
"""

PICTURES = {"png", "jpg", "gif", "webp", "bmp", "avif", "ico"}
PAGES_MAX = 20
PIXELS_MAX = 20_000
DOTS_PER_INCH = 100


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "", ["pages=", "width=", "height="])
    given = dict(options)
    if len(operands) != 2 or ending(operands[1]) not in ("png", "pdf"):
        raise getopt.GetoptError("give a file or a URL, and a .png or .pdf to make of it")
    path, out = operands
    width, height = (_pixels(given.get(name, default)) for name, default in (("--width", "1280"), ("--height", "1600")))
    if ending(path) in PICTURES and ending(out) == "png" and "://" not in path:
        _fitted(path, out, width, height)
        made = [out]
    elif "://" in path or ending(path) in BROWSER[0]:
        if "://" not in path:
            os.stat(path)
        browse(address(path), os.path.abspath(out), width=width, height=height)
        made = [out]
    elif ending(out) == "pdf":
        convert(path, out)
        made = [out]
    else:
        made = _pictures(path, out, given.get("--pages", ""))
    sys.stdout.write("\n".join(made) + "\n")
    return 0


def _fitted(path: str, out: str, width: int, height: int) -> None:
    """Draw a picture on a page of its own, no larger than it is."""
    os.stat(path)
    style = "body{margin:0;height:100vh}img{max-width:100%;max-height:100%;display:block}"
    page = f"<!doctype html><style>{style}</style><img src='{address(path)}'>"
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        file.write(page)
        file.flush()
        browse(address(file.name), os.path.abspath(out), width=width, height=height)


def _pixels(stated: str) -> int:
    if not stated.isdigit() or not 0 < int(stated) <= PIXELS_MAX:
        raise getopt.GetoptError(f"a width or a height is from 1 to {PIXELS_MAX:,}, not {stated!r}")
    return int(stated)


def _pictures(path: str, out: str, stated: str) -> list[str]:
    """Draw pages of a document, through PDF where it is none."""
    if ending(path) in OFFICE[0]:
        with tempfile.TemporaryDirectory() as folder:
            made = os.path.join(folder, "document.pdf")
            convert(path, made)
            return _pictures(made, out, stated)
    if ending(path) != "pdf":
        raise Unreadable(f"There is no way to draw .{ending(path)} here; see render --help.")
    os.stat(path)
    pages = pages_of(stated)
    last = min(pages.last or pages.first + PAGES_MAX - 1, pages.first + PAGES_MAX - 1)
    program = need("pdftoppm", purpose="drawing a page of a PDF")
    argv = [program, "-png", "-r", str(DOTS_PER_INCH), "-f", str(pages.first), "-l", str(last)]
    with tempfile.TemporaryDirectory() as folder:
        run([*argv, path, os.path.join(folder, "page")], time_s=TIME_S, output_bytes_max=OUTPUT_BYTES_MAX)
        return _named(folder, out)


def _named(folder: str, out: str) -> list[str]:
    """Give the pictures in a folder their names."""
    drawn = sorted(os.listdir(folder))
    if not drawn:
        raise Unreadable("It has no such page.")
    stem = os.path.splitext(out)[0]
    made = []
    for name in drawn:
        number = int(name.rpartition("-")[2].partition(".")[0])
        made.append(out if len(drawn) == 1 else f"{stem}-{number}.png")
        with open(os.path.join(folder, name), "rb") as picture, open(made[-1], "wb") as kept:
            kept.write(picture.read())
    return made
