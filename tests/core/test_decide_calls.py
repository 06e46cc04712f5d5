"""The calls: which may be made, which are run, which are refused, and what follows an interruption."""

from __future__ import annotations

import pytest

from tests.core.playbook import (
    ANYTHING,
    BEGUN,
    PLAN,
    PLAN_ARGUMENTS,
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
from workhand.core.decide import UNKNOWN, AskModel, Command, Record, RunTool, decide
from workhand.core.events import (
    NoticeGiven,
    Observation,
    PlanChanged,
    Rewound,
    SandboxOpened,
    ToolReturned,
    ToolStarted,
    UserSaid,
)

RUN = call("c9", "shell_run", '{"command":"make"}')
READ = call("c9", "file_read", '{"path":"a"}')
WRITE = call("c9", "file_write", '{"path":"a"}')


def refused(id: str, text: str) -> Record:
    return Record((ToolReturned(id, Observation(text, text, ok=False), how="refused"),))


def failed_at(step: int) -> Record:
    return refused(
        "c9",
        f"Not run: this same call failed at step {step} and nothing has been changed since. "
        "Do something different: other arguments, another tool, or find out first why it failed.",
    )


def unknown(tool: str) -> Record:
    outcome = Observation(UNKNOWN, f"{tool}: interrupted, outcome unknown", ok=False)
    return Record((ToolReturned("c9", outcome, how="unknown"),))


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((UserSaid("Go."),), AskModel(PLANNING), id="a first task is planned"),
        pytest.param(
            (
                UserSaid("Go."),
                UserSaid("Now."),
            ),
            AskModel(PLANNING),
            id="two first messages are planned",
        ),
        pytest.param(BEGUN, AskModel(WORKING), id="a plan is followed by work"),
        pytest.param((*BEGUN, ran("c1", "shell_run")), AskModel(ANYTHING), id="after that anything goes"),
        pytest.param(
            (*BEGUN, ran("c1", "shell_run"), UserSaid("Stop that.")),
            AskModel(SPEAKING),
            id="a new message is answered before anything else",
        ),
        pytest.param(
            (*BEGUN, UserSaid("Stop that."), ran("c1", "message_info")), AskModel(ANYTHING), id="an answered one is not"
        ),
        pytest.param(
            (*BEGUN, ran("c1", "message_info"), UserSaid("And?")),
            AskModel(SPEAKING),
            id="an earlier answer does not count",
        ),
        pytest.param(
            (*BEGUN, UserSaid("And?"), answered(text="Well."), NoticeGiven("Call a tool.")),
            AskModel(SPEAKING),
            id="text alone does not answer the user",
        ),
        pytest.param((*BEGUN, Rewound(2)), AskModel(PLANNING), id="rewinding past the plan asks for a plan again"),
    ],
)
def test_the_mask_follows_from_the_situation(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*playbook), POLICY) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((*BEGUN, answered(RUN)), RunTool(RUN), id="a call that may be made is run"),
        pytest.param(
            (UserSaid("Go."), answered(RUN)),
            refused("c9", "shell_run cannot be called now; what can be called now: plan_update."),
            id="work before a plan is refused",
        ),
        pytest.param(
            (*BEGUN, UserSaid("And?"), answered(RUN)),
            refused(
                "c9",
                "shell_run cannot be called now; what can be called now: message_ask, message_info, message_result.",
            ),
            id="work before an answer to the user is refused",
        ),
        pytest.param(
            (*BEGUN, answered(call("c9", "shell_walk"))),
            refused(
                "c9",
                "There is no tool 'shell_walk'; there are plan_update, message_info, message_ask, message_result, "
                "file_read, file_write, shell_run.",
            ),
            id="an unknown tool is refused",
        ),
    ],
)
def test_a_call_outside_of_the_mask_is_refused(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*playbook), POLICY) == command


