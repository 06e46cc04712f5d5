"""The window: which results are compacted and when, and what happens when nothing more can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from tests.core.playbook import ANYTHING, BEGUN, DELIVERING, POLICY, Part, answered, call, filed, log, ran, returned
from workhand.core.budget import context_tokens
from workhand.core.decide import AskModel, Command, Record, decide
from workhand.core.events import (
    LimitHit,
    ModelFailed,
    Observation,
    ResultsCompacted,
    SessionEnded,
    ToolReturned,
    ToolStarted,
    UserSaid,
)
from workhand.core.policy import Rules, Window

FORCED = Rules(rent_or_buy=False, when_cold=False, summaries=False)
"""Only the trigger reduces anything."""

TIGHT = replace(POLICY, window=Window(hard=2_000, pre_rot=2_000, trigger=1_000), answer_tokens_max=100, rules=FORCED)
FULL = "the context is full: it does not fit into 1,900 tokens"
OVERFLOW = ModelFailed("ContextOverflow", "The prompt does not fit.")

LONG = (filed("c1"), filed("c2"), filed("c3"), filed("c4"), filed("c5"))


def at_trigger(*playbook: Part, below: int = 0, keep: int = 3, rules: Rules = FORCED, hard: int = 20_000) -> Command:
    """Decide where the context is as long as the trigger, or shorter by so many tokens."""
    policy = replace(POLICY, keep_full_results=keep, answer_tokens_max=100, rules=rules)
    size = context_tokens(log(*BEGUN, *playbook, policy=policy), policy)
    policy = replace(policy, window=Window(hard, hard, trigger=size + below))
    return decide(log(*BEGUN, *playbook, policy=policy), policy)


def compacted(*ids: str, why: Literal["trigger", "overflow"] = "trigger") -> Record:
    return Record((ResultsCompacted(ids, why=why),))


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param(LONG, compacted("c1", "c2"), id="all but the last three are"),
        pytest.param((filed("c1", ok=False), *LONG[1:]), compacted("c2"), id="errors never are"),
        pytest.param((filed("c1", path=None), *LONG[1:]), compacted("c2"), id="what has no path never is"),
        pytest.param((filed("c1", 150), *LONG[1:]), compacted("c2"), id="what is short already is not"),
        pytest.param((*LONG, ResultsCompacted(("c1",))), compacted("c2"), id="what is compacted already is not"),
        pytest.param((*LONG, ResultsCompacted(("c1", "c2"))), AskModel(ANYTHING), id="after it the model is asked"),
        pytest.param((*LONG, ResultsCompacted(("c1", "c2")), filed("c6")), compacted("c3"), id="then the next one is"),
    ],
)
def test_which_results_are_compacted_at_the_trigger(playbook: tuple[Part, ...], command: Command) -> None:
    assert at_trigger(*playbook) == command


def test_one_token_below_the_trigger_nothing_is_compacted() -> None:
    assert at_trigger(*LONG, below=1) == AskModel(ANYTHING)


def test_how_many_results_stay_in_full_is_a_choice_of_the_policy() -> None:
    assert at_trigger(*LONG, keep=1) == compacted("c1", "c2", "c3", "c4")


def test_what_was_said_to_the_user_is_never_compacted() -> None:
    said = Observation("x" * 2_000, "all in it", path="it")
    speech = (answered(call("m1", "message_info")), ToolStarted("m1"), ToolReturned("m1", said))
    assert at_trigger(speech, *LONG) == compacted("c1", "c2")


def test_a_result_whose_compact_form_does_not_lead_back_to_it_is_never_compacted() -> None:
    lost = Observation("x" * 2_000, "something long", path="it")
    result = (answered(call("c0", "file_read")), ToolStarted("c0"), ToolReturned("c0", lost))
    assert at_trigger(result, *LONG) == compacted("c1", "c2")


def test_a_compaction_that_saves_little_is_not_worth_a_broken_cache() -> None:
    few = (filed("c1", 600), *(filed(f"d{n}", 20_000) for n in range(3)))
    assert at_trigger(*few, hard=200_000) == AskModel(ANYTHING)
    assert at_trigger(filed("c0", 6_000), *few, hard=200_000) == compacted("c0", "c1")


def test_the_long_arguments_of_an_old_call_go_with_its_result() -> None:
    written = '{"content":"%s","path":"a.txt"}' % ("y" * 4_000)
    wrote = (answered(call("w1", "file_write", written)), ToolStarted("w1"), returned("w1", "wrote a.txt"))
    event = ResultsCompacted(("c1", "c2"), arguments=("w1",), why="trigger")
    assert at_trigger(wrote, *LONG) == Record((event,))


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((filed("c1", 4_000), filed("c3", 10), filed("c4", 10), filed("c5", 4_000)), "compacted", id="all"),
        pytest.param((filed("c5", 8_000),), "limit", id="then the context is a limit as others are"),
        pytest.param((filed("c5", 8_000), LimitHit("context", 2_400, 1_900)), "last", id="with one last call"),
        pytest.param(
            (filed("c5", 8_000), LimitHit("context", 2_400, 1_900), ran("c9", "message_result")), "end", id="and an end"
        ),
        pytest.param((filed("c5", 3_000),), "on", id="below the room the model is asked"),
    ],
)
def test_what_happens_when_the_context_is_full(playbook: tuple[Part, ...], command: str) -> None:
    size = context_tokens(log(*BEGUN, *playbook, policy=TIGHT), TIGHT)
    expected: dict[str, Command] = {
        "compacted": compacted("c1"),
        "limit": Record((LimitHit("context", float(size), 1_900.0),)),
        "last": AskModel(DELIVERING),
        "end": Record((SessionEnded("limit", "the limit on context is used up: 2,400 of 1,900"),)),
        "on": AskModel(ANYTHING),
    }
    assert decide(log(*BEGUN, *playbook, policy=TIGHT), TIGHT) == expected[command]


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param(
            (filed("c1"), filed("c2"), OVERFLOW),
            compacted("c1", why="overflow"),
            id="all but the last one are compacted, at any size",
        ),
        pytest.param(
            (filed("c1"), filed("c2"), OVERFLOW, ResultsCompacted(("c1",))), AskModel(ANYTHING), id="ask again"
        ),
        pytest.param(
            (filed("c1"), filed("c2"), OVERFLOW, ResultsCompacted(("c1",)), OVERFLOW),
            Record((SessionEnded("limit", FULL),)),
            id="if that was not enough the session ends",
        ),
        pytest.param((filed("c1"), OVERFLOW), Record((SessionEnded("limit", FULL),)), id="as if nothing can be"),
        pytest.param(
            (filed("c1"), OVERFLOW, SessionEnded("limit", FULL), UserSaid("Go on.")),
            Record((SessionEnded("limit", FULL),)),
            id="a new message makes it no shorter",
        ),
    ],
)
def test_what_happens_when_the_server_says_that_the_prompt_is_too_long(
    playbook: tuple[Part, ...], command: Command
) -> None:
    assert decide(log(*BEGUN, *playbook, policy=TIGHT), TIGHT) == command
