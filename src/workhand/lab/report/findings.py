"""What happened to the context of a session: reductions, summaries, re-reads, failures, previews, breaks.

Each is a fact of the log, with the number of the call that it belongs to; calls
count from 1.  What removed text cost to write again is an estimate in tokens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from workhand.core import budget
from workhand.core.body import body_of
from workhand.core.events import (
    HistorySummarized,
    ModelAnswered,
    ModelSwitched,
    PrefixBroken,
    PricesChanged,
    ResultsCompacted,
    SummaryRejected,
    ToolReturned,
    Usage,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Prices
from workhand.core.prices import prices_of
from workhand.core.render import first_changed
from workhand.core.schedule import is_cold
from workhand.lab.report.blocks import Block, Kind

Why: TypeAlias = Literal["", "rent", "cold", "trigger", "cliff", "overflow"]

WHYS: dict[Why, str] = {
    "": "no reason is recorded",
    "rent": "what stale results had cost came up to the price of removing them",
    "cold": "the cache had expired anyway, so it was free",
    "trigger": "the context had reached the trigger",
    "cliff": "beyond this length the provider's price jumps",
    "overflow": "the request did not fit into the window",
}
GROWTH = "what had grown since the last one had cost several times the price of a summary"
KEPT = re.compile(r"\.workhand/(results|calls|history)/([\w.@+-]+)")


@dataclass(frozen=True, slots=True)
class Reduction:
    """Text taken out of the prompt; for results and calls a handle leads back, for history the transcript does."""

    position: int
    call: int  # the number of the first call after it
    what: Literal["compaction", "summary"]
    why: Why
    results: int
    arguments: int  # calls whose long arguments went
    removed_bytes: int
    removed_tokens: int  # estimated
    rewritten_tokens: int  # estimated: had been cached and had to be sent anew, in its new form
    cost: float  # of that; 0 where the cache had expired anyway
    log_path: str = ""  # of a summary

    @property
    def reason(self) -> str:
        """Say why it was made."""
        return GROWTH if self.what == "summary" and self.why == "rent" else WHYS[self.why]


@dataclass(frozen=True, slots=True)
class SummaryAsked:
    position: int
    call: int  # the number of the first call after it
    accepted: bool
    reasons: tuple[str, ...]  # why it was refused
    usage: Usage
    cost: float


@dataclass(frozen=True, slots=True)
class Reread:
    """A call that read something kept below ``.workhand/``."""

    call: int
    path: str
    of: str  # the id of the call whose result or arguments it read; empty for a transcript
    form: Kind | Literal["history", "arguments"]  # how that was shown when it was read again
    brought_bytes: int


@dataclass(frozen=True, slots=True)
class Failure:
    position: int
    call: int  # the number of the call that failed
    id: str
    tool: str
    how: str
    steps: int | None  # calls until the same tool succeeded; ``None``: it never did


@dataclass(frozen=True, slots=True)
class Previews:
    tool: str
    shown: int
    opened: int


@dataclass(frozen=True, slots=True)
class Break:
    """An unplanned break of the prefix."""

    position: int
    call: int
    piece: int
    byte: int
    reason: str


@dataclass(frozen=True, slots=True)
class Switch:
    """Another model took the place of one, for a purpose."""

    call: int  # the number of the first call after it
    purpose: str
    model: str
    reason: str


def charge(usage: Usage, prices: Prices) -> float:
    """Price what a call used, in tokens of uncached input."""
    cached, written = usage.cached_tokens, usage.written_tokens
    fresh = usage.input_tokens - cached - written
    return prices.cost(cached=cached, written=written, fresh=fresh, output=usage.output_tokens)


def priced(log: Log) -> Iterator[tuple[Entry, Prices]]:
    """Give every entry with the prices in force at it."""
    seen, prices = Log(), log.policy.prices
    for entry in log.entries:
        seen = seen.followed_by(entry)
        if isinstance(entry.event, PricesChanged | ModelSwitched):
            prices = prices_of(seen, log.policy)
        yield entry, prices


def fresh_price(log: Log) -> float:
    """Give what a token of input cost in this session, on average, when it was not read from the cache."""
    prices = prices_of(log, log.policy)
    answers = [entry.event.usage for entry in log.entries if isinstance(entry.event, ModelAnswered)]
    written = sum(usage.written_tokens for usage in answers)
    new = sum(usage.input_tokens - usage.cached_tokens for usage in answers) - written
    return (written * prices.write + new) / (written + new) if written + new else prices.write


def reductions(log: Log) -> Iterator[Reduction]:
    """Give what was taken out of the prompt, and what had to be sent anew because of it."""
    policy, dearer = log.policy, fresh_price(log) - prices_of(log, log.policy).read
    call, pending = 1, 0  # bytes that are to be sent anew because of an earlier reduction before the same call
    for index, entry in enumerate(log.entries):
        event = entry.event
        if isinstance(event, ModelAnswered):
            call, pending = call + 1, 0
        if not isinstance(event, ResultsCompacted | HistorySummarized):
            continue
        before = log.upto(index)
        after = before.followed_by(entry)
        body, per_token = body_of(after, policy), budget.bytes_per_token(before)
        removed = body_of(before, policy).size - body.size
        unchanged = body.end_of(min(first_changed(after, policy) - 1, body.asked[-1]))
        rewritten = max(0, body.end_of(body.asked[-1]) - unchanged - pending)
        pending += rewritten
        compacted = event if isinstance(event, ResultsCompacted) else ResultsCompacted(())
        yield Reduction(
            position=entry.position,
            call=call,
            what="compaction" if isinstance(event, ResultsCompacted) else "summary",
            why=event.why,
            results=len(compacted.call_ids),
            arguments=len(compacted.arguments),
            removed_bytes=removed,
            removed_tokens=round(removed / per_token),
            rewritten_tokens=round(rewritten / per_token),
            cost=0.0 if is_cold(after, prices_of(before, policy)) else rewritten / per_token * dearer,
            log_path=event.log_path if isinstance(event, HistorySummarized) else "",
        )


def summaries(log: Log) -> Iterator[SummaryAsked]:
    """Give every summary that was asked for, with what it cost."""
    call = 1
    for entry, prices in priced(log):
        match entry.event:
            case ModelAnswered():
                call += 1
            case HistorySummarized(usage=usage):
                yield SummaryAsked(entry.position, call, True, (), usage, charge(usage, prices))
            case SummaryRejected(reasons, usage):
                yield SummaryAsked(entry.position, call, False, reasons, usage, charge(usage, prices))


def rereads(log: Log, blocks: tuple[Block, ...]) -> tuple[Reread, ...]:
    """Give the calls that read something kept below ``.workhand/``, and how that was shown to them."""
    forms: dict[str, list[Block]] = {}
    for block in blocks:
        if block.kind in ("result", "preview", "repeat", "compacted"):
            forms.setdefault(block.call, []).append(block)
    known: dict[str, str] = {}  # the call of each path
    made: dict[str, list[int]] = {}  # the indices in ``found`` of what each call reads
    found: list[Reread] = []
    number = 0
    for event in log.events:
        if isinstance(event, ModelAnswered):
            number += 1
            for call in event.calls:
                for path in dict.fromkeys(match[0] for match in KEPT.finditer(call.arguments)):
                    made.setdefault(call.id, []).append(len(found))
                    found.append(_reread(number, path, known, forms))
        elif isinstance(event, ToolReturned):
            if event.observation.path:
                known[event.observation.path] = event.call_id
            for index in made.get(event.call_id, ()):
                found[index] = replace(found[index], brought_bytes=_size(event.observation.full))
    return tuple(found)


def _reread(number: int, path: str, known: dict[str, str], forms: dict[str, list[Block]]) -> Reread:
    kept, name = KEPT.fullmatch(path).groups()  # type: ignore[union-attr]  # it is what the pattern has found
    if kept == "history":
        return Reread(number, path, "", "history", 0)
    if kept == "calls":
        return Reread(number, path, name.removesuffix(".json"), "arguments", 0)
    id = known.get(path, "")
    shown = next((block.kind for block in forms.get(id, ()) if block.first <= number <= block.last), None)
    return Reread(number, path, id, shown or "history", 0)


def failures(log: Log) -> tuple[Failure, ...]:
    """Give every result that was a failure, and how many calls it took until the same tool succeeded."""
    tools: dict[str, str] = {}
    waiting: dict[str, list[int]] = {}  # the indices in ``found`` of a tool's failures that nothing has mended
    found: list[Failure] = []
    number = 0
    for entry in log.entries:
        match entry.event:
            case ModelAnswered(_, calls):
                number += 1
                tools.update((call.id, call.tool) for call in calls)
            case ToolReturned(id, seen, how):
                tool = tools.get(id, "")
                if not seen.ok:
                    waiting.setdefault(tool, []).append(len(found))
                    found.append(Failure(entry.position, number, id, tool, how, None))
                else:
                    for index in waiting.pop(tool, ()):
                        found[index] = replace(found[index], steps=number - found[index].call)
    return tuple(found)


def previews(log: Log, read: Iterable[Reread]) -> tuple[Previews, ...]:
    """Give for each tool how many of its results entered as previews, and how many of those were opened."""
    tools = {call.id: call.tool for event in log.events if isinstance(event, ModelAnswered) for call in event.calls}
    again = {reread.of for reread in read}
    entered = [
        event.call_id for event in log.events if isinstance(event, ToolReturned) and event.observation.form == "preview"
    ]
    shown = Counter(tools.get(id, "") for id in entered)
    opened = Counter(tools.get(id, "") for id in entered if id in again)
    return tuple(Previews(tool, count, opened[tool]) for tool, count in sorted(shown.items()))


def breaks(log: Log) -> Iterator[Break]:
    """Give every unplanned break of the prefix, with the call that it was found before."""
    call = 1
    for entry in log.entries:
        if isinstance(entry.event, ModelAnswered):
            call += 1
        elif isinstance(entry.event, PrefixBroken):
            yield Break(entry.position, call, entry.event.piece, entry.event.byte, entry.event.reason)


def switches(log: Log) -> Iterator[Switch]:
    call = 1
    for event in log.events:
        match event:
            case ModelAnswered():
                call += 1
            case ModelSwitched(purpose, model, reason):
                yield Switch(call, purpose.replace("_", " "), model, reason)


def refused(log: Log) -> int:
    """Count the calls that were not run: outside the mask, unknown, or the same as one that failed."""
    return sum(isinstance(event, ToolReturned) and event.how == "refused" for event in log.events)


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
