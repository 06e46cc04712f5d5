"""A provider's own counts of one call, under the names that the providers and the recorders give them.

OpenAI's ``prompt_tokens`` and ``input_tokens`` include what was cached, and so do
Codex, OpenHands and ATIF.  Anthropic's ``input_tokens`` leave out what was read
from or written to the cache; here they are added, as ``Usage`` has it.
"""

from __future__ import annotations

import math
from typing import Any

from workhand.core.events import Usage
from workhand.lab.formats.records import inner

_DETAILS = ("prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details")
_CACHED = (
    *("cached_tokens", "cached_input_tokens", "cache_read_input_tokens", "cache_read_tokens"),
    "prompt_cache_hit_tokens",
)
_WRITTEN = (
    *("cache_write_tokens", "cache_write_input_tokens", "cache_creation_input_tokens", "cache_creation_tokens"),
)
_REASONING = ("reasoning_tokens", "reasoning_output_tokens")


def usage(recorded: object) -> Usage | None:
    """Give the counts of one call, or nothing if there are none."""
    if not isinstance(recorded, dict) or not {"prompt_tokens", "input_tokens"} & recorded.keys():
        return None
    counts = {**inner(recorded, "extra"), **_details(recorded), **recorded}
    cached, written = _count(counts, *_CACHED), _count(counts, *_WRITTEN)
    inclusive = (
        "prompt_tokens" in recorded
        or not {
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        }
        & counts.keys()
    )
    sent = _count(recorded, "prompt_tokens", "input_tokens")
    return Usage(
        sent if inclusive else sent + cached + written,
        cached,
        written,
        _count(recorded, "completion_tokens", "output_tokens"),
        _count(counts, *_REASONING),
        _cost(counts),
    )


def recorded(counts: Usage) -> dict[str, Any]:
    """Write counts down, in names that ``usage`` reads."""
    return {
        "prompt_tokens": counts.input_tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cached_tokens, "cache_write_tokens": counts.written_tokens},
        "completion_tokens": counts.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        **({} if counts.cost_usd is None else {"cost_usd": counts.cost_usd}),
    }


def _details(recorded: dict[str, Any]) -> dict[str, Any]:
    return {name: count for part in _DETAILS for name, count in inner(recorded, part).items()}


def _count(counts: dict[str, Any], *names: str) -> int:
    for name in names:
        value = counts.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0


def _cost(counts: dict[str, Any]) -> float | None:
    cost = counts.get("cost_usd", counts.get("cost"))
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not math.isfinite(cost):
        return None
    return float(cost)
