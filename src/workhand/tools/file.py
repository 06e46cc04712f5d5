"""The ``file_`` family: read, write, edit and find in the session's machine.

The compact form of each outcome is the call in a few words with what leads back to
it: the path and lines, the path and a digest, the query and how much it found.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from workhand.core.canonical import digest
from workhand.core.ports import Outcome, Sandbox
from workhand.core.preview.media import kind_of

READ_LINES = 400
READ_BYTES_MAX = 24_000  # of one slice that enters the context
FILE_BYTES_MAX = 64_000_000  # of a file that is looked at at all
ORIGINAL_BYTES_MAX = 8_000_000  # of a file that is no text: a larger one is not kept, it stays where it is
PATH_CHARS_SHOWN = 56
QUERY_CHARS_SHOWN = 30
DIGEST_CHARS_SHOWN = 12
FIND_LINES_MAX = 5_000
FIND_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class FileRead:
    path: str
    offset: int = 1
    limit: int = READ_LINES


@dataclass(frozen=True, slots=True)
class FileWrite:
    path: str
    content: str


@dataclass(frozen=True, slots=True)
class FileEdit:
    path: str
    old: str
    new: str
    every: bool = False


@dataclass(frozen=True, slots=True)
class FileFind:
    glob: str = ""
    regex: str = ""
    path: str = "."


async def file_read(asked: FileRead, sandbox: Sandbox) -> Outcome:
    content = await sandbox.read(asked.path, bytes_max=FILE_BYTES_MAX)
    if kind := kind_of(content):
        return _described(asked.path, kind, content)
    lines = content.splitlines(keepends=True)
    if asked.offset > max(1, len(lines)):
        return _failure(f"{asked.path} has {len(lines):,} lines; line {asked.offset:,} is past its end.")
    piece, until = b"", asked.offset - 1
    for line in lines[asked.offset - 1 : asked.offset - 1 + asked.limit]:
        if piece and len(piece) + len(line) > READ_BYTES_MAX:
            break
        piece += line[:READ_BYTES_MAX]
        until += 1
    place = f"lines {asked.offset:,}-{until:,} of {len(lines):,}"
    more = f"; go on with offset {until + 1}" if until < len(lines) else ""
    head = f"{asked.path} {place}{more}" if lines else f"{asked.path} is empty"
    return Outcome(head, f"file_read {_short(asked.path)} {place}", piece, as_is=True)


def _described(path: str, kind: str, content: bytes) -> Outcome:
    """Say what a file is that cannot be read as text; its bytes are kept, and not shown."""
    size = f"{len(content):,} bytes"
    look = f"xxd {shlex.quote(path)} | head"
    head = f"{path}: {kind}, {size}. It is no text; a program in shell_run can look into it: python3, or {look}"
    kept = content if len(content) <= ORIGINAL_BYTES_MAX else b""
    return Outcome(head, f"file_read {_short(path)}: {kind}, {size}", kept, as_is=True, hidden=True)


async def file_write(asked: FileWrite, sandbox: Sandbox) -> Outcome:
    content = asked.content.encode(errors="replace")
    await sandbox.write(asked.path, content)
    lines, size = _count(len(content.splitlines()), "line"), _count(len(content), "byte")
    handle = f"{size}, sha256 {digest(content)[:DIGEST_CHARS_SHOWN]}"
    return Outcome(f"wrote {asked.path}: {lines}, {size}", f"file_write {_short(asked.path)}: {handle}")


async def file_edit(asked: FileEdit, sandbox: Sandbox) -> Outcome:
    content = await sandbox.read(asked.path, bytes_max=FILE_BYTES_MAX)
    old, new = asked.old.encode(errors="replace"), asked.new.encode(errors="replace")
    count = content.count(old)
    if count == 0:
        return _failure(f"`old` does not occur in {asked.path}; read the file and copy the text exactly.")
    if count > 1 and not asked.every:
        return _failure(f"`old` occurs {count} times in {asked.path}; give more of the text around it, or set every.")
    await sandbox.write(asked.path, content.replace(old, new))
    places, change = _count(count, "place"), count * (len(new) - len(old))
    return Outcome(
        f"{asked.path}: {places} replaced",
        f"file_edit {_short(asked.path)}: {places}, {change:+,} bytes, {len(content) + change:,} in all",
    )


async def file_find(asked: FileFind, sandbox: Sandbox) -> Outcome:
    command = _search(asked) if asked.regex else _listing(asked)
    went = await sandbox.execute(("/bin/bash", "-c", command), timeout_s=FIND_TIMEOUT_S, output_bytes_max=4_000_000)
    what = f"{asked.regex!r} in {asked.glob or 'all files'}" if asked.regex else f"files {asked.glob or '*'}"
    if went.exit_code not in (0, 1):
        reason = went.stderr.decode(errors="replace").strip() or f"nothing found within {FIND_TIMEOUT_S:g} s"
        return _failure(f"The search for {what} under {asked.path} failed: {reason}")
    lines = went.stdout.splitlines(keepends=True)
    shown = b"".join(lines[:FIND_LINES_MAX])
    more = " or more" if went.dropped_bytes else ""
    count = f"{_count(len(lines), 'line' if asked.regex else 'file')}{more} found"
    query = f"{_short(asked.regex, QUERY_CHARS_SHOWN)!r} in " if asked.regex else "files "
    where = f"{_short(asked.glob or '*', QUERY_CHARS_SHOWN)} under {_short(asked.path, QUERY_CHARS_SHOWN)}"
    return Outcome(f"{count}: {what} under {asked.path}", f"file_find {query}{where}: {count}", shown)


def _search(asked: FileFind) -> str:
    """Search lines with ripgrep, or with grep where there is none."""
    path, regex = shlex.quote(asked.path), shlex.quote(asked.regex)
    name = f"--include={shlex.quote(asked.glob.rsplit('/', 1)[-1])}" if asked.glob else ""
    rg = f"rg --line-number --no-heading --sort path {_globs(asked)} -e {regex} -- {path}"
    grep = f"grep -rnIE --exclude-dir=.git {name} -e {regex} -- {path}"
    return f"if command -v rg >/dev/null; then {rg}; else {grep} | sort; fi"


def _listing(asked: FileFind) -> str:
    path = shlex.quote(asked.path)
    name = shlex.quote(asked.glob.rsplit("/", 1)[-1] or "*")
    rg = f"rg --files --sort path {_globs(asked)} -- {path}"
    find = f"find {path} -type f -not -path '*/.git/*' -name {name} | sort"
    return f"if command -v rg >/dev/null; then {rg}; else {find}; fi"


def _globs(asked: FileFind) -> str:
    """Look at hidden files too, but not into a repository's or our own bookkeeping, unless asked to."""
    ours = "" if asked.path.startswith(".workhand") else "--glob '!.workhand'"
    wanted = f"--glob {shlex.quote(asked.glob)}" if asked.glob else ""
    return f"--hidden --no-ignore --glob '!.git' {ours} {wanted}"


def _short(text: str, chars_max: int = PATH_CHARS_SHOWN) -> str:
    """Cut a long path or query in its middle: both ends say more."""
    half = chars_max // 2
    return text if len(text) <= chars_max else f"{text[: half - 1]}…{text[-half:]}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _failure(text: str) -> Outcome:
    return Outcome(text, text, ok=False)
