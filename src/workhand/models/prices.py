"""What calls cost: the price list that ships with ``genai-prices``, or what a person states instead.

An unknown price is ``None``, never zero: a limit on money must not be fooled.  Some prices change at a date
or with the hour, so every question says when.  Two things the list cannot say: DeepSeek's
low price all weekend, where this gives the higher one, and what a cloud adds for a region.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from workhand.core.events import Usage
from workhand.core.policy import Prices
from workhand.models.figures import Figures
from workhand.models.mechanics import Mechanics, mechanics_of, provider_at
from workhand.models.wire.dialect import Server

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

LIFETIME_S = 300.0  # of a cache entry that is not hit, where nobody states one
KNOWN = ("anthropic", "openai", "google")  # providers here that ``genai-prices`` calls the same
FAMILIES = {"anthropic": ("claude-",), "openai": ("gpt-", "o", "codex-"), "google": ("gemini-", "gemma-")}
"""How the names of models begin that a provider serves in its own format: the list also has others under it."""
NO_FIGURES = Figures()


def cost_usd(server: Server, usage: Usage, *, at: float, figures: Figures = NO_FIGURES) -> float | None:
    """Give the price of one call that was answered ``at`` that time, in seconds since the epoch."""
    rates = rates_of(server, at=at, figures=figures)
    fresh = usage.input_tokens - usage.cached_tokens - usage.written_tokens
    short = usage.written_tokens - usage.written_long_tokens
    if rates is None or min(fresh, short) < 0:  # counts that contradict each other have no price
        return None
    counts = (
        (fresh, rates.input),
        (usage.cached_tokens, rates.cached),
        (short, rates.written),
        (usage.written_long_tokens, rates.written_long),
        (usage.output_tokens, rates.output),  # what was reasoned is part of it
    )
    total = Decimal(0)
    for tokens, rate in counts:
        if tokens and rate is None:
            return None
        total += tokens * rate.past(usage.input_tokens) if rate else 0
    return float(total / 1_000_000)


def relative(server: Server, *, at: float, figures: Figures = NO_FIGURES, long_lived: bool = False) -> Prices | None:
    """Give a model's prices relative to its uncached input; ``None`` if they are unknown.

    ``long_lived`` says that the longer of two lifetimes is asked for.  Where prices are unknown but a
    lifetime is stated, it counts beside the policy's default prices.
    """
    rates = rates_of(server, at=at, figures=figures)
    known = mechanics(server)
    lifetime_s = (known.lifetime_long_s if long_lived else known.lifetime_s) if known else None
    lifetime_s = float(figures.lifetime_s or lifetime_s or LIFETIME_S)  # in a log 300 is not 300.0
    written = rates and (rates.written_long if long_lived else rates.written)
    if not (rates and rates.input.base and rates.output and written):
        return Prices(lifetime_s=lifetime_s) if figures.lifetime_s else None
    first = next(iter(rates.input.steps), None)
    return Prices(
        read=float(rates.cached.base / rates.input.base),
        write=float(written.base / rates.input.base),
        output=float(rates.output.base / rates.input.base),
        lifetime_s=lifetime_s,
        cliff_tokens=first[0] if first else None,
        cliff_factor=float(first[1] / rates.input.base) if first else 1.0,
    )


def window_tokens(server: Server, figures: Figures = NO_FIGURES) -> int | None:
    """Give the context window that is stated or listed for a model, for servers that do not tell."""
    listed, known = _listed(server), mechanics(server)
    return figures.window_tokens or (listed and listed[1].context_window) or (known and known.window_tokens) or None


def mechanics(server: Server) -> Mechanics | None:
    """Give the mechanics of the model behind a server, by its address, its provider, or else its name."""
    provider = provider_at(server.base_url) or (server.provider if server.provider in KNOWN else "")
    if not provider and (listed := _listed(server)):
        provider = listed[0]
    return mechanics_of(provider, server.model)


def listed_models() -> tuple[Server, ...]:
    """Give the models that the price list has of each provider here, by its own endpoint, oldest name first."""
    from genai_prices.data_snapshot import get_snapshot

    found = (provider for provider in get_snapshot().providers if provider.id in KNOWN)
    return tuple(
        Server(provider.id, "", model.id)
        for provider in sorted(found, key=lambda each: KNOWN.index(each.id))
        for model in provider.models
        if model.id.startswith(FAMILIES[provider.id])
    )


def price_list() -> str:
    """Name the price list by its version, which is all the date it has, or by when it was updated since."""
    import genai_prices
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    updated = f", updated {snapshot.timestamp:%Y-%m-%d}" if snapshot.from_auto_update else ""
    return f"genai-prices {genai_prices.__version__}{updated}"


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars per million tokens, and what they are past some lengths of the input."""

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()  # ascending

    def past(self, input_tokens: int) -> Decimal:
        return next((price for start, price in reversed(self.steps) if input_tokens > start), self.base)

    def times(self, factor: float) -> Rate:
        exact = Decimal(str(factor))
        return Rate(self.base * exact, tuple((start, price * exact) for start, price in self.steps))


