"""What tokens cost in this session now, relative to uncached input."""

from __future__ import annotations

from workhand.core.events import PricesChanged
from workhand.core.log import Log
from workhand.core.policy import Policy, Prices


def prices_of(log: Log, policy: Policy) -> Prices:
    """Give the prices in force: the policy's, or those that were recorded later."""
    changed = log.latest(PricesChanged)
    return changed.prices if changed else policy.prices
