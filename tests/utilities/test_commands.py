"""The programs as they are called: through links, with their help, their status and their one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import workhand.utilities
from tests.programs import needs
from tests.utilities.documents import docx, pdf
from workhand.utilities.commands import COMMANDS, LIST, listing

GOLDEN = Path(__file__).parent / "golden"
LAUNCH = Path(workhand.utilities.__file__).parent / "launch.py"
HELP_BYTES_MAX = 1_600  # about 400 tokens


def call(folder: Path, name: str, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Call a program by a link to the launcher, without site packages and with nothing of the project in its path."""
    link = folder / "bin" / name
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(LAUNCH)
    argv = [sys.executable, "-I", "-S", "-W", "error", str(link), *arguments]
    environment = {"PATH": path if path is not None else "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", [LIST, *COMMANDS])
def test_the_help_of_each_program_is_what_the_model_was_promised(tmp_path: Path, name: str) -> None:
    told = call(tmp_path, name, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == (GOLDEN / f"{name}.txt").read_text("utf-8")
    assert len(told.stdout.encode()) <= HELP_BYTES_MAX
    assert max(map(len, told.stdout.splitlines())) <= 120


def test_the_list_has_a_line_for_each_program() -> None:
    assert [line.split()[0] for line in listing().splitlines()[1:]] == list(COMMANDS)


def test_the_name_for_asking_another_agent_says_that_there_is_none(tmp_path: Path) -> None:
    went = call(tmp_path, "ask-agent", "researcher", "What do bolts cost?")
    sentence = "ask-agent: Sessions cannot have child sessions yet; do the work in this one.\n"
    assert (went.returncode, went.stdout, went.stderr) == (69, "", sentence)


def test_a_document_goes_to_standard_output_or_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,é\n", "utf-8")
    text = "| a | b |\n| --- | --- |\n| 1 | é |\n"
    assert call(tmp_path, "extract", "a.csv").stdout == text
    assert call(tmp_path, "extract", "a.csv", "-o", "a.md").stdout == ""
    assert (tmp_path / "a.md").read_text("utf-8") == text
    told = json.loads(call(tmp_path, "extract", "--json", "a.csv").stdout)
    assert told == {"file": "a.csv", "kind": "csv", "bytes": 35, "markdown": text, "stopped": None}


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "extract: which file?; see extract --help.\n"),
        (["a", "--wide"], 2, "extract: option --wide not recognized; see extract --help.\n"),
        (["a", "--pages", "7-3"], 2, "extract: --pages '7-3' is not like 3-7, 3- or 3; see extract --help.\n"),
        (["none.pdf"], 1, "extract: none.pdf: No such file or directory.\n"),
        (["empty"], 1, "extract: empty: It is empty.\n"),
        (["a.pdf"], 1, "extract: a.pdf: There is no pdftotext in this machine, and reading PDF needs it.\n"),
        (["a.png"], 1,
         "extract: a.png: There is no tesseract in this machine, and reading text in a picture needs it.\n"),
        (["a.doc"], 1, "extract: a.doc: There is no libreoffice or soffice in this machine, and making .docx of this "
         "document needs it.\n"),
    ],
)  # fmt: skip
def test_what_fails_says_so_in_one_sentence(tmp_path: Path, arguments: list[str], status: int, sentence: str) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "a.pdf").write_bytes(pdf("a"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "a.doc").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    went = call(tmp_path, "extract", *arguments, path="/nowhere")
    assert (went.returncode, went.stdout, went.stderr) == (status, "", sentence)


def test_what_is_stopped_keeps_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(docx("<w:sdt>" * 200 + "</w:sdt>" * 200))
    went = call(tmp_path, "extract", "a.docx", "-o", "a.md", "--json")
    sentence = "Its elements lie more than 120 deep in one another, so it was not read."
    assert (went.returncode, went.stderr) == (3, f"extract: a.docx: {sentence}\n")
    assert json.loads(went.stdout)["stopped"] == sentence
    assert (tmp_path / "a.md").read_text() == f"[stopped: {sentence}]\n"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["convert", "a"], 2, "convert: give a file, and the file to make of it; see convert --help.\n"),
        (["convert", "none.md", "a.pdf"], 1, "convert: none.md: No such file or directory.\n"),
        (["convert", "a.md", "a.docx"], 1,
         "convert: There is no pandoc in this machine, and making .docx of .md needs it.\n"),
        (["convert", "a.md", "a.mp3"], 1, "convert: There is no way from .md to .mp3 here; see convert --help.\n"),
        (["render", "a.md", "a.md"], 2,
         "render: give a file or a URL, and a .png or .pdf to make of it; see render --help.\n"),
        (["render", "a.html", "a.png"], 1, "render: There is no chromium or chromium-browser or google-chrome in this "
         "machine, and drawing a page needs it.\n"),
        (["render", "a.pdf", "a.png"], 1,
         "render: There is no pdftoppm in this machine, and drawing a page of a PDF needs it.\n"),
        (["render", "a.md", "a.png"], 1, "render: There is no way to draw .md here; see render --help.\n"),
        (["render", "a.html", "a.png", "--width", "0"], 2,
         "render: a width or a height is from 1 to 20,000, not '0'; see render --help.\n"),
        (["paint"], 2, "There is no program 'paint' here; workhand-tools lists those there are.\n"),
    ],
)  # fmt: skip
def test_converting_and_drawing_say_what_is_missing(
    tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    for name in ("a.md", "a.html", "a.pdf"):
        (tmp_path / name).touch()
    went = call(tmp_path, *arguments, path="/nowhere")
    assert (went.returncode, went.stdout, went.stderr) == (status, "", sentence)


@needs("pdftoppm", package="poppler-utils")
def test_pages_of_a_pdf_become_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("One", "Two", "Three"))
    assert call(tmp_path, "render", "a.pdf", "a.png", "--pages", "2-9").stdout == "a-2.png\na-3.png\n"
    assert call(tmp_path, "render", "a.pdf", "b.png", "--pages", "3").stdout == "b.png\n"
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert call(tmp_path, "render", "a.pdf", "c.png", "--pages", "4").returncode == 1


@pytest.mark.machines
@needs("chromium", package="chromium")
def test_a_page_becomes_a_picture_and_a_pdf(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<h1>Hello")
    assert call(tmp_path, "render", "a.html", "a.png", "--width", "300", "--height", "200").stdout == "a.png\n"
    assert (tmp_path / "a.png").read_bytes()[16:24] == (300).to_bytes(4, "big") + (200).to_bytes(4, "big")
    assert call(tmp_path, "convert", "a.html", "a.pdf").stderr == ""
    assert call(tmp_path, "extract", "a.pdf").stdout == "Hello\n"
