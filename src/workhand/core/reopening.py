"""How often the preview of a result was not enough, by tool: what the gate learns from.

A preview is *opened* if a later call names the path of its whole.  Shares are
estimated as the mean of a Beta distribution whose prior is the rate of ``Rules``,
worth ``PRIOR_WEIGHT`` previews, so that a few sessions do not swing the gate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from workhand.core.events import ModelAnswered, ToolReturned
from workhand.core.log import Log
from workhand.core.policy import ReopenRate, Rules

PRIOR_WEIGHT = 10


@dataclass(frozen=True, slots=True)
class Opened:
    """How many previews of a tool's results there were, and how many of them were opened."""

    tool: str
    previews: int
    opened: int

    def plus(self, other: Opened) -> Opened:
        return Opened(self.tool, self.previews + other.previews, self.opened + other.opened)


def opened(log: Log, *, since: int = 0) -> tuple[Opened, ...]:
    """Count the previews that entered from position ``since`` on."""
    tools: dict[str, str] = {}
    previews: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    waiting: dict[str, str] = {}  # the paths of previews that were not opened yet, and their tools
    for entry in log.entries:
        match entry.event:
            case ModelAnswered(_, calls):
                tools.update((call.id, call.tool) for call in calls)
                for path in [path for path in waiting for call in calls if path in call.arguments]:
                    opened[waiting.pop(path)] += 1
            case ToolReturned(call_id, seen) if entry.position >= since and seen.form == "preview" and seen.path:
                tool = tools.get(call_id, "")
                previews[tool] += 1
                waiting[seen.path] = tool
    return tuple(Opened(tool, count, opened[tool]) for tool, count in sorted(previews.items()))


def rates(known: tuple[Opened, ...], rules: Rules) -> tuple[ReopenRate, ...]:
    """Estimate the share of each tool's previews that will be opened."""
    prior = rules.reopen_rate * PRIOR_WEIGHT
    return tuple(
        ReopenRate(each.tool, round((prior + each.opened) / (PRIOR_WEIGHT + each.previews), 4)) for each in known
    )
