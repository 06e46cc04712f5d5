"""What a person states about a model that no price list knows, or states otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Prices in US dollars per million tokens, and lengths; ``None`` is what is known without them."""

    input: float | None = None
    cached: float | None = None  # of input that is read from the cache
    written: float | None = None  # of input that is written to the cache
    output: float | None = None
    window_tokens: int | None = None
    pre_rot_tokens: int | None = None  # the length past which quality falls
    sees: bool | None = None  # takes pictures
    lifetime_s: float | None = None  # of a cache entry that is not hit
