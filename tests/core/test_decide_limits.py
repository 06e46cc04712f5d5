"""Limits: each is noticed, leaves one last call to deliver, and then ends the session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import (
    ANYTHING,
    BEGUN,
    DELIVERING,
    POLICY,
    SPEAKING,
    Part,
    answered,
    call,
    log,
    ran,
    returned,
)
from workhand.core.decide import AskModel, Command, Record, RunTool, WaitForUser, decide
from workhand.core.events import (
    LimitHit,
    LimitsChanged,
    ModelFailed,
    Observation,
    SessionEnded,
    ToolReturned,
    Usage,
    UserSaid,
)
from workhand.core.policy import Limits, Policy

HIT = LimitHit("steps", 2, 3)
OVER = SessionEnded("limit", "the limit on steps is used up: 2 of 3")
LAST = call("c9", "message_result")


def limited(limits: Limits) -> Policy:
    return replace(POLICY, limits=limits)


@pytest.mark.parametrize(
    ("limits", "command"),
    [
        (Limits(steps=3), Record((LimitHit("steps", 2, 3),))),
        (Limits(steps=4), AskModel(ANYTHING)),
        (Limits(steps=None, tokens=220), Record((LimitHit("tokens", 220, 220),))),
        (Limits(steps=None, tokens=221), AskModel(ANYTHING)),
        (Limits(steps=None, cost_usd=1.0), Record((LimitHit("cost_usd", 1.0, 1.0),))),
        (Limits(steps=None, cost_usd=1.01), AskModel(ANYTHING)),
        (Limits(steps=None, seconds=6.0), Record((LimitHit("seconds", 6.0, 6.0),))),
        (Limits(steps=None, seconds=6.1), AskModel(ANYTHING)),
        (Limits(steps=None), AskModel(ANYTHING)),
        (Limits(steps=1, tokens=1), Record((LimitHit("steps", 2, 1),))),
    ],
)
def test_each_limit_is_noticed_when_it_is_used_up(limits: Limits, command: Command) -> None:
    policy = limited(limits)
    assert decide(log(*BEGUN, ran("c1", "file_read"), policy=policy), policy) == command


def test_a_limit_on_money_is_used_up_by_an_answer_without_a_price() -> None:
    policy = limited(Limits(steps=None, cost_usd=1.0))
    unpriced = answered(call("c1", "file_read"), usage=Usage(100, output_tokens=10, cost_usd=None))
    command = decide(log(*BEGUN, unpriced, returned("c1"), policy=policy), policy)
    assert command == Record((LimitHit("cost_usd", 0.5, 1.0),))


def test_an_answer_without_a_price_is_free_to_go_on_without_a_limit_on_money() -> None:
    unpriced = answered(call("c1", "file_read"), usage=Usage(100, output_tokens=10, cost_usd=None))
    assert decide(log(*BEGUN, unpriced, returned("c1")), POLICY) == AskModel(ANYTHING)


@pytest.mark.parametrize(
    ("after", "command"),
    [
        pytest.param((), AskModel(DELIVERING), id="one last call delivers"),
        pytest.param((answered(LAST),), RunTool(LAST), id="it is run"),
        pytest.param((ran("c9", "message_result"),), Record((OVER,)), id="then the session ends"),
        pytest.param((ran("c9", "message_result", ok=False),), Record((OVER,)), id="even if it failed"),
        pytest.param((answered(text="Done."),), Record((OVER,)), id="even if it said nothing to the user"),
        pytest.param(
            (answered(call("c9", "file_read")),),
            Record(
                (
                    ToolReturned(
                        "c9",
                        Observation(
                            "file_read cannot be called now; what can be called now: message_result.",
                            "file_read cannot be called now; what can be called now: message_result.",
                            ok=False,
                        ),
                        how="refused",
                    ),
                )
            ),
            id="nothing else may be called",
        ),
        pytest.param(
            (ModelFailed("MalformedAnswer", "?"),), AskModel(DELIVERING), id="a malformed answer is not the last call"
        ),
        pytest.param((ModelFailed("ModelUnavailable", "?"),), WaitForUser(), id="nor is one that did not come"),
        pytest.param(
            (LimitsChanged(Limits(steps=9)),), AskModel(ANYTHING), id="with higher limits the session goes on"
        ),
        pytest.param(
            (ran("c9", "message_result"), OVER, LimitsChanged(Limits(steps=9))),
            AskModel(ANYTHING),
            id="even after its end",
        ),
        pytest.param(
            (ran("c9", "message_result"), OVER, LimitsChanged(Limits(steps=4))),
            Record((LimitHit("steps", 3, 4),)),
            id="a limit that is still too low is hit again",
        ),
        pytest.param(
            (ran("c9", "message_result"), OVER, UserSaid("More.")),
            Record((LimitHit("steps", 3, 3),)),
            id="a new message raises no limit",
        ),
        pytest.param(
            (ran("c9", "message_result"), OVER, LimitsChanged(Limits(steps=9)), UserSaid("More.")),
            AskModel(SPEAKING),
            id="a new message under higher limits is answered",
        ),
    ],
)
def test_the_course_of_a_session_whose_steps_are_used_up(after: tuple[Part, ...], command: Command) -> None:
    policy = limited(Limits(steps=3))
    assert decide(log(*BEGUN, ran("c1", "file_read"), HIT, *after, policy=policy), policy) == command
