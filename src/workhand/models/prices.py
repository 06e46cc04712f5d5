"""What a call cost, from the price data that ships with ``genai-prices``.

An unknown price is ``None``, never zero: a limit on money must not be fooled.
"""

from __future__ import annotations

from workhand.core.events import Usage


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
        return float(genai_prices.calc_price(counts, model, provider_api_url=base_url).total_price)
    except (LookupError, ValueError):  # unknown, or counts that contradict each other
        return None
