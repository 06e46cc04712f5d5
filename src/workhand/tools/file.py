"""The ``file_`` family: read, write, edit and find in the session's machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from workhand.core.ports import Outcome, Sandbox

READ_LINES = 400
READ_BYTES_MAX = 24_000  # of one slice that enters the context
FILE_BYTES_MAX = 64_000_000  # of a file that is looked at at all
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
    if b"\0" in content[:8192]:
        return _failure(f"{asked.path} is a binary file of {len(content):,} bytes; use shell_run to look into it.")
    lines = content.splitlines(keepends=True)
    if asked.offset > max(1, len(lines)):
        return _failure(f"{asked.path} has {len(lines):,} lines; line {asked.offset:,} is past its end.")
    piece, until = b"", asked.offset - 1
    for line in lines[asked.offset - 1 : asked.offset - 1 + asked.limit]:
        if piece and len(piece) + len(line) > READ_BYTES_MAX:
            break
        piece += line[:READ_BYTES_MAX]
        until += 1
    place = f"{asked.path} lines {asked.offset:,}-{until:,} of {len(lines):,}"
    more = f"; go on with offset {until + 1}" if until < len(lines) else ""
    return Outcome(f"{place}{more}" if lines else f"{asked.path} is empty", f"file_read {place}", piece, as_is=True)


async def file_write(asked: FileWrite, sandbox: Sandbox) -> Outcome:
    content = asked.content.encode(errors="replace")
    await sandbox.write(asked.path, content)
    size = f"{_count(len(content.splitlines()), 'line')}, {_count(len(content), 'byte')}"
    return Outcome(f"wrote {asked.path}: {size}", f"file_write {asked.path}: {size}")


async def file_edit(asked: FileEdit, sandbox: Sandbox) -> Outcome:
    content = await sandbox.read(asked.path, bytes_max=FILE_BYTES_MAX)
    old, new = asked.old.encode(errors="replace"), asked.new.encode(errors="replace")
    count = content.count(old)
    if count == 0:
        return _failure(f"`old` does not occur in {asked.path}; read the file and copy the text exactly.")
    if count > 1 and not asked.every:
        return _failure(f"`old` occurs {count} times in {asked.path}; give more of the text around it, or set every.")
    await sandbox.write(asked.path, content.replace(old, new))
    done = f"{asked.path}: {_count(count, 'place')} replaced"
    return Outcome(done, f"file_edit {done}")


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
    found = f"{_count(len(lines), 'line' if asked.regex else 'file')}{more} found: {what} under {asked.path}"
    return Outcome(found, f"file_find: {found}", shown)


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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _failure(text: str) -> Outcome:
    return Outcome(text, text, ok=False)
