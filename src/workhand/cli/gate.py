"""``gate``: what this installation has learned of its tools' previews; kept in one small file."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.core.log import Log
from workhand.core.policy import Rules
from workhand.core.reopening import Opened, opened, rates
from workhand.errors import ConfigError


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
        _file(settings).unlink(missing_ok=True)
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


def learned(settings: Settings) -> tuple[Opened, ...]:
    """Give what is known of each tool.  Raises ``ConfigError`` for a file that cannot be read."""
    file = _file(settings)
    try:
        stated = json.loads(file.read_text("utf-8"))
        return tuple(Opened(str(tool), int(previews), int(count)) for tool, previews, count in stated)
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{str(file)!r} is damaged ({error}); `workhand gate --reset` begins anew.") from error


def learn(settings: Settings, log: Log, *, since: int) -> None:
    """Add the previews that entered a session from position ``since`` on."""
    fresh = {each.tool: each for each in opened(log, since=since)}
    if not fresh:
        return
    with _held(settings):
        known = {each.tool: each for each in learned(settings)}
        for tool, each in fresh.items():
            known[tool] = known[tool].plus(each) if tool in known else each
        file = _file(settings)
        part = file.with_suffix(".part")
        part.write_bytes(
            canonical.encode([(each.tool, each.previews, each.opened) for _, each in sorted(known.items())])
        )
        os.replace(part, file)


def _file(settings: Settings) -> Path:
    return settings.home / "previews.json"


@contextmanager
def _held(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with _file(settings).with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
