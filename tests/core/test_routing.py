"""Which model is asked, when another takes its place, and that this makes compaction free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, filed, log
from workhand.core.decide import AskModel, Record, WaitForUser, decide
from workhand.core.events import (
    Event,
    ModelFailed,
    ModelSwitched,
    Paused,
    PricesChanged,
    ResultsCompacted,
    Resumed,
    UserSaid,
)
from workhand.core.policy import Choice, Policy, Prices, Purpose, Route, Window
from workhand.core.prices import prices_of
from workhand.core.reducing import question
from workhand.core.render import render
from workhand.core.routing import AGAIN, in_force, model_for
from workhand.core.schedule import Summarize

DEAR = Prices(read=0.5, write=1.0, output=4.0)
WINDOW = Window(9_000, 9_000, 8_000)
SECOND = Choice("scripted:two", WINDOW, DEAR)
THIRD = Choice("scripted:three")
ROUTED: Policy = replace(
    POLICY,
    routes=(
        Route("act", (Choice(POLICY.model), SECOND, THIRD)),
        Route("summarise", (Choice("scripted:brief"), Choice("scripted:spare"))),
    ),
)
DOWN = ModelFailed("ModelUnavailable", "It is overloaded.")
NO_BRIEF = ModelFailed("ModelUnavailable", "It is overloaded.", purpose="summarise")
LARGE = tuple(part for number in range(6) for part in filed(f"c{number}", 4_000))
TO_SECOND = ModelSwitched("act", SECOND.model, "It is overloaded.")
TO_THIRD = ModelSwitched("act", THIRD.model, "It is overloaded.")
TO_FIRST = ModelSwitched("act", POLICY.model, AGAIN)
TO_SPARE = ModelSwitched("summarise", "scripted:spare", "It is overloaded.")


@pytest.mark.parametrize(
    ("playbook", "switches"),
    [
        pytest.param((*BEGUN, DOWN), (TO_SECOND,), id="the second choice stands in for the first"),
        pytest.param((*BEGUN, DOWN, TO_SECOND, DOWN), (TO_THIRD,), id="and the third for the second"),
        pytest.param((*BEGUN, NO_BRIEF), (TO_SPARE,), id="each purpose has its own"),
        pytest.param(
            (*BEGUN, DOWN, TO_SECOND, UserSaid("Well?")), (TO_FIRST,), id="a new message begins with the first"
        ),
        pytest.param(
            (*BEGUN, DOWN, TO_SECOND, NO_BRIEF, TO_SPARE, Paused(), Resumed()),
            (TO_FIRST, ModelSwitched("summarise", "scripted:brief", AGAIN)),
            id="and so does going on after a pause, for all purposes",
        ),
    ],
)
def test_a_switch_is_decided(playbook: tuple[Part, ...], switches: tuple[Event, ...]) -> None:
    assert decide(log(*playbook, policy=ROUTED), ROUTED) == Record(switches)


def test_after_the_last_choice_the_session_waits() -> None:
    assert decide(log(*BEGUN, DOWN, TO_SECOND, DOWN, TO_THIRD, DOWN, policy=ROUTED), ROUTED) == WaitForUser()


def test_where_no_other_model_is_named_the_session_waits() -> None:
    assert decide(log(*BEGUN, DOWN), POLICY) == WaitForUser()


@pytest.mark.parametrize("error", ["ModelRefused", "ConfigError", "MalformedAnswer"])
def test_only_a_model_that_cannot_be_reached_is_replaced(error: str) -> None:
    decided = decide(log(*BEGUN, ModelFailed(error, "It failed."), policy=ROUTED), ROUTED)
    assert not isinstance(decided, Record)


@pytest.mark.parametrize("switch", [TO_SECOND, TO_FIRST])
def test_after_a_switch_the_model_is_asked(switch: ModelSwitched) -> None:
    assert isinstance(decide(log(*BEGUN, DOWN, switch, policy=ROUTED), ROUTED), AskModel)


@pytest.mark.parametrize(
    ("purpose", "policy", "model"),
    [
        ("act", POLICY, POLICY.model),
        ("act", ROUTED, SECOND.model),
        ("summarise", ROUTED, "scripted:brief"),
        ("summarise", POLICY, POLICY.model),
        ("vision", ROUTED, SECOND.model),
    ],
)
def test_a_purpose_without_a_model_of_its_own_takes_that_which_acts(
    purpose: Purpose, policy: Policy, model: str
) -> None:
    switched = (DOWN, TO_SECOND) if policy is ROUTED else ()
    assert model_for(log(*BEGUN, *switched, policy=policy), policy, purpose) == model


def test_the_policy_in_force_has_the_model_its_window_and_its_prices() -> None:
    before = log(*BEGUN, DOWN, policy=ROUTED)
    assert in_force(before, ROUTED) is ROUTED
    after = log(*BEGUN, DOWN, TO_SECOND, policy=ROUTED)
    assert in_force(after, ROUTED) == replace(ROUTED, model=SECOND.model, window=WINDOW, prices=DEAR)


def test_prices_that_were_recorded_hold_until_a_switch() -> None:
    stated = PricesChanged(Prices(read=0.9))
    assert prices_of(log(*BEGUN, DOWN, TO_SECOND, policy=ROUTED), ROUTED) == DEAR
    assert prices_of(log(*BEGUN, DOWN, TO_SECOND, stated, policy=ROUTED), ROUTED) == stated.prices
    assert prices_of(log(*BEGUN, stated, DOWN, TO_SECOND, policy=ROUTED), ROUTED) == DEAR


def test_a_prompt_says_who_is_to_read_it() -> None:
    here = log(*BEGUN, DOWN, TO_SECOND, policy=ROUTED)
    assert render(here, ROUTED).model == SECOND.model
    assert question(here, ROUTED, Summarize(until=here.head)).prompt.model == "scripted:brief"


def test_a_switch_makes_compaction_free_and_so_it_is_done() -> None:
    before = log(*BEGUN, *LARGE, policy=ROUTED)
    assert isinstance(decide(before, ROUTED), AskModel)
    reduced = decide(before.then(DOWN, before.head).then(TO_SECOND, before.head), ROUTED)
    assert isinstance(reduced, Record) and isinstance(reduced.events[0], ResultsCompacted)
    assert reduced.events[0].why == "cold"


def test_a_switch_of_another_purpose_leaves_the_cache_alone() -> None:
    here = log(*BEGUN, *LARGE, NO_BRIEF, TO_SPARE, policy=ROUTED)
    assert isinstance(decide(here, ROUTED), AskModel)


def test_a_model_that_answers_ends_the_search() -> None:
    here = log(*BEGUN, DOWN, TO_SECOND, answered(call("c9", "message_ask")), policy=ROUTED)
    assert in_force(here, ROUTED).model == SECOND.model
