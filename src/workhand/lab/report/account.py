"""The context report of a session: where its tokens and its money went, call by call.

Everything is derived from the log.  What a provider counted is taken as counted;
what is estimated is called so in the docstring of its field.  Money is in tokens
of uncached input, the coin of all comparisons, and in dollars where the price of
every call is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workhand.core.audit import SHORTFALL_SHARE, SHORTFALL_TOKENS, CallAudit, Reason, audit
from workhand.core.events import ModelAnswered, ToolReturned, Usage
from workhand.core.log import Log
from workhand.core.policy import Prices, Window
from workhand.core.prices import prices_of
from workhand.lab.hindsight.optimum import optimum
from workhand.lab.report.blocks import Block, Kind, Share, doing, shares, shown
from workhand.lab.report.findings import (
    Break,
    Failure,
    Previews,
    Reduction,
    Reread,
    SummaryAsked,
    Switch,
    breaks,
    charge,
    failures,
    fresh_price,
    previews,
    priced,
    reductions,
    refused,
    rereads,
    summaries,
    switches,
)
from workhand.lab.report.instead import original_bytes, steps, unreduced

REASONS: dict[Reason, str] = {
    "": "as planned",
    "first": "the first request: there was nothing to reuse",
    "cold": "the cache had expired: the pause was longer than its lifetime",
    "reduced": "a planned reduction had changed the prompt",
    "rewound": "the session had been rewound",
    "broken": "UNPLANNED: the request did not begin with the one before it",
    "model": "another model answered than before",
    "provider": "the provider served less than what was unchanged",
}
TOKENS_PER_BYTE = 0.25  # where a server counts nothing


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the model, with its request as it was billed."""

    number: int  # from 1
    position: int
    gap_s: float  # since the answer before; 0 for the first
    did: str  # the tool that it called and the telling argument, or its words; as the model wrote them
    shares: tuple[Share, ...]
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    new_tokens: int  # neither cached nor written
    output_tokens: int
    planned_tokens: int  # estimated: what it shares with the request before
    missed_tokens: int  # planned and not served, for the reason that is given
    reason: Reason
    provider_says: str  # why its cache missed, where it tells
    cost: float  # in tokens of uncached input
    cost_usd: float | None
    uncached_cost: float  # of the same request without any cache
    append_only_tokens: int | None  # estimated; ``None``: it would not have been needed, as it read something again
    append_only_cost: float  # estimated
    first_token_s: float | None

    @property
    def because(self) -> str:
        """Say why less was cached than the whole request before."""
        return REASONS[self.reason] + (f"; the provider says: {self.provider_says}" if self.provider_says else "")

    @property
    def context_tokens(self) -> int:
        """Give the size of the request, estimated where the server counts nothing."""
        return sum(share.tokens for share in self.shares)


@dataclass(frozen=True, slots=True)
class Totals:
    calls: int
    input_tokens: int  # summaries included, as in all sums of tokens and money
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    cost: float
    cost_usd: float | None  # ``None``: the price of some call is unknown
    uncached_cost: float
    append_only_cost: float  # estimated
    append_only_over: int  # calls that would not have fitted into the window without reductions
    optimum_cost: float | None  # estimated; ``None``: it was not asked for
    peak_tokens: int
    peak_call: int
    mean_tokens: float
    over_pre_rot: int  # calls
    hidden_bytes: int  # originals that the latest request did not show whole
    restorable_bytes: int  # those of them that a handle gives back
    unstated: int  # originals whose size the log does not tell
    missed_tokens: int
    removed_tokens: int
    rewritten_tokens: int


@dataclass(frozen=True, slots=True)
class Report:
    models: tuple[str, ...]  # that answered, in the order of their first answer
    window: Window
    prices: Prices  # at the end
    calls: tuple[Call, ...]
    blocks: tuple[Block, ...]
    reductions: tuple[Reduction, ...]
    summaries: tuple[SummaryAsked, ...]
    rereads: tuple[Reread, ...]
    failures: tuple[Failure, ...]
    previews: tuple[Previews, ...]
    breaks: tuple[Break, ...]
    switches: tuple[Switch, ...]
    refused_calls: int
    totals: Totals


def report(log: Log, *, in_hindsight: bool = False) -> Report:
    """Account for everything in view of a log; ``in_hindsight`` also finds what the cheapest compactions would cost."""
    seen = shown(log)
    read = rereads(log, seen.blocks)
    calls = _calls(log, seen.sizes, read)
    reduced, asked, broken = tuple(reductions(log)), tuple(summaries(log)), tuple(breaks(log))
    return Report(
        models=tuple(dict.fromkeys(event.model for event in log.events if isinstance(event, ModelAnswered))),
        window=log.policy.window,
        prices=prices_of(log, log.policy),
        calls=calls,
        blocks=seen.blocks,
        reductions=reduced,
        summaries=asked,
        rereads=read,
        failures=failures(log),
        previews=previews(log, read),
        breaks=broken,
        switches=tuple(switches(log)),
        refused_calls=refused(log),
        totals=_totals(log, calls, asked, reduced, _hidden(log, seen.blocks, len(calls)), in_hindsight),
    )


