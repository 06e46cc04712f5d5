"""``lab live``: the simulator's predictions against the cache of the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.lab.given import CHAIN, TRACES, read_traces
from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.lab.live import LiveCall
    from workhand.lab.trace import Trace


@click.command("live")
@TRACES
@click.option("--sessions", default=3, show_default=True, type=click.IntRange(1), help="How many, of those given.")
@click.option("--calls", default=30, show_default=True, type=click.IntRange(1), help="Of each session, at most.")
@CHAIN
@click.option("--json", "as_json", is_flag=True, help="One call a line.")
def live_command(given: tuple[Path, ...], sessions: int, calls: int, chain: bool, as_json: bool) -> None:
    """Send the prompts of recorded sessions to the embedded model and compare what its cache really reuses.

    The engine renders every prompt; the model answers one token. llama.cpp counts exactly what it reused; the
    simulator predicts it from whole pieces. They agree if the cache served at least the prediction but one token, and
    at most the beginning of one piece more. Ends with exit code 1 if any call disagrees.

    \b
    workhand lab live generated:7:3:code
    workhand lab live traces/ --sessions 5 --calls 50 --json
    """
    disagreeing = anyio.run(_live, load(), read_traces(given, chain=chain)[:sessions], calls, as_json)
    if disagreeing:
        raise click.exceptions.Exit(1)


async def _live(settings: Settings, traces: list[Trace], calls: int, as_json: bool) -> int:
    from workhand.agents.executor import policy
    from workhand.cli.session import wiring
    from workhand.lab.live import live
    from workhand.models.local import LocalModel

    listed: list[LiveCall] = []
    async with wiring.make_model(settings, "local") as model:
        if not isinstance(model, LocalModel):
            raise ConfigError("The embedded model is not here; fetch it with `workhand models --pull`.")
        chosen = policy("local", seed="live", window_tokens=await model.window(), prompt="executor-small")
        if not as_json:
            click.echo("session                          call   tokens  predicted    reused  processed  difference")
        for trace in traces:
            async for call in live(trace, chosen, model, calls_max=calls):
                listed.append(call)
                if as_json:
                    click.echo(canonical.encode({"session": trace.id, "agrees": call.agrees, "counts": call}).decode())
                else:
                    note = ("  reduced" if call.reduced else "") + ("" if call.agrees else "  DISAGREES")
                    counts = f"{call.tokens:>8,} {call.predicted:>10,} {call.cached:>9,} {call.processed:>10,}"
                    click.echo(f"{trace.id[-32:]:<32} {call.call:>4} {counts} {call.difference:>+11,}{note}")
    wrong = sum(not call.agrees for call in listed)
    if not as_json:
        reused = sum(call.cached for call in listed) / max(1, sum(call.cached + call.processed for call in listed))
        click.echo(
            f"{len(listed):,} calls, {reused:.1%} of their tokens reused; {len(listed) - wrong:,} as predicted, "
            f"{wrong:,} not."
        )
    return wrong
