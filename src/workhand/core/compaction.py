"""Reversible reduction: which results are stale, and what compacting them would save.

Stale is what is older than the newest ``keep_full_results``, is no failure (they
teach), did not speak to the user or plan, and has a compact form that leads back
to the whole.  Each result is compacted at most once, into a form that never
changes again, and its call's own long arguments go with it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from workhand.core import compact
from workhand.core.events import (
    HistorySummarized,
    ModelAnswered,
    PricesChanged,
    ResultsCompacted,
    ToolCall,
    ToolReturned,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy
from workhand.core.prompt import PICTURE_BYTES

SAVING_BYTES_MIN = 200  # below this a compact form is hardly shorter than the whole


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call whose result, arguments or both can be shown in compact form."""

    call_id: str
    result_bytes: int  # saved by the result's compact form; 0 where it has none
    argument_bytes: int  # saved by the arguments'

    @property
    def saving(self) -> int:
        return self.result_bytes + self.argument_bytes


def stale_of(log: Log, policy: Policy) -> Stale:
    """Give what is stale now."""
    return log.fold(("stale", policy), lambda: Stale(policy))


class Stale:
    """The stale results as a fold, with what they have cost since the last reduction: their rent."""

    def __init__(self, policy: Policy) -> None:
        self.waiting: dict[str, Candidate] = {}  # stale and not compacted, oldest first
        self.saving = 0  # bytes that compacting all of them would save
        self.rent = 0.0  # what they have cost, in bytes of uncached input
        self.growth_rent = 0.0  # the same for all that has come since the last summary
        self.recent: deque[_Recent] = deque()  # the newest results
        self._keep = policy.keep_full_results
        self._arguments = policy.rules.arguments
        self._read = policy.prices.read
        self._base: int | None = None  # bytes of the first prompt since the last summary
        self._calls: dict[str, tuple[ToolCall, int]] = {}
        self._shown: dict[str | None, str] = {}  # the latest call that brought each content and showed it

    def take(self, entry: Entry) -> None:
        match entry.event:
            case ModelAnswered(_, calls) as answer:
                self._base = answer.prompt_bytes if self._base is None else min(self._base, answer.prompt_bytes)
                self.rent += self._read * self.saving
                self.growth_rent += self._read * (answer.prompt_bytes - self._base)
                self._calls.update((call.id, (call, entry.position)) for call in calls)
            case ToolReturned() as result:
                self._returned(result, entry.position)
            case PricesChanged(prices):
                self._read = prices.read
            case ResultsCompacted(ids) as reduction:
                self.rent = 0.0
                self._drop({*ids, *reduction.arguments})
            case HistorySummarized(until):
                self.rent = self.growth_rent = 0.0
                self._base = None
                self._drop(set(self.waiting))
                kept = (each for each in self.recent if each.answered >= until)
                self.recent = deque(each if each.is_own else replace(each, candidate=None) for each in kept)

    def chosen(self, keep: int) -> tuple[Candidate, ...]:
        """Give what is stale if only the newest ``keep`` results stay in full."""
        recent = list(self.recent)[: max(0, len(self.recent) - keep)]
        return (*self.waiting.values(), *(each.candidate for each in recent if each.candidate is not None))

    def _returned(self, result: ToolReturned, position: int) -> None:
        call, answered = self._calls.pop(result.call_id, (None, position))
        chosen = candidate(call, result, arguments=self._arguments)
        if result.observation.form == "repeat":
            chosen = self._called_back(result.observation.blob) or chosen
        else:
            self._shown[result.observation.blob] = result.call_id
        self.recent.append(_Recent(result.call_id, answered, chosen))
        if len(self.recent) > self._keep:
            aged = self.recent.popleft().candidate
            if aged is not None:
                self.waiting[aged.call_id] = aged
                self.saving += aged.saving

    def _called_back(self, blob: str | None) -> Candidate | None:
        """Take back the result that a repeat points to: it stays in full as long as the repeat is new."""
        id = self._shown.get(blob, "")
        if id in self.waiting:
            self.saving -= self.waiting[id].saving
            return self.waiting.pop(id)
        found = next((each for each in self.recent if each.candidate and each.candidate.call_id == id), None)
        if found is None:
            return None
        self.recent = deque(replace(each, candidate=None) if each is found else each for each in self.recent)
        return found.candidate

    def _drop(self, ids: set[str]) -> None:
        for id in ids:
            gone = self.waiting.pop(id, None)
            self.saving -= gone.saving if gone else 0
        self.recent = deque(
            replace(each, candidate=None) if each.candidate and each.candidate.call_id in ids else each
            for each in self.recent
        )


@dataclass(frozen=True, slots=True)
class _Recent:
    """One of the newest results: where its call stands, and what could be saved on it, if anything."""

    call_id: str
    answered: int
    candidate: Candidate | None  # of a repeat: of the result that it points to

    @property
    def is_own(self) -> bool:
        return self.candidate is None or self.candidate.call_id == self.call_id


def candidate(call: ToolCall | None, result: ToolReturned, *, arguments: bool = True) -> Candidate | None:
    """Give what can be saved on a call; ``None`` if it stays as it is for ever."""
    seen = result.observation
    if not seen.ok or result.how != "ran" or (call and call.tool.startswith(("message_", "plan_"))):
        return None
    shorter = len(seen.full.encode(errors="replace")) - len(seen.compact.encode(errors="replace"))
    shorter += PICTURE_BYTES if seen.picture else 0
    leads_back = seen.path is not None and seen.path in seen.compact
    result_bytes = shorter if leads_back and shorter >= SAVING_BYTES_MIN else 0
    argument_bytes = compact.saving(call) if call and arguments else 0
    argument_bytes = argument_bytes if argument_bytes >= SAVING_BYTES_MIN else 0
    return Candidate(result.call_id, result_bytes, argument_bytes) if result_bytes or argument_bytes else None
