"""``gate``: what this installation has learned of its tools' previews."""

from __future__ import annotations

import click

from workhand.cli.session.learning import file_of, learned
from workhand.cli.settings import load
from workhand.core import canonical
from workhand.core.policy import Rules
from workhand.core.reopening import rates


@click.command("gate")
@click.option("--reset", is_flag=True, help="Forget what was learned.")
@click.option("--json", "as_json", is_flag=True, help="One tool a line.")
def gate_command(reset: bool, as_json: bool) -> None:
    """Show how often previews of large results were opened, by tool, and what the gate expects for it.

    A large result enters the context as a preview if that is cheaper than the chance of opening it. That chance is
    learned: each session adds its previews, and how many of them were opened, to one file in Workhand's home.

    \b
    workhand gate
    workhand gate --reset
    """
    settings = load()
    if reset:
        file_of(settings).unlink(missing_ok=True)
        click.echo("Forgotten: new sessions begin with the expected rate.")
        return
    known = learned(settings)
    expected = {rate.tool: rate.share for rate in rates(known, Rules())}
    if as_json:
        for each in known:
            click.echo(canonical.encode({"opened": each, "expected_share": expected[each.tool]}).decode())
    elif not known:
        click.echo(f"Nothing is learned yet: every tool is expected to have {Rules().reopen_rate:.0%} opened.")
    else:
        click.echo(f"{'tool':<16} {'previews':>8} {'opened':>8} {'expected':>9}")
        for each in known:
            click.echo(f"{each.tool:<16} {each.previews:>8,} {each.opened:>8,} {expected[each.tool]:>9.1%}")
