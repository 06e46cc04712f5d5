"""How large the context is, and which limit is used up.

Sizes are calibrated: each answer records how many bytes were sent and how many
tokens the server counted, so an estimate is never further off than what has
been added since.  Nothing here is stored; everything is derived from the log.
"""

from __future__ import annotations

from workhand.core import recital
from workhand.core.body import body_of
from workhand.core.events import LimitHit, LimitsChanged, ModelAnswered
from workhand.core.log import Log
from workhand.core.policy import Limits, Policy

BYTES_PER_TOKEN = 4.0  # before the first answer calibrates it; English text and code are near 4


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

    What the server counted for the latest request, plus or minus what the prompt has grown or
    shrunk by since; all of it estimated before the first answer.  The bytes are those of the
    prompt as it would be sent now, so a count from before a reduction cannot linger.
    """
    size = body_of(log, policy).size + len(recital.recite(log, policy).encode())
    answer = log.latest(ModelAnswered)
    if answer is None or not answer.usage.input_tokens:
        return round(size / bytes_per_token(log))
    return max(0, round(answer.usage.input_tokens + (size - answer.prompt_bytes) / bytes_per_token(log)))


def bytes_per_token(log: Log) -> float:
    """Give the ratio that the server's latest count implies, or a default before the first."""
    answer = log.latest(ModelAnswered)
    if answer and answer.usage.input_tokens and answer.prompt_bytes:
        return answer.prompt_bytes / answer.usage.input_tokens
    return BYTES_PER_TOKEN
