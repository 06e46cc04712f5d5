"""When to reduce the context, and how: decided by cost, on what has happened alone.

Removing text from a cached prefix saves its read price at every later call and
costs writing again what stands behind the cut.  How many calls are to come is
not known, so the rule is that of renting or buying (Karlin, Manasse, Rudolph,
Sleator, "Competitive snoopy caching", 1988): when what the stale results have
cost since the last reduction reaches the price of compacting them, compact.
A cache that has expired makes it free; the trigger and a price cliff force it.

Compaction cannot hold a window for ever, because what the model said and the
pointers stay.  When it would leave too much, the history is summarised.
Derivation, measurements and the hindsight optimum: ``docs/lab.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workhand.core import budget, routing
from workhand.core.body import HEADER_END, body_of
from workhand.core.compaction import Candidate, Stale, stale_of
from workhand.core.events import (
    HistorySummarized,
    ModelAnswered,
    ModelFailed,
    ResultsCompacted,
    SummaryRejected,
)
from workhand.core.log import Log
from workhand.core.policy import Policy, Prices
from workhand.core.prices import prices_of

SAVING_SHARE_MIN = 0.05  # of the trigger: a smaller forced reduction is not worth a broken cache
CALL_TOKENS = 60  # what a model writes to read something again
CALLS_BETWEEN_ATTEMPTS = 20  # after summaries were rejected

Why = Literal["", "rent", "cold", "trigger", "cliff", "overflow"]


@dataclass(frozen=True, slots=True)
class Summarize:
    """Show the entries before position ``until`` as a summary, which has to be written."""

    until: int
    why: Literal["rent", "trigger", "overflow"] = "trigger"


def due(log: Log, policy: Policy) -> ResultsCompacted | Summarize | None:
    """Give the reduction that is due before the next request, if any."""
    if overflowed(log):
        return _forced(log, policy, "overflow", keep=1)
    size = budget.context_tokens(log, policy)
    if size >= policy.window.trigger:
        return _forced(log, policy, "trigger", keep=policy.keep_full_results)
    stale = stale_of(log, policy)
    grown = stale.growth_rent >= policy.rules.summary_theta * _summary_price(stale, log, policy, size)
    if grown and not is_cold(log, prices_of(log, policy)) and (summary := _summary(log, policy, "rent")):
        return summary
    return _chosen(stale, log, policy, size) if stale.waiting else None


def overflowed(log: Log) -> bool:
    """Say whether the latest request did not fit, and nothing has been reduced since."""
    failed = log.latest(ModelFailed)
    if failed is None or failed.error != "ContextOverflow":
        return False
    return log.index(ModelFailed) > log.index(ModelAnswered, ResultsCompacted, HistorySummarized)


def _chosen(stale: Stale, log: Log, policy: Policy, size: int) -> ResultsCompacted | None:
    """Compact by choice: because the cache is cold, before a cliff, or because the rent is due."""
    prices, rules = prices_of(log, policy), policy.rules
    per_token = budget.bytes_per_token(log)
    worth = [each for each in stale.waiting.values() if _worth(each, size * per_token, per_token, policy, prices)]
    if not worth:
        return None
    saving = sum(each.saving for each in worth)
    cliff = prices.cliff_tokens
    if rules.when_cold and is_cold(log, prices):
        return _compacted(worth, "cold")
    if cliff is not None and size > cliff >= size - saving / per_token:
        return _compacted(worth, "cliff")
    if not rules.rent_or_buy:
        return None
    price = rebuild_bytes(worth, saving, log, policy) * (prices.write - prices.read)
    price += sum(_reading_again(each, size * per_token, per_token, policy, prices) for each in worth)
    return _compacted(worth, "rent") if stale.rent >= rules.theta * price else None


def is_cold(log: Log, prices: Prices) -> bool:
    """Say whether the provider's cache has expired since the latest answer, or is another provider's."""
    latest = log.index(ModelAnswered)
    if latest < 0:
        return False
    return routing.switched_since_asked(log) or log.entries[-1].at - log.entries[latest].at > prices.lifetime_s


def rebuild_bytes(chosen: list[Candidate], saving: int, log: Log, policy: Policy) -> int:
    """Give the bytes that have to be written again: what was cached behind the cut, in its new form."""
    body = body_of(log, policy)
    first = min(body.answers[each.call_id] if each.argument_bytes else body.results[each.call_id] for each in chosen)
    cached = body.end_of(body.asked[-1])
    return max(0, cached - body.end_of(body.boundary_before(first)) - saving)


def _worth(each: Candidate, size: float, per_token: float, policy: Policy, prices: Prices) -> bool:
    kept = prices.write + prices.read * policy.rules.horizon_calls
    return kept * each.saving > _reading_again(each, size, per_token, policy, prices)


def _reading_again(each: Candidate, size: float, per_token: float, policy: Policy, prices: Prices) -> float:
    """Give the expected price of reading a compacted result again, in bytes of uncached input."""
    rules = policy.rules
    call = prices.read * size + prices.output * CALL_TOKENS * per_token
    return rules.hazard * (call + (prices.write + prices.read * rules.horizon_calls / 2) * each.result_bytes)


def _forced(
    log: Log, policy: Policy, why: Literal["trigger", "overflow"], *, keep: int
) -> ResultsCompacted | Summarize | None:
    stale = stale_of(log, policy)
    chosen = stale.chosen(keep)
    saving = sum(each.saving for each in chosen) / budget.bytes_per_token(log)
    size, header = budget.context_tokens(log, policy), header_tokens(log, policy)
    room = policy.window.trigger - header
    enough = size - saving - header <= policy.rules.summarise_above * room
    if not enough and (summary := _summary(log, policy, why)):
        return summary
    pays = why == "overflow" or size > policy.window.hard - policy.answer_tokens_max
    if chosen and (enough or pays or saving >= SAVING_SHARE_MIN * policy.window.trigger):
        return _compacted(list(chosen), why)
    return None


def header_tokens(log: Log, policy: Policy) -> float:
    """Estimate the tokens of the fixed part of the prompt: tools and system prompt."""
    return body_of(log, policy).end_of(HEADER_END) / budget.bytes_per_token(log)


def _summary(log: Log, policy: Policy, why: Literal["rent", "trigger", "overflow"]) -> Summarize | None:
    """Give the summary to ask for; none where it would stand for nothing, or where it has failed."""
    if not policy.rules.summaries or not _may_try(log, policy):
        return None
    stale = stale_of(log, policy)
    until = min((each.answered for each in stale.recent), default=log.head)
    earlier = log.latest(HistorySummarized)
    shown_from = earlier.until if earlier else 0
    answers = (entry.position for entry in log.entries if isinstance(entry.event, ModelAnswered))
    stands_for = sum(shown_from <= position < until for position in answers)
    return Summarize(until, why) if stands_for else None


def _summary_price(stale: Stale, log: Log, policy: Policy, size: int) -> float:
    """Give the price of a summary in bytes: to ask for it, to write it, and to send what then follows the header."""
    prices, per_token = prices_of(log, policy), budget.bytes_per_token(log)
    body = body_of(log, policy)
    kept = body.size - body.end_of(
        min((body.answers[each.call_id] for each in stale.recent if each.call_id in body.answers), default=0)
    )
    tokens = policy.rules.summary_tokens
    return prices.read * size * per_token + (prices.output + prices.write) * tokens * per_token + prices.write * kept


def _may_try(log: Log, policy: Policy) -> bool:
    """Say whether a summary may be asked for: a few times, and again when some calls have passed."""
    rejected = 0
    answers = 0
    for event in log.newest_first():
        match event:
            case HistorySummarized():
                break
            case ModelAnswered():
                answers += 1
                if answers >= CALLS_BETWEEN_ATTEMPTS:
                    break
            case SummaryRejected():
                rejected += 1
    return rejected < policy.rules.summary_attempts


def _compacted(chosen: list[Candidate], why: Why) -> ResultsCompacted:
    return ResultsCompacted(
        tuple(each.call_id for each in chosen if each.result_bytes),
        arguments=tuple(each.call_id for each in chosen if each.argument_bytes),
        why=why,
    )
