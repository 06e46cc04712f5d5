"""Notes in a file: they can be read back, by number, by tag and by source, whoever else writes to it."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.utilities.test_commands import call

AT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


def note(folder: Path, *arguments: str) -> str:
    """Call ``note``; times are shown as AT."""
    went = call(folder, "note", *arguments)
    assert (went.returncode, went.stderr) == (0, "")
    return AT.sub("AT", went.stdout)


def test_notes_are_a_file_that_is_read_back_by_number_tag_and_source(tmp_path: Path) -> None:
    assert (
        note(tmp_path, "add", "Bolts cost 3.\nNails\n\n- [9] cost 2.", "--source", "shop.md", "--tag", "prices")
        == "1\n"
    )
    assert note(tmp_path, "progress", "Half of the pages are read.") == "progress\n"
    assert note(tmp_path, "add", "The shop is closed.", "--source", "shop.md", "--source", "http://a/") == "2\n"
    assert AT.sub("AT", (tmp_path / "notes.md").read_text()) == (
        "# Notes\n\n"
        "- [1] AT #prices: Bolts cost 3.\n  Nails\n\n  - [9] cost 2.\n  Source: shop.md\n"
        "- [progress] AT: Half of the pages are read.\n"
        "- [2] AT: The shop is closed.\n  Source: shop.md\n  Source: http://a/\n"
    )
    assert note(tmp_path, "ls") == (
        "[1] AT #prices: Bolts cost 3. …\n"
        "[progress] AT: Half of the pages are read.\n"
        "[2] AT: The shop is closed. …\n"
    )  # fmt: skip
    assert note(tmp_path, "ls", "--tag", "prices") == "[1] AT #prices: Bolts cost 3. …\n"
    assert note(tmp_path, "ls", "--tag", "none-has-it") == "none\n"
    assert note(tmp_path, "show", "1") == (
        "[1] AT #prices: Bolts cost 3.\nNails\n\n- [9] cost 2.\nSource: shop.md\n"
    )  # fmt: skip
    assert note(tmp_path, "sources") == "shop.md  [1] [2]\nhttp://a/  [2]\n"


def test_what_a_person_writes_in_between_stays_and_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("My own list\n- milk")
    assert note(tmp_path, "add", "One") == "1\n"
    with (tmp_path / "notes.md").open("a") as file:
        file.write("Mine, too\n")
    assert note(tmp_path, "add", "Two") == "2\n"
    assert note(tmp_path, "ls") == "[1] AT: One\n[2] AT: Two\n"
    text = AT.sub("AT", (tmp_path / "notes.md").read_text())
    assert text == "My own list\n- milk\n- [1] AT: One\nMine, too\n- [2] AT: Two\n"


def test_notes_added_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    note(tmp_path, "add", "First")
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda each: note(tmp_path, "add", f"Note {each}"), range(24)))
    assert sorted(map(int, numbers)) == list(range(2, 26))
    assert {line.rpartition(": ")[2] for line in note(tmp_path, "ls").splitlines()} == {
        "First", *(f"Note {each}" for each in range(24))
    }  # fmt: skip


def test_a_text_comes_from_standard_input_too(tmp_path: Path) -> None:
    call(tmp_path, "note", "--help")
    argv = [sys.executable, "-I", str(tmp_path / "bin" / "note"), "add", "-"]
    subprocess.run(argv, input=b"A caf\xc3\xa9 \xff\n", env={"HOME": str(tmp_path), "LANG": "C.UTF-8"}, check=True)
    assert note(tmp_path, "ls").startswith("[1] AT: A café ")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "note: what is to be done?; see note --help.\n"),
        (["add"], 2, "note: 'add' is none of these, or needs other arguments; see note --help.\n"),
        (["add", " "], 2, "note: a note needs a text; see note --help.\n"),
        (["add", "a", "--tag", "two words"], 2,
         "note: a tag is a word of letters, digits and ._/-, not 'two words'; see note --help.\n"),
        (["add", "a" * 64_001], 1,
         "note: A note has at most 64,000 characters; put this in a file, and note its path.\n"),
        (["ls"], 1, "note: There are no notes yet; note add makes the first.\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_noted_is_said_in_one_sentence(
    tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    went = call(tmp_path, "note", *arguments)
    assert (went.returncode, went.stdout, went.stderr) == (status, "", sentence)


def test_a_note_that_is_not_there_is_missed(tmp_path: Path) -> None:
    note(tmp_path, "add", "One")
    assert call(tmp_path, "note", "show", "7").stderr == "note: There is no note '7'; note ls lists those there are.\n"
