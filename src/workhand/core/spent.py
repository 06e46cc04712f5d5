"""What a session has used: steps, tokens, money and time of work."""

from __future__ import annotations

from dataclasses import dataclass

from workhand.core.events import (
    ApprovalGiven,
    Event,
    Forked,
    HistorySummarized,
    LimitsChanged,
    ModelAnswered,
    Resumed,
    SummaryRejected,
    UserSaid,
)

_AFTER_A_WAIT = (UserSaid, ApprovalGiven, Resumed, Forked, LimitsChanged)


@dataclass(frozen=True, slots=True)
class Spent:
    steps: int = 0  # answers of the model
    input_tokens: int = 0  # those read from the cache included
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0  # answers whose price is unknown: ``cost_usd`` leaves them out
    seconds: float = 0.0  # of work; the wait before a message or a restart is not counted

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cached_share(self) -> float:
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0

    def plus(self, event: Event, gap_s: float) -> Spent:
        """Add one event, ``gap_s`` seconds after the one before."""
        worked = 0.0 if isinstance(event, _AFTER_A_WAIT) else max(0.0, gap_s)
        if isinstance(event, ModelAnswered | HistorySummarized | SummaryRejected):
            usage = event.usage
            return Spent(
                self.steps + isinstance(event, ModelAnswered),
                self.input_tokens + usage.input_tokens,
                self.cached_tokens + usage.cached_tokens,
                self.output_tokens + usage.output_tokens,
                self.cost_usd + (usage.cost_usd or 0.0),
                self.unpriced + (usage.cost_usd is None),
                self.seconds + worked,
            )
        if not worked:
            return self
        return Spent(
            self.steps,
            self.input_tokens,
            self.cached_tokens,
            self.output_tokens,
            self.cost_usd,
            self.unpriced,
            self.seconds + worked,
        )


NOTHING = Spent()
