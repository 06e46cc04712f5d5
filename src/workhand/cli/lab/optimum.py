"""``lab optimum``: what the best schedule of compactions would have cost, known in hindsight."""

from __future__ import annotations

import statistics
from pathlib import Path

import click

from workhand.cli.lab.given import CHAIN, COLD, PREFIX, PRICES, TRACES, progress, read_prices, read_traces
from workhand.core import canonical

WITHOUT = "workhand:gate=off,summaries=off,repeats=off"
SCHEDULES = {WITHOUT: "our schedule", f"{WITHOUT},arguments=off": "  of results only"}
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

    The bound holds for every policy that sends results in full and then only compacts them. Our schedule is run as
    such a one: without gate, summaries, pointers to repeats, or a limit; once as it is, which also shortens the calls'
    own arguments, and once with results only, as the bound supposes. How it is computed: docs/lab.md.

    \b
    workhand lab optimum traces/
    workhand lab optimum generated:7:40 --chain --prices 1.25,0.1,5
    """
    from workhand.lab.study import BASELINE, Settings, study

    traces = read_traces(given, chain=chain)
    settings = Settings(NO_LIMIT, prefix, read_prices(prices), "lcp", cold)
    with progress("searching", len(traces)) as done:
        outcomes = study(traces, tuple(SCHEDULES), settings, done=done)
    costs = {name: [each.account(name).cost for each in outcomes] for name in (*SCHEDULES, BASELINE)}
    if as_json:
        for at, outcome in enumerate(outcomes):
            ours, results_only, base = (costs[name][at] for name in costs)
            facts = {"append_only": base, "lower_bound": outcome.bound, "results_only": results_only, "schedule": ours}
            click.echo(canonical.encode({"session": outcome.trace, **facts}).decode())
        return
    bounds = [each.bound for each in outcomes]
    click.echo(f"{len(outcomes):,} sessions; costs in tokens of uncached input, re-reads charged")
    click.echo(f"{'lower bound':<18} {sum(bounds):>15,.0f}")
    for name, title in (*SCHEDULES.items(), (BASELINE, "append-only")):
        ratios = [cost / bound for cost, bound in zip(costs[name], bounds, strict=True)]
        click.echo(
            f"{title:<18} {sum(costs[name]):>15,.0f}   {sum(costs[name]) / sum(bounds):.3f} of the bound; "
            f"by session: median {statistics.median(ratios):.3f}, worst {max(ratios):.3f}"
        )