FAILED_READ = ran("c1", "file_read", READ.arguments, ok=False)
FAILED_RUN = ran("c1", "shell_run", RUN.arguments, ok=False)


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((FAILED_READ, answered(READ)), failed_at(2), id="the same again"),
        pytest.param((FAILED_RUN, answered(RUN)), failed_at(2), id="the same again, with an effect"),
        pytest.param(
            (ran("c0", "shell_run"), FAILED_READ, ran("c2", "file_read", '{"path":"b"}'), answered(READ)),
            failed_at(3),
            id="after something that only reads",
        ),
        pytest.param((FAILED_READ, ran("c2", "message_info"), answered(READ)), failed_at(2), id="after a message"),
        pytest.param(
            (FAILED_READ, answered(call("c2", "shell_run")), returned("c2", ok=False, how="refused"), answered(READ)),
            failed_at(2),
            id="after an effect that was refused",
        ),
    ],
)
def test_a_call_that_failed_is_refused_while_nothing_has_changed(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, *playbook), POLICY) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((FAILED_READ, ran("c2", "shell_run"), answered(READ)), RunTool(READ), id="after an effect"),
        pytest.param(
            (FAILED_READ, ran("c2", "shell_run", ok=False), answered(READ)),
            RunTool(READ),
            id="after an effect that failed: it may have changed things all the same",
        ),
        pytest.param((FAILED_READ, ran("c2", "file_write"), answered(READ)), RunTool(READ), id="after a write"),
        pytest.param(
            (FAILED_RUN, UserSaid("Try now."), ran("c2", "message_info"), answered(RUN)),
            RunTool(RUN),
            id="after a message of the user",
        ),
        pytest.param((FAILED_RUN, answered(READ)), RunTool(READ), id="another call"),
        pytest.param(
            (FAILED_RUN, answered(call("c9", "shell_run", '{"command":"make -B"}'))),
            RunTool(call("c9", "shell_run", '{"command":"make -B"}')),
            id="other arguments",
        ),
        pytest.param((ran("c1", "shell_run", RUN.arguments), answered(RUN)), RunTool(RUN), id="it had succeeded"),
        pytest.param(
            (answered(call("c1", "shell_run", RUN.arguments)), returned("c1", ok=False, how="refused"), answered(RUN)),
            RunTool(RUN),
            id="it had been refused",
        ),
        pytest.param(
            (
                answered(call("c1", "shell_run", RUN.arguments)),
                ToolStarted("c1"),
                returned("c1", ok=False, how="unknown"),
                answered(RUN),
            ),
            RunTool(RUN),
            id="its outcome was unknown",
        ),
        pytest.param(
            (
                FAILED_READ,
                answered(call("c2", "shell_run")),
                ToolStarted("c2"),
                returned("c2", ok=False, how="unknown"),
                answered(READ),
            ),
            RunTool(READ),
            id="after an effect of unknown outcome: it may have changed things",
        ),
    ],
)
def test_a_call_is_run_although_it_failed(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, *playbook), POLICY) == command


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((answered(READ), ToolStarted("c9")), RunTool(READ, 2), id="a pure one is run again"),
        pytest.param((answered(WRITE), ToolStarted("c9")), RunTool(WRITE, 2), id="an idempotent one is run again"),
        pytest.param(
            (answered(READ), ToolStarted("c9"), ToolStarted("c9", 2)), RunTool(READ, 3), id="a third time at most"
        ),
        pytest.param(
            (answered(READ), ToolStarted("c9"), ToolStarted("c9", 2), ToolStarted("c9", 3)),
            unknown("file_read"),
            id="then its outcome is unknown",
        ),
        pytest.param((answered(RUN), ToolStarted("c9")), unknown("shell_run"), id="one with an effect never is"),
        pytest.param(
            (answered(RUN), ToolStarted("c9"), SandboxOpened("unsafe", "none", "none")),
            unknown("shell_run"),
            id="nor when a machine was opened for it",
        ),
    ],
)
def test_what_is_done_about_a_call_that_was_interrupted(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, *playbook), POLICY) == command


def planned(text: str) -> Record:
    return Record((PlanChanged(PLAN), ToolReturned("c9", Observation(text, text))))


def not_planned(text: str) -> Record:
    return Record((ToolReturned("c9", Observation(text, text, ok=False)),))


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (PLAN_ARGUMENTS, planned("The plan is noted. Phase 1 of 2 is current.")),
        ('{"goal":" a report ","phases":["look"," write"]}', planned("The plan is noted. Phase 1 of 2 is current.")),
        ("[]", not_planned("The arguments must be an object with goal, phases and done.")),
        ('{"phases":["look"]}', not_planned("goal must say in one sentence what is to be delivered.")),
        ('{"goal":"a","phases":[]}', not_planned("phases must be a list of 1 to 30 short titles.")),
        ('{"goal":"a","phases":["look",""]}', not_planned("each phase must be a short title in text.")),
        (
            '{"done":2,"goal":"a","phases":["look"]}',
            not_planned("done must be the number of finished phases, from 0 to 1, not 2."),
        ),
        (
            '{"done":true,"goal":"a","phases":["look"]}',
            not_planned("done must be the number of finished phases, from 0 to 1, not True."),
        ),
        (
            "{",
            not_planned(
                "The arguments are not valid JSON (Expecting property name enclosed in double quotes: "
                "line 1 column 2 (char 1))."
            ),
        ),
    ],
)
def test_a_plan_is_recorded_or_the_model_is_told_why_not(arguments: str, command: Command) -> None:
    assert decide(log(UserSaid("Go."), answered(call("c9", "plan_update", arguments))), POLICY) == command
