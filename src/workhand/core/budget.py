"""How large the context is, and which limit is used up.

Sizes are calibrated: each answer records how many bytes were sent and how many
tokens the server counted, so an estimate is never further off than what has
been added since.  Nothing here is stored; everything is derived from the log.
"""

from __future__ import annotations

from workhand.core.events import (
    Event,
    LimitHit,
    LimitsChanged,
    ModelAnswered,
    NoticeGiven,
    ResultsCompacted,
    ToolReturned,
    UserSaid,
)
from workhand.core.gate import BYTES_PER_TOKEN
from workhand.core.log import Log
from workhand.core.policy import Limits, Policy

PIECE_BYTES = 80  # of JSON and wording around what an event says


def limits_of(log: Log, policy: Policy) -> Limits:
    """Give the limits in force: the policy's, or those a person set later."""
    changed = log.latest(LimitsChanged)
    return changed.limits if changed else policy.limits


def hit(log: Log, policy: Policy) -> LimitHit | None:
    """Say which limit is used up, if any.  The last step is kept back for delivering."""
    limits, used = limits_of(log, policy), log.spent
    if limits.steps is not None and used.steps >= limits.steps - 1:
        return LimitHit("steps", float(used.steps), float(limits.steps))
    if limits.tokens is not None and used.tokens >= limits.tokens:
        return LimitHit("tokens", float(used.tokens), float(limits.tokens))
    if limits.cost_usd is not None and (used.cost_usd >= limits.cost_usd or used.unpriced):
        return LimitHit("cost_usd", used.cost_usd, float(limits.cost_usd))
    if limits.seconds is not None and used.seconds >= limits.seconds:
        return LimitHit("seconds", used.seconds, float(limits.seconds))
    return None


def context_tokens(log: Log, policy: Policy) -> int:
    """Estimate how many tokens the next prompt has.

    What the server counted for the latest request, plus what was said since,
    minus what was compacted since; all of it estimated before the first answer.
    """
    per_token = bytes_per_token(log)
    answer = log.latest(ModelAnswered)
    counted = _header_bytes(policy) / per_token
    if answer:
        counted = (answer.usage.input_tokens or answer.prompt_bytes / per_token) + answer.usage.output_tokens
    added = sum(_added_bytes(event) for event in log.since(ModelAnswered))
    return max(0, round(counted + (added - _compacted_bytes(log)) / per_token))


def bytes_per_token(log: Log) -> float:
    """Give the ratio that the server's latest count implies, or a default before the first."""
    answer = log.latest(ModelAnswered)
    if answer and answer.usage.input_tokens and answer.prompt_bytes:
        return answer.prompt_bytes / answer.usage.input_tokens
    return BYTES_PER_TOKEN


def saving_bytes(event: ToolReturned) -> int:
    """Say how much shorter a result is in its compact form."""
    return len(event.observation.full.encode()) - len(event.observation.compact.encode())


def _header_bytes(policy: Policy) -> int:
    tools = sum(len(spec.description) + len(spec.parameters) + PIECE_BYTES for spec in policy.tools)
    return tools + len(policy.system_prompt.encode())


def _added_bytes(event: Event) -> int:
    match event:
        case UserSaid(text) | NoticeGiven(text):
            return len(text.encode()) + PIECE_BYTES
        case ToolReturned(_, observation):
            return len(observation.full.encode()) + PIECE_BYTES
    return 0


def _compacted_bytes(log: Log) -> int:
    """Add up what the reductions since the latest answer have saved."""
    fresh = {id for event in log.since(ModelAnswered) if isinstance(event, ResultsCompacted) for id in event.call_ids}
    if not fresh:
        return 0
    return sum(
        saving_bytes(event) for event in log.events if isinstance(event, ToolReturned) and event.call_id in fresh
    )
