"""``packages``: what is kept of Python packages for machines, and wheels of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workhand.cli.display import listing
from workhand.cli.display.words import clean
from workhand.cli.settings import load
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.guard.packages.wheels import Kept


@click.group("packages")
def packages_command() -> None:
    """List, add and remove the packages that `pip install` in a machine gets from this computer.

    \b
    workhand packages ls
    workhand packages add dist/*.whl
    workhand packages clear
    """


@packages_command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One file a line.")
def ls_command(as_json: bool) -> None:
    """List the files that are kept: those that came from the index, and your own.

    \b
    workhand packages ls --json
    """
    from workhand.cli.session.indexing import wheels

    kept = wheels(load()).kept()
    total = f"{len(kept):,} file{'s' * (len(kept) != 1)}, {sum(each.size_bytes for each in kept):,} bytes"
    listing.show(map(_row, kept), as_json=as_json, empty=total)
    if kept and not as_json:
        click.echo(total)


def _row(each: Kept) -> tuple[object, str]:
    stated = {"project": each.project, "file": each.offered.filename, "bytes": each.size_bytes}
    stated |= {"sha256": each.offered.sha256, "own": each.own}
    whose = "own" if each.own else "index"
    return stated, f"{each.project:<24} {each.size_bytes:>13,}  {whose:<5}  {each.offered.filename}"


@packages_command.command("add")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE.whl...",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
def add_command(files: tuple[Path, ...]) -> None:
    """Give machines wheels of your own; no index is asked for their projects from then on.

    So nobody who puts a package of the same name into an index can have it installed instead of yours.

    \b
    workhand packages add dist/thing-1.0-py3-none-any.whl
    """
    from workhand.cli.session.indexing import wheels
    from workhand.guard.packages import own

    kept = wheels(load())
    for file in files:
        try:
            added = own.add(kept, file)
        except own.NoWheel as error:
            raise ConfigError(f"{str(file)!r} is no wheel that can be given: {error}; build it anew.") from error
        click.echo(clean(f"{added.offered.filename} is added; {added.project} is asked of no index."))


@packages_command.command("clear")
@click.argument("name", required=False)
def clear_command(name: str | None) -> None:
    """Remove what is kept of the project NAME, your own, too; without NAME, all that came from the index.

    \b
    workhand packages clear
    workhand packages clear thing
    """
    from workhand.cli.session.indexing import wheels
    from workhand.guard.packages.pages import normal

    project = normal(name) if name is not None else ""
    gone = wheels(load()).clear(project) if project or name is None else ()
    if name is not None and not gone:
        raise ConfigError(f"Nothing is kept of {name!r}; `workhand packages ls` says what is.")
    click.echo(f"{len(gone):,} files are removed, {sum(each.size_bytes for each in gone):,} bytes.")
