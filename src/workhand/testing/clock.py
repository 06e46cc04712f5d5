"""A clock that moves by a fixed step each time it is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class StepClock:
    at: float = 1_700_000_000.0
    step_s: float = 0.001

    def now(self) -> float:
        self.at = round(self.at + self.step_s, 6)
        return self.at
