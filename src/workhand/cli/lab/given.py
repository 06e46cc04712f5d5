"""What several commands of the lab are given: traces, prices, a limit and a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workhand.cli.display import words
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.core.policy import Prices
    from workhand.lab.trace import Trace

GENERATED = "generated"
F = TypeVar("F", bound=Callable[..., Any])

TRACES = click.argument("given", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
CHAIN = click.option("--chain", is_flag=True, help="Join the sessions of each source to long ones of 150 to 300 calls.")
LIMIT = click.option(
    "--limit", default=64_000, show_default=True, type=click.IntRange(1_000), help="Tokens, without the fixed prefix."
)
PREFIX = click.option(
    "--prefix", default=12_000, show_default=True, type=click.IntRange(0), help="Tokens of system prompt and tools."
)
PRICES = click.option(
    "--prices",
    default="1.25,0.05,5",
    show_default=True,
    metavar="MODEL|W,R,O",
    help="A model's, or those of writing to the cache, reading from it and output, relative to uncached input.",
)
CACHE = click.option(
    "--cache", default="lcp", show_default=True, help="lcp, anthropic, openai, openai-before-5.6 or openai-marked."
)
COLD = click.option(
    "--cold", default=0.0, type=click.FloatRange(0, 1), help="Share of calls before which the cache has expired."
)


def read_traces(given: tuple[Path, ...], *, chain: bool) -> list[Trace]:
    """Read all sessions that are meant; `generated` or `generated:SEED:SESSIONS:KIND` makes some."""
    from workhand.lab.formats.sources import paths, read_file
    from workhand.lab.trace import chained

    made = [path for path in given if str(path).partition(":")[0] == GENERATED]
    traces = [trace for path in made for trace in _generated(str(path))]
    bad = 0
    for path in paths(path for path in given if path not in made):
        try:
            read = read_file(path)
        except ConfigError as error:
            if path in given:
                raise
            click.echo(f"left out: {words.clean(str(error))}", err=True)
            continue
        traces += read.traces
        bad += len(read.faults)
    if bad:
        click.echo(f"{bad:,} bad lines were left out; `workhand lab import` lists them.", err=True)
    joined = list(chained(traces)) if chain else traces
    if not joined:
        raise ConfigError("There is no session to replay; `workhand lab import` says what can be read.")
    return joined


def read_prices(stated: str) -> Prices:
    """Read `W,R,O`, or look a model up."""
    from workhand.cli.session.wiring import SystemClock
    from workhand.core.policy import Prices
    from workhand.models.prices import relative
    from workhand.models.wire.dialect import Server

    numbers = stated.split(",")
    if len(numbers) == 3:
        try:
            write, read, output = map(float, numbers)
        except ValueError:
            raise ConfigError(f"The prices {stated!r} are no numbers; write W,R,O such as 1.25,0.05,5.") from None
        return Prices(read=read, write=write, output=output)
    provider, _, model = stated.rpartition(":")
    known = relative(Server(provider, "", model), at=SystemClock().now())
    if known is None:
        raise ConfigError(f"The prices of {stated!r} are not known; write W,R,O such as 1.25,0.05,5.")
    return known


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how far a long work has come; give what is called after each part of it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _generated(stated: str) -> tuple[Trace, ...]:
    from workhand.lab.synthetic.generator import generate

    _, *parts = stated.split(":")
    seed, sessions, kind = (*parts, *("7", "40", "mixed")[len(parts) :])[:3]
    if not (seed.isdigit() and sessions.isdigit()):
        raise ConfigError(
            f"{stated!r} cannot be generated; write generated:SEED:SESSIONS:KIND, such as generated:7:40."
        )
    return generate(int(seed), sessions=int(sessions), kind=kind)  # type: ignore[arg-type]  # it refuses other kinds
