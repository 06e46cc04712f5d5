"""The window: which results are compacted and when, and what happens when nothing more can be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import ANYTHING, BEGUN, DELIVERING, POLICY, Part, answered, call, filed, log, ran
from workhand.core.decide import AskModel, Command, Record, decide
from workhand.core.events import (
    Event,
    LimitHit,
    ModelFailed,
    Observation,
    ResultsCompacted,
    SessionEnded,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.policy import Window

ROOMY = replace(POLICY, window=Window(hard=20_000, pre_rot=20_000, trigger=1_000), answer_tokens_max=100)
TIGHT = replace(POLICY, window=Window(hard=2_000, pre_rot=2_000, trigger=1_000), answer_tokens_max=100)
FULL = "the context is full: it does not fit into 1,900 tokens"
OVERFLOW = ModelFailed("ContextOverflow", "The prompt does not fit.")


def counted(id: str, tokens: int, size: int = 2_000, *, ok: bool = True, path: str | None = "it") -> tuple[Event, ...]:
    """Answer with a call, after a prompt in which the server counted ``tokens``, of 4 bytes each."""
    _, *result = filed(id, size, ok=ok, path=path)
    usage = Usage(input_tokens=tokens, output_tokens=0, cost_usd=0.0)
    return answered(call(id, "file_read", f'{{"path":"{id}"}}'), usage=usage, prompt_bytes=4 * tokens), *result


def compacted(*ids: str) -> Record:
    return Record((ResultsCompacted(ids),))


LONG = (filed("c1"), filed("c2"), filed("c3"), filed("c4"))


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((*LONG, counted("c5", 479)), AskModel(ANYTHING), id="one token below the trigger nothing is"),
        pytest.param(
            (*LONG, counted("c5", 480)), compacted("c1", "c2"), id="at the trigger all but the last three are"
        ),
        pytest.param(
            (filed("c1", ok=False), filed("c2"), filed("c3"), filed("c4"), counted("c5", 700)),
            compacted("c2"),
            id="errors never are",
        ),
        pytest.param(
            (filed("c1", path=None), filed("c2"), filed("c3"), filed("c4"), counted("c5", 700)),
            compacted("c2"),
            id="what has no path never is",
        ),
        pytest.param(
            (filed("c1", 150), filed("c2"), filed("c3"), filed("c4"), counted("c5", 700)),
            compacted("c2"),
            id="what is short already is not",
        ),
        pytest.param(
            (*LONG, ResultsCompacted(("c1",)), counted("c5", 700)),
            compacted("c2"),
            id="what is compacted already is not",
        ),
        pytest.param(
            (*LONG, counted("c5", 700), ResultsCompacted(("c1", "c2"))),
            AskModel(ANYTHING),
            id="after it the model is asked",
        ),
        pytest.param(
            (*LONG, ResultsCompacted(("c1", "c2")), counted("c5", 900, 250), counted("c6", 990, 250)),
            compacted("c3"),
            id="at the next trigger the next ones are",
        ),
    ],
)
def test_which_results_are_compacted_and_when(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, *playbook, policy=ROOMY), ROOMY) == command


def test_how_many_results_stay_in_full_is_a_choice_of_the_policy() -> None:
    policy = replace(ROOMY, keep_full_results=1)
    assert decide(log(*BEGUN, *LONG, counted("c5", 700), policy=policy), policy) == compacted("c1", "c2", "c3", "c4")


def test_what_was_said_to_the_user_is_never_compacted() -> None:
    said = Observation("x" * 2_000, "all in it", path="it")
    speech = (answered(call("m1", "message_info")), ToolStarted("m1"), ToolReturned("m1", said))
    assert decide(log(*BEGUN, speech, *LONG, counted("c5", 700), policy=ROOMY), ROOMY) == compacted("c1", "c2")


def test_a_result_whose_compact_form_does_not_lead_back_to_it_is_never_compacted() -> None:
    lost = Observation("x" * 2_000, "something long", path="it")
    result = (answered(call("c0", "file_read")), ToolStarted("c0"), ToolReturned("c0", lost))
    assert decide(log(*BEGUN, result, *LONG, counted("c5", 700), policy=ROOMY), ROOMY) == compacted("c1", "c2")


def test_a_compaction_that_saves_little_is_not_worth_a_broken_cache() -> None:
    policy = replace(ROOMY, window=Window(hard=200_000, pre_rot=200_000, trigger=10_000))
    few = (filed("c1", 1_900), filed("c3"), filed("c4"), counted("c5", 9_999))
    many = (filed("c0", 1_900), *few)
    assert decide(log(*BEGUN, *few, policy=policy), policy) == AskModel(ANYTHING)
    assert decide(log(*BEGUN, *many, policy=policy), policy) == compacted("c0", "c1")


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param(
            (filed("c1", 450), filed("c3", 10), filed("c4", 10), counted("c5", 1_900)),
            compacted("c1"),
            id="everything that can be is compacted",
        ),
        pytest.param(
            (counted("c5", 1_900, 1_920),),
            Record((LimitHit("context", 2_400, 1_900),)),
            id="then the context is a limit as others are",
        ),
        pytest.param(
            (counted("c5", 1_900, 1_920), LimitHit("context", 2_400, 1_900)),
            AskModel(DELIVERING),
            id="with one last call",
        ),
        pytest.param(
            (counted("c5", 1_900, 1_920), LimitHit("context", 2_400, 1_900), ran("c9", "message_result")),
            Record((SessionEnded("limit", "the limit on context is used up: 2,400 of 1,900"),)),
            id="and an end",
        ),
        pytest.param((counted("c5", 1_300, 1_920),), AskModel(ANYTHING), id="below the room the model is asked"),
    ],
)
def test_what_happens_when_the_context_is_full(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, *playbook, policy=TIGHT), TIGHT) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param(
            (filed("c1"), filed("c2"), OVERFLOW), compacted("c1"), id="all but the last one are compacted, at any size"
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
