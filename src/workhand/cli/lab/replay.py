"""``lab replay``: recorded sessions under several policies, billed alike."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workhand.cli.lab.given import (
    CACHE,
    CHAIN,
    COLD,
    LIMIT,
    PREFIX,
    PRICES,
    TRACES,
    progress,
    read_prices,
    read_traces,
)
from workhand.core import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workhand.lab.study import Outcome, Row, Settings

POLICIES = "workhand,append-only,clear-3,moving-3,oldest-half,deepagents,codex,strands"

LEGEND = """\
cost: of append-only, re-reads charged. of bound: of the least that only compacting can reach. worst: the dearest
session. hit: input read from the cache. breaks, re-reads: in 100 calls. over: calls above the limit. peak: mean of
the sessions' largest requests. restorable: of what was taken out. shown: what actions needed and was in the request."""


@click.command("replay")
@TRACES
@click.option("--policy", "names", default=POLICIES, show_default=True, help="Names, with commas between them.")
@LIMIT
@PREFIX
@PRICES
@CACHE
@COLD
@CHAIN
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the costs with their intervals, as .png or .svg.")
@click.option("--json", "as_json", is_flag=True, help="One object, for programs.")
def replay_command(
    given: tuple[Path, ...],
    names: str,
    plot: Path | None,
    as_json: bool,
    chain: bool,
    **settings: object,
) -> None:
    """Replay recorded sessions under context policies, and bill every request as a provider would.

    What is recorded are actions: so tokens, cache, money and what had to be read again are measured, and success is
    not. PATH is a file or folder of recorded sessions in any format that `lab import` reads, or
    generated:SEED:SESSIONS:KIND for sessions made from a seed. Policies: workhand is the engine itself, and
    workhand:NAME=VALUE changes its figures and switches, with ";" between policies; the others are models of other
    systems.

    \b
    workhand lab replay traces/
    workhand lab replay traces/ --policy "workhand;workhand:gate=off;codex" --prices claude-opus-5-5 --cache anthropic
    workhand lab replay generated:7:40:office --chain --limit 128000 --plot costs.svg
    """
    from workhand.lab.study import row, study

    listed = split_names(names)
    chosen = read_settings(**settings)
    traces = read_traces(given, chain=chain)
    with progress("replaying", len(traces)) as done:
        outcomes = study(traces, listed, chosen, done=done)
    rows = {name: row(outcomes, name) for name in dict.fromkeys(listed)}
    if plot is not None:
        _draw(plot, outcomes, list(rows), chosen)
    if as_json:
        click.echo(canonical.encode(_facts(rows, outcomes, chosen)).decode())
        return
    _print(rows, outcomes, chosen)


def split_names(names: str) -> list[str]:
    """Split at commas, or at semicolons where a name has commas of its own."""
    return [name.strip() for name in names.split(";" if ";" in names or ":" in names else ",") if name.strip()]


def read_settings(**stated: object) -> Settings:
    """Give the settings that the options state.  Raises ``ConfigError`` for prices that are not known."""
    from workhand.lab.study import Settings

    numbers = {name: str(value) for name, value in stated.items()}
    limit, prefix, cold = int(numbers["limit"]), int(numbers["prefix"]), float(numbers["cold"])
    return Settings(limit, prefix, read_prices(numbers["prices"]), numbers["cache"], cold)


def _facts(rows: dict[str, Row], outcomes: Sequence[Outcome], settings: Settings) -> dict[str, object]:
    from workhand.lab.study import BASELINE
    from workhand.lab.texts import counter

    return {
        "policies": {name: _rounded(asdict(found)) for name, found in rows.items()},
        "sessions": len(outcomes),
        "calls": sum(outcome.account(BASELINE).calls for outcome in outcomes),
        "settings": {**asdict(settings), "tokens": counter()[1]},
    }


def _rounded(figures: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in figures.items()}


def _print(rows: dict[str, Row], outcomes: Sequence[Outcome], settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    from workhand.lab.study import BASELINE
    from workhand.lab.texts import counter

    calls = sum(outcome.account(BASELINE).calls for outcome in outcomes)
    prices = settings.prices
    click.echo(
        f"{len(outcomes):,} sessions, {calls:,} calls of the model; limit {settings.limit_tokens:,} tokens behind "
        f"a prefix of {settings.prefix_tokens:,};\nprices of uncached input: write {prices.write:g}, "
        f"read {prices.read:g}, output {prices.output:g}; cache {settings.cache}; tokens by {counter()[1]}."
    )
    table = Table(box=None, pad_edge=False)
    for column in (
        "policy",
        "cost",
        "of bound",
        "worst",
        "hit",
        "breaks",
        "re-reads",
        "over",
        "peak",
        "restorable",
        "shown",
    ):
        table.add_column(column, justify="left" if column == "policy" else "right", no_wrap=column == "policy")
    for name, found in rows.items():
        table.add_row(
            name,
            f"{found.vs_append_only:.3f}",
            f"{found.vs_lower_bound:.3f}",
            f"{found.worst_session:.2f}",
            f"{found.hit:.1%}",
            f"{found.breaks_per_100:.2f}",
            f"{found.rereads_per_100:.2f}",
            f"{found.over_limit_share:.2%}",
            f"{found.peak_mean:,.0f}",
            f"{found.restorable_share:.1%}",
            f"{found.needs_shown:.1%}",
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    click.echo(LEGEND)


def _draw(path: Path, outcomes: Sequence[Outcome], names: list[str], settings: Settings) -> None:
    from workhand.lab.intervals import interval, ratio
    from workhand.lab.plots import Bar, bars
    from workhand.lab.study import BASELINE

    def pairs(name: str) -> list[tuple[float, float]]:
        return [(outcome.account(name).cost, outcome.account(BASELINE).cost) for outcome in outcomes]

    listed = [Bar(name, interval(pairs(name), ratio)) for name in names]
    title = f"What {len(outcomes)} sessions cost, limit {settings.limit_tokens // 1000}k tokens"
    bars(path, listed, title=title, command=" ".join(("workhand", *sys.argv[1:])))
    click.echo(f"drawn: {path}", err=True)
