"""Which model is asked for what, and when another takes its place.

A policy may name a model for a purpose, and others to fall back on.  A fallback
is decided here when a model cannot be reached, and recorded: it throws away what
the provider's cache holds, so the engine may then reduce the context for free.
The first choice is tried again when the user speaks or resumes the session.
"""

from __future__ import annotations

from dataclasses import replace

from workhand.core.events import GuardChanged, ModelAnswered, ModelFailed, ModelSwitched, Resumed, UserSaid
from workhand.core.log import Log
from workhand.core.policy import Choice, Policy, Purpose

UNAVAILABLE = "ModelUnavailable"
AGAIN = "the first choice is tried again"


def model_for(log: Log, policy: Policy, purpose: Purpose) -> str:
    """Name the model to ask for a purpose now; where none is named for it, that which acts."""
    return _current(log, policy, purpose if choices(policy, purpose) else "act").model


def choices(policy: Policy, purpose: Purpose) -> tuple[Choice, ...]:
    """Give the models named for a purpose, the first choice first."""
    for route in policy.routes:
        if route.purpose == purpose:
            return route.choices
    return (Choice(policy.model, sees=policy.sees),) if purpose == "act" else ()


def in_force(log: Log, policy: Policy) -> Policy:
    """Give a policy with the model that acts now, its window and its prices, and the guard that was set last."""
    if changed := log.latest(GuardChanged):
        policy = replace(policy, guard=changed.guard)
    chosen = _current(log, policy, "act")
    if log.index(ModelSwitched) < 0 and chosen.model == policy.model:
        return policy
    window, prices = chosen.window or policy.window, chosen.prices or policy.prices
    return replace(policy, model=chosen.model, window=window, prices=prices, sees=chosen.sees)


def fallback(log: Log, policy: Policy) -> ModelSwitched | None:
    """Give the switch to the next choice, if what happened last is that a model could not be reached."""
    failed = log.entries[-1].event
    if not isinstance(failed, ModelFailed) or failed.error != UNAVAILABLE:
        return None
    purpose = failed.purpose if choices(policy, failed.purpose) else "act"
    known = choices(policy, purpose)
    following = known[known.index(_current(log, policy, purpose)) + 1 :]
    return ModelSwitched(purpose, following[0].model, failed.message) if following else None


def first_again(log: Log, policy: Policy) -> tuple[ModelSwitched, ...]:
    """Give the switches back to first choices, if the user has spoken or resumed the session since the last switch."""
    if not 0 <= log.index(ModelSwitched) < log.index(UserSaid, Resumed):
        return ()
    moved = (route for route in policy.routes if _current(log, policy, route.purpose) != route.choices[0])
    return tuple(ModelSwitched(route.purpose, route.choices[0].model, AGAIN) for route in moved)


def switched_since_asked(log: Log) -> bool:
    """Say whether another model will be asked to act than the one that answered last."""
    if log.index(ModelSwitched) < log.index(ModelAnswered):
        return False
    return any(isinstance(event, ModelSwitched) and event.purpose == "act" for event in log.since(ModelAnswered))


def _current(log: Log, policy: Policy, purpose: Purpose) -> Choice:
    known = choices(policy, purpose)
    for index in range(log.index(ModelSwitched), -1, -1):
        match log.entries[index].event:
            case ModelSwitched(switched, model) if switched == purpose:
                return next((each for each in known if each.model == model), known[0])
    return known[0]
