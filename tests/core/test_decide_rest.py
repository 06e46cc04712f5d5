"""When a session goes on, waits, or is over, and what it does about answers that lead nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import (
    ANYTHING,
    BEGUN,
    PLANNING,
    POLICY,
    SPEAKING,
    WORKING,
    Part,
    answered,
    call,
    log,
    ran,
    returned,
)
from workhand.core.decide import NO_CALL, RECALIBRATE, AskModel, Command, Finished, Record, WaitForUser, decide
from workhand.core.events import (
    Forked,
    LimitsChanged,
    ModelFailed,
    ModelRetried,
    NoticeGiven,
    Paused,
    Resumed,
    SandboxOpened,
    SessionEnded,
    UserSaid,
)
from workhand.core.policy import Limits, Rules

ASKED = ran("c1", "message_ask")
DELIVERED = ran("c1", "message_result")
ENDED = SessionEnded("answered")
UNAVAILABLE = ModelFailed("ModelUnavailable", "The server is overloaded.")
REFUSED = ModelFailed("ModelRefused", "The request was declined.")
MALFORMED = ModelFailed("MalformedAnswer", "The answer is not JSON.")
RAISED = LimitsChanged(Limits(steps=500))


def stuck(answers: int) -> Record:
    return Record((SessionEnded("stuck", f"{answers} answers in a row held no call that could be run"),))


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((), WaitForUser(), id="a session without a task waits for one"),
        pytest.param((SandboxOpened("unsafe", "none", "none"),), WaitForUser(), id="a machine alone is no task"),
        pytest.param((*BEGUN, ASKED), WaitForUser(), id="a question waits for its answer"),
        pytest.param((*BEGUN, ASKED, UserSaid("Yes.")), AskModel(SPEAKING), id="an answered question does not"),
        pytest.param((*BEGUN, ran("c1", "message_ask", ok=False)), AskModel(ANYTHING), id="nor one that failed"),
        pytest.param((*BEGUN, DELIVERED), Record((ENDED,)), id="a result ends the session"),
        pytest.param((*BEGUN, ran("c1", "message_result", ok=False)), AskModel(ANYTHING), id="a failed one does not"),
        pytest.param((*BEGUN, DELIVERED, ENDED), Finished(), id="an ended session is finished"),
        pytest.param((*BEGUN, DELIVERED, ENDED, Resumed()), Finished(), id="resuming does not take it up again"),
        pytest.param(
            (*BEGUN, DELIVERED, ENDED, UserSaid("More.")), AskModel(SPEAKING), id="a new message takes it up again"
        ),
        pytest.param((*BEGUN, SessionEnded("cancelled")), Finished(), id="a cancelled session is finished"),
        pytest.param(
            (*BEGUN, SessionEnded("cancelled"), UserSaid("Go on.")),
            AskModel(SPEAKING),
            id="a new message takes up a cancelled one",
        ),
        pytest.param((*BEGUN, DELIVERED, ENDED, Forked("other", 9)), Finished(), id="a fork of an ended one is ended"),
    ],
)
def test_a_session_waits_ends_and_is_taken_up_again(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*playbook), POLICY) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((UserSaid("Go."), Paused()), WaitForUser(), id="a paused session waits"),
        pytest.param((UserSaid("Go."), Paused(), Resumed()), AskModel(PLANNING), id="a resumed one goes on"),
        pytest.param((*BEGUN, ASKED, Paused(), Resumed()), WaitForUser(), id="resuming answers no question"),
        pytest.param((*BEGUN, Paused(), Resumed(), Paused()), WaitForUser(), id="one that is paused once more waits"),
        pytest.param((*BEGUN, Paused(), UserSaid("Well?")), AskModel(SPEAKING), id="a message resumes"),
        pytest.param((*BEGUN, UNAVAILABLE), WaitForUser(), id="without a model it waits"),
        pytest.param((*BEGUN, REFUSED), WaitForUser(), id="when the model refuses it waits"),
        pytest.param((*BEGUN, UNAVAILABLE, Resumed()), AskModel(WORKING), id="until it is resumed"),
        pytest.param((*BEGUN, UNAVAILABLE, UserSaid("Again.")), AskModel(SPEAKING), id="or spoken to"),
        pytest.param((*BEGUN, UNAVAILABLE, Resumed(), UNAVAILABLE), WaitForUser(), id="and waits once more"),
        pytest.param((*BEGUN, ModelRetried("503", 1, 0.5)), AskModel(WORKING), id="a retry changes nothing"),
    ],
)
def test_a_session_is_paused_and_resumed(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*playbook), POLICY) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((*BEGUN, DELIVERED, ENDED, RAISED), Finished(), id="an answered session stays ended"),
        pytest.param((*BEGUN, SessionEnded("cancelled"), RAISED), Finished(), id="a cancelled session stays ended"),
        pytest.param((*BEGUN, Paused(), RAISED), WaitForUser(), id="a paused session stays paused"),
        pytest.param((*BEGUN, ASKED, RAISED), WaitForUser(), id="a question stays open"),
        pytest.param((*BEGUN, UNAVAILABLE, RAISED), WaitForUser(), id="a model that is away stays away"),
        pytest.param((RAISED,), WaitForUser(), id="a session without a task still waits for one"),
        pytest.param((*BEGUN, DELIVERED, RAISED), Record((ENDED,)), id="a delivered result still ends the session"),
    ],
)
def test_changed_limits_lift_a_limit_and_nothing_else(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*playbook), POLICY) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((answered(text="Hm."),), Record((NoticeGiven(NO_CALL),)), id="text alone gets a notice"),
        pytest.param((answered(text="Hm."), NoticeGiven(NO_CALL)), AskModel(ANYTHING), id="one notice only"),
        pytest.param(
            (answered(text="Hm."), NoticeGiven(NO_CALL)) * 2, AskModel(ANYTHING), id="each answer gets its own"
        ),
        pytest.param((answered(text="Hm."), UserSaid("What?")), AskModel(SPEAKING), id="none after the user's word"),
        pytest.param((MALFORMED,), AskModel(WORKING), id="a malformed answer is asked for again"),
        pytest.param((answered(text="Hm."), NoticeGiven(NO_CALL)) * 5, stuck(5), id="five in a row are stuck"),
        pytest.param((MALFORMED,) * 5, stuck(5), id="five malformed answers are stuck"),
        pytest.param(
            (answered(call("c1", "shell_walk")), returned("c1", ok=False, how="refused")) * 5,
            stuck(5),
            id="five refused calls are stuck",
        ),
        pytest.param(
            ((MALFORMED,) * 3, (answered(call("c1", "no")), returned("c1", ok=False, how="refused")) * 2),
            stuck(5),
            id="they count together",
        ),
        pytest.param(
            ((MALFORMED,) * 4, ran("c1", "file_read", ok=False), (MALFORMED,) * 4),
            AskModel(ANYTHING),
            id="a call that ran starts the count anew, even if it failed",
        ),
        pytest.param(
            ((MALFORMED,) * 4, UserSaid("Well?"), MALFORMED), AskModel(SPEAKING), id="the user's word does so too"
        ),
        pytest.param(((MALFORMED,) * 5, SessionEnded("stuck"), UserSaid("Well?")), AskModel(SPEAKING), id="for ever"),
    ],
)
def test_answers_that_lead_nowhere_end_a_session(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, *playbook), POLICY) == command


def repeated(count: int, *after: Part) -> Command:
    """Decide after as many calls of one tool in a row."""
    calls = [ran(f"c{number}", "file_read", f'{{"path":"{number}"}}') for number in range(count)]
    return decide(log(*BEGUN, *calls, *after), POLICY)


def test_after_many_like_actions_in_a_row_the_model_is_asked_to_look_up() -> None:
    notice = NoticeGiven(RECALIBRATE.format(count=8, tool="file_read"))
    assert repeated(7) == AskModel(ANYTHING)
    assert repeated(8) == Record((notice,))
    assert repeated(8, notice) == AskModel(ANYTHING)
    assert repeated(8, ran("d", "shell_run")) == AskModel(ANYTHING)


def test_looking_up_can_be_switched_off() -> None:
    quiet = replace(POLICY, rules=Rules(recalibrate_after=0))
    calls = [ran(f"c{number}", "file_read", f'{{"path":"{number}"}}') for number in range(20)]
    assert decide(log(*BEGUN, *calls, policy=quiet), quiet) == AskModel(ANYTHING)