def _calls(log: Log, sizes: tuple[dict[Kind, int], ...], read: Iterable[Reread]) -> tuple[Call, ...]:
    accounts = audit(log)
    again = {reread.call for reread in read if reread.form != "result"}
    left_out = {account.position for number, account in enumerate(accounts, 1) if number in again}
    instead = _Instead(fresh_price(log), unreduced(log, left_out))
    found: list[Call] = []
    before_at = None
    for entry, prices in priced(log):
        event = entry.event
        if not isinstance(event, ModelAnswered):
            continue
        account, size, usage = accounts[len(found)], sizes[len(found)], event.usage
        gap_s = entry.at - before_at if before_at is not None else 0.0
        missed = account.planned_tokens - usage.cached_tokens
        if account.reason in ("", "first") or missed <= max(SHORTFALL_TOKENS, SHORTFALL_SHARE * account.planned_tokens):
            missed = 0
        per_byte = usage.input_tokens / sum(size.values()) if usage.input_tokens else TOKENS_PER_BYTE
        tokens, cost = instead.call(len(found), account, prices, per_byte, size.get("recital", 0), gap_s)
        found.append(
            Call(
                number=len(found) + 1,
                position=entry.position,
                gap_s=gap_s,
                did=doing(event),
                shares=shares(size, round(per_byte * sum(size.values()))),
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_tokens,
                written_tokens=usage.written_tokens,
                new_tokens=usage.input_tokens - usage.cached_tokens - usage.written_tokens,
                output_tokens=usage.output_tokens,
                planned_tokens=account.planned_tokens,
                missed_tokens=missed,
                reason=account.reason,
                provider_says=event.missed,
                cost=charge(usage, prices),
                cost_usd=usage.cost_usd,
                uncached_cost=_uncached(usage, prices),
                append_only_tokens=tokens,
                append_only_cost=cost,
                first_token_s=event.first_token_s,
            )
        )
        before_at = entry.at
    return tuple(found)


@dataclass(slots=True)
class _Instead:
    """The same session with nothing reduced, billed as this one was."""

    fresh: float  # the price of what is not cached
    sizes: tuple[int | None, ...]
    before: int = 0  # bytes of the request before

    def call(
        self, index: int, account: CallAudit, prices: Prices, per_byte: float, tail: int, gap_s: float
    ) -> tuple[int | None, float]:
        """Estimate the tokens and the price of a request."""
        size = self.sizes[index]
        if size is None:
            return None, 0.0
        total, shared = (size + tail) * per_byte, self.before * per_byte
        self.before = size
        if account.reason == "first":
            cached = float(account.cached_tokens)
        elif account.reason == "model" or (account.reason and gap_s > prices.lifetime_s):
            cached = 0.0
        elif account.reason == "provider":  # it would have served as small a share of this
            cached = shared * account.cached_tokens / account.planned_tokens
        else:
            cached = shared
        cost = cached * prices.read + (total - cached) * self.fresh + account.output_tokens * prices.output
        return round(total), cost * prices.factor(round(total))


def _uncached(usage: Usage, prices: Prices) -> float:
    return prices.cost(cached=0, written=0, fresh=usage.input_tokens, output=usage.output_tokens)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """The originals that the latest request did not show whole, in bytes."""

    bytes: int
    restorable_bytes: int
    unstated: int


def _hidden(log: Log, blocks: Iterable[Block], latest: int) -> _Hidden:
    whole = {block.call for block in blocks if block.kind == "result" and block.last == latest}
    index = log.index(ModelAnswered)
    results = [event for event in log.events[: max(0, index)] if isinstance(event, ToolReturned)]
    hidden = [result.observation for result in results if result.call_id not in whole]
    sizes = [(seen, original_bytes(seen)) for seen in hidden]
    return _Hidden(
        sum(size or 0 for _, size in sizes),
        sum(size or 0 for seen, size in sizes if seen.blob is not None or seen.form == "whole"),
        sum(size is None for _, size in sizes),
    )


def _totals(
    log: Log,
    calls: tuple[Call, ...],
    asked: tuple[SummaryAsked, ...],
    reduced: tuple[Reduction, ...],
    hidden: _Hidden,
    in_hindsight: bool,
) -> Totals:
    usages = [event.usage for event in log.events if isinstance(event, ModelAnswered)]
    usages += [summary.usage for summary in asked]
    dollars = [usage.cost_usd for usage in usages if usage.cost_usd is not None]
    sizes = [call.context_tokens for call in calls]
    peak = max(range(len(sizes)), key=sizes.__getitem__, default=-1)
    without = [call.append_only_tokens for call in calls if call.append_only_tokens is not None]
    return Totals(
        calls=len(calls),
        input_tokens=sum(usage.input_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        written_tokens=sum(usage.written_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cost=sum(call.cost for call in calls) + sum(summary.cost for summary in asked),
        cost_usd=sum(dollars) if len(dollars) == len(usages) else None,
        uncached_cost=sum(call.uncached_cost for call in calls)
        + sum(_uncached(summary.usage, prices_of(log, log.policy)) for summary in asked),
        append_only_cost=sum(call.append_only_cost for call in calls),
        append_only_over=sum(tokens > log.policy.window.hard for tokens in without),
        optimum_cost=optimum(steps(log)).cost if in_hindsight and calls else None,
        peak_tokens=sizes[peak] if calls else 0,
        peak_call=peak + 1,
        mean_tokens=sum(sizes) / len(sizes) if sizes else 0.0,
        over_pre_rot=sum(size > log.policy.window.pre_rot for size in sizes),
        hidden_bytes=hidden.bytes,
        restorable_bytes=hidden.restorable_bytes,
        unstated=hidden.unstated,
        missed_tokens=sum(call.missed_tokens for call in calls),
        removed_tokens=sum(reduction.removed_tokens for reduction in reduced),
        rewritten_tokens=sum(reduction.rewritten_tokens for reduction in reduced),
    )
