"""How the arguments of plan_update are read."""

from __future__ import annotations

import json

import pytest

from workhand.core.events import Phase, Plan
from workhand.core.plan import read_plan


def stated(**changes: object) -> str:
    return json.dumps({"goal": "a report", "phases": ["look", "write"], "done": 1} | changes)


@pytest.mark.parametrize(
    ("arguments", "plan"),
    [
        (stated(), Plan("a report", (Phase("look"), Phase("write")), 1)),
        (stated(weights=[1, 3]), Plan("a report", (Phase("look"), Phase("write", 3)), 1)),
        (stated(weights=[]), Plan("a report", (Phase("look"), Phase("write")), 1)),
    ],
)
def test_a_plan_is_read_with_the_weights_of_its_phases(arguments: str, plan: Plan) -> None:
    assert read_plan(arguments) == plan


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, 10], [1, True], [1, "2"], "12"])
def test_weights_that_do_not_fit_are_named(weights: object) -> None:
    assert read_plan(stated(weights=weights)) == "weights must be a whole number from 1 to 9 for each of the 2 phases."
