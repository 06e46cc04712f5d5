"""What tokens cost in this session now, relative to uncached input."""

from __future__ import annotations

from workhand.core.events import ModelSwitched, PricesChanged
from workhand.core.log import Log
from workhand.core.policy import Policy, Prices
from workhand.core.routing import in_force


def prices_of(log: Log, policy: Policy) -> Prices:
    """Give the prices in force: those recorded last, or those of the model that acts."""
    changed = log.latest(PricesChanged)
    if changed and log.index(PricesChanged) > log.index(ModelSwitched):
        return changed.prices
    return in_force(log, policy).prices
