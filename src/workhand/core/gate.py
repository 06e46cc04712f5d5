"""The ingestion gate: in what form a result enters the context.

Every original is kept whole; what enters is all of it, a preview with a path, or
a pointer to an equal result that is in view.  Deciding this *before* a result
enters costs no cache at all, which is why it is the main lever on the size of a
context.  The rule is one of cost: a result enters whole if the tokens that a
preview would save are cheaper than the chance, times the price, of opening it.
"""

from __future__ import annotations

from dataclasses import replace

from workhand.core import budget
from workhand.core.body import body_of, reductions_of
from workhand.core.canonical import digest
from workhand.core.events import Observation, ToolCall, ToolReturned
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy
from workhand.core.ports import Outcome
from workhand.core.preview import preview
from workhand.core.prices import prices_of
from workhand.core.schedule import CALL_TOKENS

RESULTS = ".workhand/results"
FILED_BYTES_MIN = 600  # a result shorter than this is never worth a pointer
REPEAT_BYTES_MIN = 400  # below this a pointer is hardly shorter


def admit(log: Log, policy: Policy, call: ToolCall, outcome: Outcome) -> Observation:
    """Give the form in which what a call brought enters the context."""
    seen = as_brought(call, outcome)
    if not policy.rules.gate or seen.path is None:
        return seen
    whole = outcome.as_is or enters_whole(seen, log, policy, call.tool)
    if policy.rules.repeats and not seen.picture and (earlier := shown_equal(log, policy, seen, whole=whole)):
        note = f"[the same {len(outcome.original):,} bytes as the result of {earlier} above; {seen.path}]"
        return replace(seen, full=_headed(outcome.head, note), form="repeat")
    if whole:
        return seen
    bytes_max = int(policy.rules.preview_tokens * budget.BYTES_PER_TOKEN)
    shown = preview(outcome.original, path=seen.path, bytes_max=bytes_max)
    return replace(seen, full=_headed(outcome.head, shown.text), form="preview")


def as_brought(call: ToolCall, outcome: Outcome) -> Observation:
    """Give what a call brought as it is, and where it is kept for the model, unless it is too short for that."""
    content = outcome.original
    full = outcome.head if outcome.hidden else _headed(outcome.head, content.decode(errors="replace"))
    if len(content) < FILED_BYTES_MIN and not outcome.picture:
        return Observation(full, outcome.compact, outcome.ok, digest(content) if content else None)
    path = f"{RESULTS}/{call.id}-{call.tool}.{'bin' if outcome.hidden else 'txt'}"
    compact = f"{outcome.compact}; all {len(content):,} bytes are in {path}"
    return Observation(full, compact, outcome.ok, digest(content), path, picture=outcome.picture)


def _headed(head: str, text: str) -> str:
    return f"{head}\n{text}" if head and text else head or text


def enters_whole(seen: Observation, log: Log, policy: Policy, tool: str) -> bool:
    """Compare the price of a result with that of its preview and of opening it."""
    per_token = budget.bytes_per_token(log)
    tokens = len(seen.full.encode(errors="replace")) / per_token
    if not seen.ok:
        return tokens <= policy.error_tokens_max
    if tokens > policy.observation_tokens_max:
        return False
    prices, rules = prices_of(log, policy), policy.rules
    stays = prices.write + prices.read * rules.horizon_calls
    saved = stays * (tokens - rules.preview_tokens)
    call = prices.read * budget.context_tokens(log, policy) + prices.output * CALL_TOKENS
    opening = call + stays * min(tokens, rules.reopen_tokens)
    return saved <= reopen_rate(policy, tool) * opening


def reopen_rate(policy: Policy, tool: str) -> float:
    """Give the share of a tool's previews that are expected to be opened."""
    return next((known.share for known in policy.reopen_rates if known.tool == tool), policy.rules.reopen_rate)


def shown_equal(log: Log, policy: Policy, seen: Observation, *, whole: bool) -> str | None:
    """Give the latest call whose result is in view and equal to this one, in no lesser form than this would have."""
    if seen.blob is None or len(seen.full) < REPEAT_BYTES_MIN:
        return None
    brought = log.fold("brought", Brought)
    call = brought.wholes.get(seen.blob) or (None if whole else brought.previews.get(seen.blob))
    if call is None or call in reductions_of(log).compacted or call not in body_of(log, policy).results:
        return None
    return call


class Brought:
    """The latest calls that brought each content and showed it, whole or as a preview."""

    def __init__(self) -> None:
        self.wholes: dict[str, str] = {}
        self.previews: dict[str, str] = {}

    def take(self, entry: Entry) -> None:
        match entry.event:
            case ToolReturned(call_id, Observation(blob=str(blob), form="whole")):
                self.wholes[blob] = call_id
            case ToolReturned(call_id, Observation(blob=str(blob), form="preview")):
                self.previews[blob] = call_id
