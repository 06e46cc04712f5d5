"""``lab optimum``: what the best schedule of compactions would have cost, known in hindsight."""

from __future__ import annotations

import statistics
from pathlib import Path

import click

from workhand.cli.lab_given import CHAIN, COLD, PREFIX, PRICES, TRACES, progress, read_prices, read_traces
from workhand.core import canonical

SCHEDULE = "workhand:gate=off,summaries=off,repeats=off,arguments=off"
NO_LIMIT = 1_000_000_000


@click.command("optimum")
@TRACES
@PREFIX
@PRICES
@COLD
@CHAIN
@click.option("--json", "as_json", is_flag=True, help="One session a line.")
def optimum_command(given: tuple[Path, ...], prefix: int, prices: str, cold: float, chain: bool, as_json: bool) -> None:
    """Compute the cheapest compactions of recorded sessions in hindsight, and compare our schedule with them.

    The bound holds for every policy that sends results in full and then only compacts; our schedule is run as such
    a one: without gate, summaries, pointers to repeats, shortened calls, or a limit. How it is computed: docs/lab.md.

    \b
    workhand lab optimum traces/
    workhand lab optimum generated:7:40 --chain --prices 1.25,0.1,5
    """
    from workhand.lab.study import BASELINE, Settings, study

    traces = read_traces(given, chain=chain)
    settings = Settings(NO_LIMIT, prefix, read_prices(prices), "lcp", cold)
    with progress("searching", len(traces)) as done:
        outcomes = study(traces, (SCHEDULE,), settings, done=done)
    ratios = []
    for outcome in outcomes:
        base, ours = outcome.account(BASELINE).cost, outcome.account(SCHEDULE).cost
        ratios.append(ours / outcome.bound)
        if as_json:
            facts = {"session": outcome.trace, "append_only": base, "lower_bound": outcome.bound, "schedule": ours}
            click.echo(canonical.encode(facts).decode())
    if as_json:
        return
    base, bound = sum(each.account(BASELINE).cost for each in outcomes), sum(each.bound for each in outcomes)
    ours = sum(each.account(SCHEDULE).cost for each in outcomes)
    click.echo(f"{len(outcomes):,} sessions; costs in tokens of uncached input")
    click.echo(f"  lower bound      {bound:>16,.0f}")
    click.echo(f"  our schedule     {ours:>16,.0f}   {ours / bound:.3f} of the bound, re-reads charged")
    click.echo(f"  append-only      {base:>16,.0f}   {base / bound:.3f} of the bound")
    deciles = statistics.quantiles(ratios, n=10) if len(ratios) > 1 else ratios * 9
    click.echo(
        f"  our schedule by session: median {statistics.median(ratios):.3f}, nine of ten below {deciles[-1]:.3f}"
    )
