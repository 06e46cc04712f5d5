"""The recital: what it says about the plan, when, and how long it can get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, log, ran
from workhand.core.events import Phase, Plan, UserSaid
from workhand.core.recital import describe, recite

RECITAL = "Goal: a report\nNow: phase 1 of 2: look\nThen: write"
PATIENT = replace(POLICY, recite_after_calls=2)


def plan(phases: int, done: int) -> Plan:
    return Plan("a report", tuple(Phase(f"part {number}") for number in range(1, phases + 1)), done)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (plan(1, 0), "Goal: a report\nNow: phase 1 of 1: part 1"),
        (plan(3, 1), "Goal: a report\nNow: phase 2 of 3: part 2\nThen: part 3"),
        (plan(3, 3), "Goal: a report\nAll 3 phases are done: deliver with message_result."),
        (
            plan(9, 0),
            "Goal: a report\nNow: phase 1 of 9: part 1\n"
            "Then: part 2; part 3; part 4; part 5; part 6; part 7; and 2 more",
        ),
        (Plan("a\n report ", (Phase("look\tand\nsee"),)), "Goal: a report\nNow: phase 1 of 1: look and see"),
    ],
)
def test_what_is_recited(stated: Plan, words: str) -> None:
    assert describe(stated) == words


def test_a_recital_is_short_however_long_the_plan() -> None:
    endless = Plan("goal " * 10_000, (Phase("phase " * 10_000),) * 1_000, 3)
    assert len(describe(endless)) < 1_300


@pytest.mark.parametrize(
    ("playbook", "words"),
    [
        pytest.param((UserSaid("Go."),), "", id="without a plan nothing is"),
        pytest.param(BEGUN, RECITAL, id="a plan is from the first call on"),
        pytest.param((*BEGUN, ran("c1", "shell_run")), RECITAL, id="and on each that follows"),
    ],
)
def test_when_the_plan_is_recited(playbook: tuple[Part, ...], words: str) -> None:
    assert recite(log(*playbook), POLICY) == words


def test_a_policy_may_wait_until_the_plan_was_last_in_view_some_calls_ago() -> None:
    calls = [ran("c1", "shell_run"), ran("c2", "shell_run")]
    assert [recite(log(*BEGUN, *calls[:count]), PATIENT) for count in range(3)] == ["", "", RECITAL]


def test_the_phases_to_come_are_recited_by_their_weight() -> None:
    phases = (Phase("look"), Phase("tidy"), Phase("test", 3), Phase("write", 2))
    assert describe(Plan("a report", phases)).endswith("Then: test (weight 3); write (weight 2); tidy")


LASTING = replace(POLICY, recite_errors=True)
FAILED = ran("x1", "shell_run", ok=False)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        pytest.param((FAILED,), True, id="the latest failure"),
        pytest.param((FAILED, ran("r1", "file_read")), True, id="while other tools succeed"),
        pytest.param((FAILED, ran("x2", "shell_run")), False, id="until the same tool does"),
        pytest.param((FAILED, UserSaid("Leave it.")), False, id="or the user says something"),
        pytest.param((ran("x0", "shell_run"), FAILED), True, id="after a success"),
    ],
)
def test_a_failure_is_recited_until_it_is_mended(after: tuple[Part, ...], told: bool) -> None:
    said = recite(log(*BEGUN, *after, policy=LASTING), LASTING)
    assert said == RECITAL + ("\nNot mended yet: shell_run: done" if told else "")
