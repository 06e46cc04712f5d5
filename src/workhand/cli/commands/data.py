"""``data``: directories, files and databases of the person's that every session can read."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import anyio
import click

from workhand.cli.display import listing
from workhand.cli.display.words import clean
from workhand.cli.session import asking
from workhand.cli.session.datasets import COPIES, problem_of
from workhand.cli.settings import load
from workhand.data import places, registry
from workhand.data.address import checked, is_address
from workhand.data.registry import FILE, Entry


@click.group("data")
def data_command() -> None:
    """Add, list, show and remove data: directories, files and databases that sessions read, and cannot change.

    \b
    workhand data add sales /srv/sales --describe "Orders by day, since 2019."
    workhand data add shop 'postgresql://reader:${SHOP_KEY}@db.example.com/shop'
    workhand run "Which product sold best in 2024?"
    """


@data_command.command("add")
@click.argument("name")
@click.argument("place")
@click.option("--describe", "description", default="", metavar="TEXT", help="What it is; the agent reads this line.")
def add_command(name: str, place: str, description: str) -> None:
    """Have all further sessions read the directory or the file PLACE, as /mnt/data/NAME, or ask the database PLACE.

    A directory is shown as it is at the time; of a file, a copy is made whenever a machine opens.
    What may hold keys is refused, and so is a directory with links that lead out of it.

    A database is asked by this computer, in transactions that only read. Its password is no part of the address: write
    ${KEY} for it, a secret or a variable of that name. State a role that may read what is meant, and nothing else.

    \b
    workhand data add sales /srv/sales --describe "Orders by day, since 2019."
    workhand data add prices ./prices.csv
    workhand secrets add SHOP_KEY --host db.example.com:5432
    workhand data add shop 'postgresql://reader:${SHOP_KEY}@db.example.com/shop'
    """
    settings = load()
    if is_address(place):
        entry = Entry(name, "postgresql", checked(place), registry.described(description))
        tables = anyio.run(asking.tables, settings, entry).rows
        registry.add(settings.home / FILE, entry)
        said = f"{name} is added: sessions ask it with `data query {name}`; {tables:,} tables can be read."
        click.echo(clean(said))
        return
    found = places.checked(Path(place), settings.home)
    seen = places.looked_through(found)
    kind: registry.Kind = "directory" if found.is_dir() else "file"
    entry = Entry(name, kind, str(found), registry.described(description))
    registry.add(settings.home / FILE, entry)
    click.echo(clean(f"{name} is added: sessions read {found} at {entry.inside}."))
    if kind == "directory" and (warning := seen.warning(found)):
        click.echo(clean(warning), err=True)
    if not seen.whole:
        click.echo(f"Only the first {places.LOOKED_AT_MAX:,} of what is in it were looked at.", err=True)


@data_command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One entry a line.")
def ls_command(as_json: bool) -> None:
    """List the data that has been added.

    \b
    workhand data ls --json
    """
    settings = load()
    known = [(each, problem_of(settings, each)) for each in registry.load(settings.home / FILE)]
    rows = [
        (
            {**asdict(each), "inside": each.inside, "problem": problem},
            f"{each.name:<20} {each.kind:<10} {problem or each.description or each.where}",
        )
        for each, problem in known
    ]
    listing.show(rows, as_json=as_json, empty="There is no data yet: workhand data add NAME PLACE adds some.")


@data_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Show what the data NAME is, where, and whether machines can read it.

    \b
    workhand data show sales
    """
    settings = load()
    entry = registry.one(settings.home / FILE, name)
    click.echo(clean(f"{entry.name}: {entry.description or 'not described'}"))
    click.echo(clean(f"  here     {entry.where} ({entry.kind})"))
    click.echo(clean(f"  inside   {entry.inside}, read-only"))
    if entry.kind == "postgresql":
        click.echo(f"  tables   {anyio.run(asking.tables, settings, entry).rows:,}")
        return
    if problem := problem_of(settings, entry):
        click.echo(clean(f"  problem  {problem}"))
        return
    seen = places.looked_through(Path(entry.where))
    click.echo(f"  files    {seen.files:,}{'' if seen.whole else ' or more'}")
    if entry.kind == "directory" and (warning := seen.warning(Path(entry.where))):
        click.echo(clean(f"  problem  {warning}"))


@data_command.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Have no further session read the data NAME; the data itself stays.

    \b
    workhand data remove sales
    """
    settings = load()
    registry.remove(settings.home / FILE, name)
    shutil.rmtree(settings.home / COPIES / name, ignore_errors=True)
    click.echo(f"{name} is removed.")
