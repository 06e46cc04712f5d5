"""``note``: findings with where they come from, and progress, in a file that people and models read alike.

The file is the only state.  Entries are items of a Markdown list, and what belongs to one is indented,
so that no text can look like another entry.  Adding is one write under a lock: two programs that add at
once each get a number of their own, and what a person has written in between stays.
"""

from __future__ import annotations

import fcntl
import getopt
import os
import re
import sys
import time
from dataclasses import dataclass

from .budget import Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

HELP = """\
note add TEXT [--source URL|PATH]... [--tag TAG]...   keep a finding; its number is printed. TEXT - is standard input
note progress TEXT                                    keep how far the work has come
note ls [--tag TAG]                                   the first line of each note
note show N                                           all of a note
note sources                                          every source once, with the numbers of its notes

The notes are ~/notes.md, which can be read and edited like any file: - [N] DATE TIME #TAG: TEXT, then indented lines.

Exit status: 0 done, 1 not done (the reason is on standard error), 2 wrong arguments.
"""

FILE = "notes.md"
HEAD = "# Notes\n\n"
PROGRESS = "progress"
TEXT_CHARS_MAX = 64_000
FIRST_CHARS = 160
ENTRY = re.compile(r"- \[(\d{1,9}|progress)\] (\d{4}-\d\d-\d\d \d\d:\d\d)((?: #[\w./-]+)*): (.*)")
TAG = re.compile(r"[\w./-]{1,64}")
INDENT = "  "
SOURCE = f"{INDENT}Source: "


@dataclass
class Note:
    number: str  # or the word for progress
    at: str
    tags: list[str]
    lines: list[str]  # of the text; those after the first as they stand in the file

    def sources(self) -> Iterator[str]:
        return (line[len(SOURCE) :].strip() for line in self.lines[1:] if line.startswith(SOURCE))

    def head(self) -> str:
        return f"[{self.number}] {self.at}{''.join(f' #{tag}' for tag in self.tags)}"


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "", ["source=", "tag="])
    if not operands:
        raise getopt.GetoptError("what is to be done?")
    operation, *rest = operands
    tags = [_tag(value) for name, value in options if name == "--tag"]
    sources = [_line(value) for name, value in options if name == "--source"]
    path = os.path.join(os.path.expanduser("~"), FILE)
    if operation in ("add", PROGRESS) and len(rest) == 1:
        text = _text(sys.stdin.read(TEXT_CHARS_MAX + 1) if rest[0] == "-" else rest[0])
        sys.stdout.write(f"{add(path, text, tags, sources, numbered=operation == 'add')}\n")
    elif operation == "ls" and not rest:
        sys.stdout.write(_listed([each for each in _read(path) if set(tags) <= set(each.tags)]))
    elif operation == "show" and len(rest) == 1:
        sys.stdout.write(_shown(_read(path), rest[0]))
    elif operation == "sources" and not rest:
        sys.stdout.write(_sources(_read(path)))
    else:
        raise getopt.GetoptError(f"{operation!r} is none of these, or needs other arguments")
    return 0


def add(path: str, text: str, tags: list[str], sources: list[str], *, numbered: bool) -> str:
    """Append an entry to the file, and give its number."""
    with open(path, "a+", encoding="utf-8", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        file.seek(0)
        before = file.read()
        last = max((int(each.number) for each in notes_of(before.splitlines()) if each.number != PROGRESS), default=0)
        number = str(last + 1) if numbered else PROGRESS
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        first, *others = text.splitlines()
        note = Note(number, at, tags, [])
        lines = [f"- {note.head()}: {first}", *(INDENT + each if each.strip() else "" for each in others)]
        lines += [SOURCE + each for each in sources]
        start = HEAD if not before else "" if before.endswith("\n") else "\n"
        file.write(start + "\n".join(lines) + "\n")
    return number


def notes_of(lines: list[str]) -> Iterator[Note]:
    """Find the entries among lines that people may have edited; what is none of them is passed over."""
    note = None
    for line in lines:
        entry = ENTRY.fullmatch(line)
        if entry:
            if note:
                yield note
            number, at, tags, first = entry.groups()
            note = Note(number, at, [tag[1:] for tag in tags.split()], [first])
        elif note and (line.startswith(INDENT) or not line.strip()):
            note.lines.append(line)
        elif note:  # Something of a person's begins here.
            yield note
            note = None
    if note:
        yield note


def _read(path: str) -> list[Note]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return list(notes_of(_all(file)))
    except FileNotFoundError as error:
        raise Unreadable("There are no notes yet; note add makes the first.") from error


def _all(file: IO[str]) -> list[str]:
    fcntl.flock(file, fcntl.LOCK_SH)
    return file.read().splitlines()


def _listed(notes: list[Note]) -> str:
    lines = []
    for note in notes:
        text = note.lines[0]
        more = " …" if len(text) > FIRST_CHARS or any(line.strip() for line in note.lines[1:]) else ""
        lines.append(f"{note.head()}: {text[:FIRST_CHARS]}{more}")
    return "\n".join(lines or ["none"]) + "\n"


def _shown(notes: list[Note], wanted: str) -> str:
    for note in notes:
        if note.number == wanted:
            first, *others = note.lines
            text = "\n".join([f"{note.head()}: {first}", *(line[len(INDENT) :] for line in others)])
            return text.rstrip() + "\n"
    raise Unreadable(f"There is no note {wanted!r}; note ls lists those there are.")


def _sources(notes: list[Note]) -> str:
    found: dict[str, list[str]] = {}
    for note in notes:
        for source in note.sources():
            found.setdefault(source, []).append(f"[{note.number}]")
    return "\n".join([f"{source}  {' '.join(numbers)}" for source, numbers in found.items()] or ["none"]) + "\n"


def _text(stated: str) -> str:
    if not stated.strip():
        raise getopt.GetoptError("a note needs a text")
    if len(stated) > TEXT_CHARS_MAX:
        raise Unreadable(f"A note has at most {TEXT_CHARS_MAX:,} characters; put this in a file, and note its path.")
    return stated.strip()


def _tag(stated: str) -> str:
    if not TAG.fullmatch(stated):
        raise getopt.GetoptError(f"a tag is a word of letters, digits and ._/-, not {stated!r}")
    return stated


def _line(stated: str) -> str:
    return " ".join(stated.split())
