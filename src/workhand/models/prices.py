"""What calls cost, from the price data that ships with ``genai-prices``.

An unknown price is ``None``, never zero: a limit on money must not be fooled.
How long a cache lives is in no package; ``LIFETIMES_S`` has it by provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workhand.core.events import Usage
from workhand.core.policy import Prices

if TYPE_CHECKING:
    from decimal import Decimal

LIFETIMES_S = {  # of a cache entry that is not hit, as the providers document it in November 2026
    "anthropic": 300.0,  # the shorter of two
    "openai": 1_800.0,  # at least, since GPT-5.6
    "deepseek": 3_600.0,  # "hours to days"
}
LIFETIME_S = 300.0  # elsewhere


def cost_usd(model: str, base_url: str, usage: Usage) -> float | None:
    """Give the price of one call of ``model`` at the provider that serves ``base_url``."""
    import genai_prices

    counts = genai_prices.Usage(
        input_tokens=usage.input_tokens,  # inclusive of what was read from and written to the cache
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.written_tokens,
        output_tokens=usage.output_tokens,
    )
    try:
        return float(genai_prices.calc_price(counts, model, provider_api_url=base_url or None).total_price)
    except (LookupError, ValueError):  # unknown, or counts that contradict each other
        return None


def relative(model: str, base_url: str = "") -> Prices | None:
    """Give a model's prices relative to its uncached input; ``None`` if they are unknown.

    Where writing to the cache has no price of its own it costs what input costs, and so does
    reading where a model has no cache.  A higher price past some length becomes the cliff.
    """
    import genai_prices

    try:
        known = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_api_url=base_url or None)
    except (LookupError, ValueError):
        return None
    listed = known.model_price
    amount = _base(listed.input_mtok)
    if not amount:
        return None
    cliff_tokens, dearer = _cliff(listed.input_mtok)
    return Prices(
        read=(_base(listed.cache_read_mtok) or amount) / amount,
        write=(_base(listed.cache_write_mtok) or amount) / amount,
        output=_base(listed.output_mtok) / amount,
        lifetime_s=LIFETIMES_S.get(known.provider.id, LIFETIME_S),
        cliff_tokens=cliff_tokens,
        cliff_factor=dearer / amount if dearer else 1.0,
    )


def _base(price: object) -> float:
    """Give a price below any tier."""
    return float(_decimal(getattr(price, "base", price)))


def _cliff(price: object) -> tuple[int | None, float]:
    """Give the length past which a price is higher, and that price."""
    tiers = getattr(price, "tiers", ())
    if not tiers:
        return None, 0.0
    first = min(tiers, key=lambda tier: tier.start)
    return int(first.start), float(_decimal(first.price))


def _decimal(price: object) -> Decimal:
    from decimal import Decimal

    return price if isinstance(price, Decimal) else Decimal(0)
