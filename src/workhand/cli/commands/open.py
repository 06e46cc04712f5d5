"""``open``: looking at what a session delivered or made.

A file is read step by step from an open directory, and no link is followed: the agent may have put one anywhere.  What
another program is given to show is a copy that this read, in a folder that no machine sees.
"""

from __future__ import annotations

import os
import posixpath
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.display import words
from workhand.cli.session import place as places
from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.core.log import Log
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.cli.display.sheet import Sheet

FILE_BYTES_MAX = 64 << 20
LISTED_MAX = 200
PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a session: below which folder of the host, and where there."""

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)


@click.command("open")
@click.argument("session")
@click.argument("file", required=False)
@click.option("--html", type=click.Path(path_type=Path), metavar="OUT", help="Write one page that loads nothing.")
@click.option("--json", "as_json", is_flag=True, help="Say what there is, one file a line; nothing is opened.")
def open_command(session: str, file: str | None, html: Path | None, as_json: bool) -> None:
    """Look at a FILE that a SESSION delivered or made; without FILE, list them.

    Text, Markdown, CSV and JSON are drawn in the terminal. Pictures, PDF and HTML are given to the program
    of `opener` in the settings, to $BROWSER or to xdg-open; their path is printed where there is none of them or no
    terminal. Links are not followed.

    \b
    workhand open 3fa9
    workhand open 3fa9 report.md
    workhand open 3fa9 chart.html --html chart-alone.html
    """
    settings = load()
    place, log = anyio.run(_session, settings, session)
    if file is None:
        if html is not None:
            raise ConfigError("--html makes a page of one file; name it, such as `workhand open SESSION report.md`.")
        _list(place, log, as_json)
        return
    found, content = read(place, file)
    _show(settings, place, found, content, html, as_json)


async def _session(settings: Settings, prefix: str) -> tuple[places.Place, Log]:
    from workhand.cli.session import wiring
    from workhand.sandbox.register import machines

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        if any(each.session == row.id and each.held and each.isolation == "remote" for each in machines()):
            raise ConfigError(
                f"The machine of session {row.id} is elsewhere, and its files are there until it closes; "
                f"`workhand pause {row.id}` closes it."
            )
        return places.find(settings, row.id), Log.of(await store.read(row.id))


# -- which file ---------------------------------------------------------------------


def read(place: places.Place, stated: str) -> tuple[Found, bytes]:
    """Find and read a file by its path, as a person or the agent writes it.  Raises ``ConfigError``."""
    for found in candidates(place, stated):
        try:
            return found, content(found)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigError(f"{stated!r} cannot be read: {error.strerror}; name another file.") from error
    raise ConfigError(f"The session has no file {stated!r}; `workhand open SESSION` lists what there is.")


def candidates(place: places.Place, stated: str) -> list[Found]:
    """Say where a file can be: among what was delivered, then in the workspace."""
    named = PurePosixPath(posixpath.normpath(stated))
    roots = (place.directory / "results", place.workspace)
    if named.is_relative_to(places.MACHINE_HOME):
        named = named.relative_to(places.MACHINE_HOME)
    if ".." in named.parts:
        raise ConfigError(f"{stated!r} is not in the session's folders; name a file in its workspace.")
    if named.is_absolute():
        found = [Found(root, named.relative_to(root).parts) for root in roots if named.is_relative_to(root)]
        if not found:
            raise ConfigError(f"{stated!r} is not in the session's folders; name a file in {str(place.workspace)!r}.")
        return found
    if named.parts[:1] == (places.KEPT,):
        return [Found(place.directory / "kept", named.parts[1:])]
    return [Found(root, named.parts) for root in roots]


def content(found: Found) -> bytes:
    """Read a file without following any link below its folder.  Raises ``OSError`` and ``ConfigError``."""
    if not found.parts:
        raise ConfigError(f"{str(found.root)!r} is a folder; name a file in it.")
    opened = os.open(found.root, places.OPEN_ANY | os.O_DIRECTORY)
    try:
        for part in found.parts:
            if stat.S_ISLNK(os.stat(part, dir_fd=opened, follow_symlinks=False).st_mode):
                raise ConfigError(
                    f"{part!r} in {str(found.path)!r} is a link, which is not followed; name the file itself."
                )
            inner = os.open(part, places.OPEN_ANY, dir_fd=opened)
            os.close(opened)
            opened = inner
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{str(found.path)!r} is no file; name a file.")
        if status.st_size > FILE_BYTES_MAX:
            size = f"{status.st_size:,} bytes, and more than {FILE_BYTES_MAX:,} are not shown"
            raise ConfigError(f"{str(found.path)!r} has {size}; open it with a program of yours.")
        with open(opened, "rb", closefd=False) as file:
            return file.read(status.st_size)
    finally:
        os.close(opened)


def _list(place: places.Place, log: Log, as_json: bool) -> None:
    """List what was delivered; if nothing was, what is in the workspace."""
    from workhand.cli.commands.work import delivered

    paths = delivered(log, place)
    found = paths or _made(place.workspace)
    if as_json:
        for path in found:
            facts = {"path": str(path), "bytes": _size(path), "delivered": bool(paths)}
            click.echo(canonical.encode(facts).decode())
        return
    if not paths:
        click.echo(
            f"Nothing was delivered; {'these are files' if found else 'there are no files'} of {place.workspace}:"
        )
    for path in found[:LISTED_MAX]:
        click.echo(f"{_size(path):>13,}  {words.clean(str(path))}")
    if len(found) > LISTED_MAX:
        click.echo(f"[and {len(found) - LISTED_MAX:,} more]")


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # it has just gone
        return 0


def _made(workspace: Path) -> list[Path]:
    """Give the files of a workspace that are files, by name."""
    found: list[Path] = []
    for directory, folders, files in os.walk(workspace):
        folders[:] = sorted(each for each in folders if each != places.KEPT)
        found.extend(
            path for name in sorted(files) if (path := Path(directory, name)).is_file() and not path.is_symlink()
        )
    return found


# -- showing it ---------------------------------------------------------------------


def _show(
    settings: Settings, place: places.Place, found: Found, content: bytes, html: Path | None, as_json: bool
) -> None:
    from workhand.cli.display.sheet import Sheet, drawn, facts, is_text, page

    sheet = Sheet(found.parts[-1], content)
    if html is not None:
        _written(html, page(sheet).encode())
    if as_json:
        click.echo(canonical.encode({"path": str(found.path), **facts(sheet)}).decode())
    elif html is not None:
        click.echo(str(html))
    elif is_text(sheet):
        from rich.console import Console

        Console(highlight=False).print(drawn(sheet))
    elif sheet.kind == "other" or not sys.stdout.isatty() or not (program := opener(settings)):
        click.echo(words.clean(str(found.path)))
    else:
        _hand_over(program, _copy(place, sheet))


def opener(settings: Settings) -> list[str]:
    """Give the command that shows a file to the person; nothing if there is none."""
    command = shlex.split(settings.opener)
    return command if command and shutil.which(command[0]) else []


def _copy(place: places.Place, sheet: Sheet) -> Path:
    """Put what is to be shown where no machine sees it; HTML as a page that loads nothing."""
    from workhand.cli.display.sheet import page

    name = f"{sheet.name}.html" if sheet.kind == "page" else sheet.name
    target = place.directory / PREVIEW / name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    _written(target, page(sheet).encode() if sheet.kind == "page" else sheet.content)
    return target


def _hand_over(program: list[str], path: Path) -> None:
    argv = [each.replace("%s", str(path)) for each in program]
    ended = subprocess.run(argv if argv != program else [*program, str(path)], check=False)
    if ended.returncode != 0:
        raise ConfigError(f"{program[0]!r} ended with status {ended.returncode}; the file is {str(path)!r}.")


def _written(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be written: {error.strerror}; give another path.") from error
