"""What a session would have been without its reductions, and as steps whose sizes are known.

The log's own events are replayed with every reduction left out and every result as
large as its original.  The text of an original that entered as a preview is not in
the log, but its size is: the compact form states it.  What is estimated is how many
bytes its text takes inside JSON (as many for a byte as the preview's own), and
tokens (by the ratio that the same call's own request has).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from workhand.core import budget, canonical
from workhand.core.body import HEADER_END, body_of
from workhand.core.compaction import candidate
from workhand.core.events import (
    HistorySummarized,
    ModelAnswered,
    NoticeGiven,
    Observation,
    ResultsCompacted,
    ToolCall,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.prices import prices_of
from workhand.lab.hindsight.compactions import Instance, Result, Step

STATED = re.compile(r"; all ([\d,]{1,20}) bytes are in [^\n]+\Z")


def original_bytes(seen: Observation) -> int | None:
    """Give the size of what a result was before anything was left out; ``None`` where the log does not tell."""
    stated = STATED.search(seen.compact)
    if stated:
        return int(stated[1].replace(",", ""))
    return len(seen.full.encode(errors="replace")) if seen.form == "whole" else None


def unreduced(log: Log, left_out: Collection[int]) -> tuple[int | None, ...]:
    """Give the bytes of each request's body if nothing had been reduced; ``None`` for a call that is left out.

    ``left_out`` are the positions of answers that would not have been needed, because they read again what
    was not shown.  Neither they nor what they brought are in the other requests.
    """
    sizes: list[int | None] = []
    policy, seen, more = log.policy, Log(), 0
    dropped: set[str] = set()
    for entry in log.entries:
        match entry.event:
            case ResultsCompacted() | HistorySummarized():
                continue
            case ModelAnswered(_, calls) if entry.position in left_out:
                dropped.update(call.id for call in calls)
                sizes.append(None)
                continue
            case ModelAnswered():
                sizes.append(body_of(seen, policy).size + more)
            case ToolReturned(call_id, observation):
                if call_id in dropped:
                    continue
                more += _left_out_bytes(observation)
        seen = seen.followed_by(entry)
    return tuple(sizes)


def steps(log: Log) -> Instance:
    """Give a session as a search for the cheapest compactions needs it: every result in full as it entered."""
    policy, per_token = log.policy, budget.bytes_per_token(log)
    prices = prices_of(log, policy)
    found: list[Step] = []
    calls: dict[str, ToolCall] = {}
    said, asked_at = 0, None
    for entry in log.entries:
        match entry.event:
            case UserSaid(text) | NoticeGiven(text):
                said += len(canonical.encode(text))
            case ModelAnswered(text, made):
                calls.update((call.id, call) for call in made)
                size = len(canonical.encode([text, *(call.arguments for call in made)]))
                cold = asked_at is not None and entry.at - asked_at > prices.lifetime_s
                found.append(Step(round(size / per_token), said_tokens=round(said / per_token), cold=cold))
                said, asked_at = 0, entry.at
            case ToolReturned(call_id, observation) as result if found:
                full = len(canonical.encode(observation.full))
                goes = candidate(calls.get(call_id), result)
                compact = full - goes.result_bytes if goes else full
                brought = Result(round(full / per_token), round(compact / per_token))
                found[-1] = replace(found[-1], results=(*found[-1].results, brought))
    prefix = round(body_of(log, policy).end_of(HEADER_END) / per_token)
    prices = replace(prices, write=max(prices.write, prices.read), cliff_tokens=None)  # what the search supposes
    return Instance(tuple(found), prices, prefix, policy.keep_full_results, policy.window.trigger)


def _left_out_bytes(seen: Observation) -> int:
    """Estimate how much longer the piece of a result would be if its original had entered."""
    original = original_bytes(seen)
    size = len(seen.full.encode(errors="replace"))
    if seen.form == "whole" or original is None or original <= size:
        return 0
    return round((original - size) * (len(canonical.encode(seen.full)) - 2) / size)
