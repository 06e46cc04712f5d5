"""``lab import``: reading the sessions of other agents, and keeping them in one form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from workhand.cli.display import words
from workhand.cli.settings import load
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.lab.formats.faults import Fault
    from workhand.lab.trace import Trace

FAULTS_SHOWN = 10
WHY_CHARS = 160
NAME_CHARS = 100

_UNFIT_FOR_A_NAME = re.compile(r"[^A-Za-z0-9_.+-]+")


@dataclass(frozen=True, slots=True)
class Kept:
    """A session and the file it is kept in."""

    id: str
    answers: int
    calls: int
    results: int
    file: str
    state: Literal["written", "unchanged", "differs"]  # differs: another one is there, and stays


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one file."""

    path: str
    format: str = ""
    sessions: tuple[Kept, ...] = ()
    bad_lines: int = 0
    faults: tuple[Fault, ...] = ()  # the first of them
    error: str = ""


@click.command("import")
@click.argument("given", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Where to keep them; by default the folder traces in Workhand's home.",
)
@click.option("--force", is_flag=True, help="Replace sessions that are kept with other content.")
@click.option("--json", "as_json", is_flag=True, help="One file a line.")
def import_command(given: tuple[Path, ...], folder: Path | None, force: bool, as_json: bool) -> None:
    """Read recorded sessions from files, or from all files below folders, and keep them in one form.

    Known are sessions of Workhand, Claude Code, Codex and OpenHands, conversations and logged requests of OpenAI's
    and Anthropic's APIs, Harbor's ATIF, and trajectory-v1, which they are kept in. The format is told from the content;
    .json, .jsonl, .gz of either, and .zip are read. Lines that are no good are listed, and the others kept.

    \b
    workhand lab import ~/.claude/projects
    workhand lab import ~/.codex/sessions --to traces
    workhand lab import requests.jsonl session.workhand --json
    """
    from workhand.lab.formats.sources import paths

    target = folder if folder is not None else load().home / "traces"
    taken: dict[Path, bytes] = {}
    states: list[str] = []
    for path in paths(given):
        imported = _import(path, target, taken, force=force)
        states += [kept.state for kept in imported.sessions]
        _show(imported, as_json=as_json)
    if states and not as_json:
        counts = ", ".join(f"{states.count(state):,} {state}" for state in ("written", "unchanged", "differs"))
        click.echo(words.clean(f"Sessions in {target}: {counts.replace('differs', 'left as they were')}."))
    if not states:
        raise ConfigError(
            "No session could be read from what was given; `workhand lab import --help` says what can be."
        )


def _import(path: Path, target: Path, taken: dict[Path, bytes], *, force: bool) -> Imported:
    from workhand.lab.formats.parts import clean
    from workhand.lab.formats.sources import read_file

    try:
        read = read_file(path)
    except ConfigError as error:
        return Imported(clean(str(path)), error=str(error))
    kept = tuple(_keep(trace, target, taken, force=force) for trace in read.traces)
    return Imported(clean(str(path)), read.format, kept, len(read.faults), read.faults[:FAULTS_SHOWN])


def _keep(trace: Trace, target: Path, taken: dict[Path, bytes], *, force: bool) -> Kept:
    """Keep a session in a file of its own; never replace another one unasked."""
    from workhand.lab.formats.parts import clean
    from workhand.lab.formats.trajectory import write
    from workhand.lab.trace import Answer, Returned

    content = write(trace)
    file = next(each for each in _places(target, trace) if taken.get(each, content) == content)
    taken[file] = content
    calls = sum(len(part.calls) for part in trace.parts if isinstance(part, Answer))
    results = sum(isinstance(part, Returned) for part in trace.parts)
    try:
        state = _put(file, content, force=force)
    except OSError as error:
        raise ConfigError(f"{str(file)!r} cannot be written: {error.strerror}; give another --to.") from error
    return Kept(trace.id, trace.answers, calls, results, clean(str(file)), state)


def _places(target: Path, trace: Trace) -> Iterator[Path]:
    """Give the names a session can have, should those before be taken by others of this import."""
    name, number = _name(trace.id), 1
    while True:
        yield target / _name(trace.source) / f"{name}{f'-{number}' if number > 1 else ''}.jsonl.gz"
        number += 1


def _name(text: str) -> str:
    return _UNFIT_FOR_A_NAME.sub("-", text)[-NAME_CHARS:].strip("-.") or "session"


def _put(file: Path, content: bytes, *, force: bool) -> Literal["written", "unchanged", "differs"]:
    if file.exists():
        if file.is_file() and file.read_bytes() == content:
            return "unchanged"
        if not force:
            return "differs"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(content)
    part.replace(file)
    return "written"


def _show(imported: Imported, *, as_json: bool) -> None:
    from workhand.core import canonical

    if as_json:
        click.echo(canonical.encode(imported).decode())
        return
    click.echo(words.clean(f"{imported.path}: {_counts(imported)}"))
    for fault in imported.faults:
        click.echo(f"    line {fault.line}: {words.short(fault.why, WHY_CHARS)}")
    if more := imported.bad_lines - len(imported.faults):
        click.echo(f"    ... and {more:,} more")
    for kept in imported.sessions:
        if kept.state == "differs":
            click.echo(words.clean(f"    {kept.file} is there with other content and stays; --force replaces it"))


def _counts(imported: Imported) -> str:
    from workhand.lab.report.markup import counted

    if imported.error:
        return f"not read: {imported.error}"
    counts = (
        counted(len(imported.sessions), "session"),
        counted(sum(kept.answers for kept in imported.sessions), "call of the model", "calls of the model"),
        counted(sum(kept.calls for kept in imported.sessions), "tool call"),
        counted(sum(kept.results for kept in imported.sessions), "result"),
        counted(imported.bad_lines, "bad line"),
    )
    return ", ".join((imported.format, *counts))
