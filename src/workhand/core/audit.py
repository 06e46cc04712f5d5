"""Was each request what it was planned to be, and did the cache serve what it could?

Before a request is sent its body is compared with the one before it: between
recorded reductions it must begin with all of it, and after one with what the
reduction left alone.  Anything else is an unplanned break: it is recorded, with
the piece and the byte.  After the answer the provider's own count is compared
with what was planned, and a shortfall gets a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias

from workhand.core.body import body_of
from workhand.core.events import (
    HistorySummarized,
    ModelAnswered,
    PrefixBroken,
    ResultsCompacted,
    Rewound,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy
from workhand.core.prices import prices_of
from workhand.core.prompt import Prompt
from workhand.core.render import first_changed

Reason: TypeAlias = Literal["", "first", "cold", "reduced", "rewound", "broken", "model", "provider"]

SHORTFALL_SHARE = 0.02  # of the planned tokens: below this a cached count is as planned
SHORTFALL_TOKENS = 256  # and so is one within a provider's granularity


class Audit:
    """The bodies that were sent, one after the other: what is unchanged is compared and hashed once."""

    def __init__(self) -> None:
        self._body: tuple[bytes, ...] = ()
        self._hash = sha256()

    def check(self, log: Log, policy: Policy, prompt: Prompt) -> PrefixBroken | None:
        """Say where the body that is about to be sent does not begin as planned."""
        planned = min(len(self._body), first_changed(log, policy))
        if not self._body:
            return _since_awake(log, policy)
        if rewound_since_asked(log):
            return None
        for index in range(planned):
            before = self._body[index]
            after = prompt.body[index] if index < len(prompt.body) else b""
            if before is not after and before != after:
                reason = "the piece was rendered differently than in the request before"
                return PrefixBroken(index, _first_difference(before, after), reason)
        return None

    def sent(self, body: tuple[bytes, ...]) -> str:
        """Give the digest of a body: SHA-256 over its pieces, a line feed after each."""
        known = len(self._body)
        if len(body) < known or any(a is not b and a != b for a, b in zip(self._body, body, strict=False)):
            known, self._hash = 0, sha256()
        for piece in body[known:]:
            self._hash.update(piece + b"\n")
        self._body = body
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class CallAudit:
    """One call of the model: what its cache should have served, and what it did."""

    position: int
    input_tokens: int
    planned_tokens: int  # estimated: what it shares with the request before
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    cost_usd: float | None
    reason: Reason  # why less was cached than the whole request before; empty: nothing was missed


def audit(log: Log) -> tuple[CallAudit, ...]:
    """Give the account of every call in view."""
    return tuple(_calls(log))


def rewound_since_asked(log: Log) -> bool:
    return Rewound in log.last and log.index(Rewound) > log.index(ModelAnswered)


def _calls(log: Log) -> Iterator[CallAudit]:
    lifetime_s = prices_of(log, log.policy).lifetime_s
    before: Entry | None = None
    marks: set[type] = set()  # kinds of events since the call before
    seen = Log()
    for entry in log.entries:
        if isinstance(entry.event, ModelAnswered):
            planned = _planned_tokens(seen, entry.event) if before else 0
            reason = _reason(entry, before, planned, marks, lifetime_s)
            usage = entry.event.usage
            counts = (usage.cached_tokens, usage.written_tokens, usage.output_tokens)
            yield CallAudit(entry.position, usage.input_tokens, planned, *counts, usage.cost_usd, reason)
            before = entry
            marks.clear()
        marks.add(type(entry.event))
        seen = seen.followed_by(entry)


def _planned_tokens(seen: Log, answer: ModelAnswered) -> int:
    """Estimate the tokens that a request shares with the one before it."""
    body = body_of(seen, seen.policy)
    shared = body.end_of(min(first_changed(seen, seen.policy) - 1, body.asked[-1]))
    return round(shared * answer.usage.input_tokens / answer.prompt_bytes) if answer.prompt_bytes else 0


def _reason(entry: Entry, before: Entry | None, planned: int, marks: set[type], lifetime_s: float) -> Reason:
    answer = entry.event
    assert isinstance(answer, ModelAnswered)
    if before is None or not isinstance(before.event, ModelAnswered):
        return "first"
    if PrefixBroken in marks:
        return "broken"
    if Rewound in marks:
        return "rewound"
    if ResultsCompacted in marks or HistorySummarized in marks:
        return "reduced"
    if planned - answer.usage.cached_tokens <= max(SHORTFALL_TOKENS, SHORTFALL_SHARE * planned):
        return ""
    if answer.model != before.event.model:
        return "model"
    return "cold" if entry.at - before.at > lifetime_s else "provider"


def _since_awake(log: Log, policy: Policy) -> PrefixBroken | None:
    """Compare the first request after waking with the digest that the log holds of the one before."""
    answer = log.latest(ModelAnswered)
    if answer is None or not answer.prompt_digest or rewound_since_asked(log):
        return None
    if log.index(ResultsCompacted, HistorySummarized) > log.index(ModelAnswered):
        return None
    body = body_of(log, policy)
    digest = sha256(b"".join(piece + b"\n" for piece in body.pieces[: body.asked[-1] + 1])).hexdigest()
    if digest == answer.prompt_digest:
        return None
    return PrefixBroken(-1, 0, "the session renders differently than when it was last awake")


def _first_difference(before: bytes, after: bytes) -> int:
    pairs = enumerate(zip(before, after, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(before), len(after)))
