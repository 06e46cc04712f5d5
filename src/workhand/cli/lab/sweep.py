"""``lab sweep``: one figure of our policy over a range, for several price lists, with intervals."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from workhand.cli.lab.given import CACHE, CHAIN, COLD, LIMIT, PREFIX, TRACES, progress, read_prices, read_traces
from workhand.cli.lab.replay import read_settings
from workhand.core import canonical
from workhand.errors import ConfigError


@click.command("sweep")
@TRACES
@click.option("--figure", required=True, metavar="NAME", help="What is varied: theta, preview_tokens, hazard ...")
@click.option("--over", required=True, metavar="A,B,C", help="Its values.")
@click.option(
    "--prices",
    "lists",
    default="1.25,0.1,5;1.25,0.05,5;1.25,0.025,5",
    show_default=True,
    metavar="LIST;LIST",
    help="Price lists, each a model or W,R,O.",
)
@LIMIT
@PREFIX
@CACHE
@COLD
@CHAIN
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the curves with their intervals, as .png or .svg.")
@click.option("--json", "as_json", is_flag=True, help="One point a line.")
def sweep_command(
    given: tuple[Path, ...],
    figure: str,
    over: str,
    lists: str,
    plot: Path | None,
    as_json: bool,
    chain: bool,
    **settings: object,
) -> None:
    """Vary one figure of our policy and see what it costs, relative to append-only.

    Intervals are 95 %, by drawing whole sessions again (bootstrap). The names of figures and switches are those of
    `workhand lab replay --policy workhand:NAME=VALUE`.

    \b
    workhand lab sweep traces/ --figure theta --over 0.25,0.5,0.75,1,2 --plot theta.svg
    workhand lab sweep generated:7:60 --chain --figure preview_tokens --over 250,500,1000
    """
    from workhand.lab.intervals import interval, ratio
    from workhand.lab.plots import Curve, curves
    from workhand.lab.study import BASELINE, study

    values = [value.strip() for value in over.split(",") if value.strip()]
    if len(values) < 2:
        raise ConfigError(f"A sweep needs two values or more, not {over!r}.")
    names = [f"workhand:{figure}={value}" for value in values]
    first = read_settings(prices=lists.split(";", maxsplit=1)[0], **settings)
    traces = read_traces(given, chain=chain)
    drawn = []
    for stated in lists.split(";"):
        chosen = replace(first, prices=read_prices(stated))
        with progress(f"prices {stated}", len(traces)) as done:
            outcomes = study(traces, names, chosen, done=done)
        points = []
        for value, name in zip(values, names, strict=True):
            pairs = [(each.account(name).cost, each.account(BASELINE).cost) for each in outcomes]
            found = interval(pairs, ratio)
            points.append((float(value), found))
            if as_json:
                click.echo(canonical.encode({"prices": stated, figure: float(value), "cost": found}).decode())
            else:
                click.echo(
                    f"{stated:<18} {figure} {value:>8}  {found.value:.3f}  ({found.low:.3f} to {found.high:.3f})"
                )
        drawn.append(Curve(stated, tuple(points)))
    if plot is not None:
        title = f"{figure}, over {len(traces)} sessions"
        curves(plot, drawn, title=title, x=figure, command=" ".join(("workhand", *sys.argv[1:])))
        click.echo(f"drawn: {plot}", err=True)
