"""Turn a log into exactly what the model reads.

The body is built by ``body``; here it is cut into what may be cached.  The tail,
the recited plan, is outside the body: it stands behind the last breakpoint and
is not kept, so it costs its own tokens and never a cached one.
"""

from __future__ import annotations

from workhand.core import recital, routing
from workhand.core.body import HEADER_END, body_of
from workhand.core.events import HistorySummarized, ModelAnswered, ResultsCompacted
from workhand.core.log import Log
from workhand.core.policy import Policy
from workhand.core.prompt import Prompt

LOOK_BACK = 16  # pieces: a provider finds what was cached at most 20 blocks before a breakpoint


def render(log: Log, policy: Policy) -> Prompt:
    """Give the prompt for the next answer."""
    body = body_of(log, policy)
    newest = len(body.pieces) - 1
    unchanged = body.boundary_before(first_changed(log, policy))
    breakpoints = sorted({HEADER_END, unchanged, max(unchanged, newest - LOOK_BACK), newest})
    tail, model = recital.recite(log, policy), routing.model_for(log, policy, "act")
    return Prompt(tuple(body.pieces), tail, tuple(breakpoints), policy.answer_tokens_max, model)


def first_changed(log: Log, policy: Policy) -> int:
    """Give the first piece that a reduction has changed since the latest request; past the end if none has."""
    body = body_of(log, policy)
    latest = log.index(ModelAnswered)
    if log.index(HistorySummarized) > latest:
        return HEADER_END + 1
    if log.index(ResultsCompacted) < latest or ResultsCompacted not in log.last:
        return len(body.pieces)
    fresh = [event for event in log.since(ModelAnswered) if isinstance(event, ResultsCompacted)]
    changed = [body.results[id] for event in fresh for id in event.call_ids if id in body.results]
    changed += [body.answers[id] for event in fresh for id in event.arguments if id in body.answers]
    return min(changed, default=len(body.pieces))