@dataclass(frozen=True, slots=True)
class Rates:
    """What a model's tokens cost."""

    input: Rate
    cached: Rate
    written: Rate
    written_long: Rate | None
    output: Rate | None


def rates_of(server: Server, *, at: float, figures: Figures = NO_FIGURES) -> Rates | None:
    """Give the prices of a model at a time; ``None`` if that of its input is unknown.

    Each is taken from the figures, else from the list, else it follows from that of input.
    What the list says of a model holds for stated prices too: its cliffs or that it has none, and that writing
    has no price of its own.  Of a model it does not have, both are those of the mechanics.
    """
    found, known = _listed(server), mechanics(server)
    listed = found[1].get_prices(datetime.fromtimestamp(at, UTC)) if found else None
    cliffs = known.cliffs if known else ()
    inwards = _factors(listed, "input_mtok", ((cliff.tokens, cliff.input) for cliff in cliffs))
    outwards = _factors(listed, "output_mtok", ((cliff.tokens, cliff.output) for cliff in cliffs))
    input = _stated(figures.input, inwards) or _rate(listed, "input_mtok")
    if input is None:
        return None
    written = _stated(figures.written, inwards) or _rate(listed, "cache_write_mtok")
    long = _rate(listed, "cache_write_1h_mtok")
    return Rates(
        input=input,
        cached=_stated(figures.cached, inwards) or _rate(listed, "cache_read_mtok") or input,
        written=written or input.times(known.write if known and not found else 1.0),
        written_long=long or (input.times(known.write_long) if known and known.write_long else None),
        output=_stated(figures.output, outwards) or _rate(listed, "output_mtok"),
    )


def _rate(listed: ModelPrice | None, key: str) -> Rate | None:
    """Take a price from the list."""
    match getattr(listed, key, None):
        case None:
            return None
        case Decimal() as price:
            return Rate(price)
        case tiered:
            return Rate(tiered.base, tuple((tier.start, tier.price) for tier in tiered.tiers))


def _stated(price: float | None, factors: tuple[tuple[int, Decimal], ...]) -> Rate | None:
    """Make a stated price as many times higher past each length."""
    if price is None:
        return None
    base = Decimal(str(price))
    return Rate(base, tuple((start, base * factor) for start, factor in factors))


def _factors(
    listed: ModelPrice | None, key: str, cliffs: Iterable[tuple[int, float]]
) -> tuple[tuple[int, Decimal], ...]:
    """Give how many times a price is higher past each length: by the list, or if it has no price by ``cliffs``."""
    rate = _rate(listed, key)
    if rate and rate.base:
        return tuple((start, price / rate.base) for start, price in rate.steps)
    return tuple((start, Decimal(str(factor))) for start, factor in cliffs)


def _listed(server: Server) -> tuple[str, ModelInfo] | None:
    """Find a model in the price list: the list's name of its provider, and what it says of the model."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider = _provider(server)
        return provider.id, get_snapshot().find_provider_model(server.model, provider, None, None)[1]
    except LookupError:
        return None


def _provider(server: Server) -> Provider:
    """Find who sells: by an address that the list knows, else by the provider, else by the name of the model.

    An address nobody knows may be a gateway to a known provider; it says nothing of an unknown one.
    """
    from genai_prices.data_snapshot import get_snapshot

    known = server.provider if server.provider in KNOWN else None
    if server.base_url:
        try:
            return get_snapshot().find_provider(None, None, server.base_url)
        except LookupError:
            if known is None:
                raise
    return get_snapshot().find_provider(server.model, known, None)
