"""A list of what there is: for programs one object a line, for people a line each, or how something comes into it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from workhand.cli.display.words import clean
from workhand.core import canonical


def show(rows: Iterable[tuple[object, str]], *, as_json: bool, empty: str) -> None:
    """Print what stands for each thing: a value to be encoded, or a line; ``empty`` if there is none."""
    known = list(rows)
    for stated, line in known:
        click.echo(canonical.encode(stated).decode() if as_json else clean(line))
    if not known and not as_json:
        click.echo(empty)
