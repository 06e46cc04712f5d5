"""How large the context is taken to be: what the server counted, and what has changed since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, filed, log, returned
from workhand.core.budget import bytes_per_token, context_tokens, limits_of
from workhand.core.events import LimitsChanged, ResultsCompacted, SandboxOpened, ToolStarted, Usage, UserSaid
from workhand.core.log import Log
from workhand.core.policy import Limits
from workhand.core.render import render

BARE = replace(POLICY, tools=(), system_prompt="x" * 400)
COUNTED = answered(call("c1", "shell_run"), usage=Usage(1_000, output_tokens=20), prompt_bytes=2_000)


def size(*playbook: Part) -> int:
    """Give the bytes of the prompt as it would be sent."""
    return render(log(*playbook, policy=BARE), BARE).size


@pytest.mark.parametrize(
    ("playbook", "tokens"),
    [
        pytest.param((), size() / 4, id="before the first answer it is estimated"),
        pytest.param((UserSaid("x" * 120),), size(UserSaid("x" * 120)) / 4, id="with what was said"),
        pytest.param((COUNTED,), 1_000 + (size(COUNTED) - 2_000) / 2, id="then it is what the server counted"),
        pytest.param(
            (COUNTED, ToolStarted("c1"), returned("c1", "x" * 120)),
            1_000 + (size(COUNTED, returned("c1", "x" * 120)) - 2_000) / 2,
            id="and what was added since, at the ratio that the server's count implies",
        ),
        pytest.param(
            (COUNTED, ToolStarted("c1"), SandboxOpened("a", "b", "c")),
            1_000 + (size(COUNTED) - 2_000) / 2,
            id="what is not shown is nothing",
        ),
    ],
)
def test_the_size_of_the_context(playbook: tuple[Part, ...], tokens: float) -> None:
    assert context_tokens(log(*playbook, policy=BARE), BARE) == round(tokens)


def test_what_was_compacted_since_the_latest_answer_is_taken_off() -> None:
    before = log(*BEGUN, filed("c1"), filed("c2"))
    reduced = before.then(ResultsCompacted(("c1",)))
    saved = render(before, POLICY).size - render(reduced, POLICY).size
    assert saved > 1_500
    assert context_tokens(before, POLICY) - context_tokens(reduced, POLICY) == pytest.approx(saved / 4, abs=1)


def test_a_count_from_before_a_reduction_does_not_linger() -> None:
    counted = Log.of(log(*BEGUN, *(filed(f"c{n}", 4_000) for n in range(9))).entries)
    huge = counted.then(answered(usage=Usage(50_000), prompt_bytes=render(counted, POLICY).size))
    reduced = huge.then(ResultsCompacted(tuple(f"c{n}" for n in range(9))))
    share = render(reduced, POLICY).size / render(huge, POLICY).size
    assert context_tokens(reduced, POLICY) == pytest.approx(50_000 * share, rel=0.05)


def test_a_server_that_counts_nothing_does_not_make_the_context_empty() -> None:
    uncounted = answered(call("c1", "shell_run"), usage=Usage(), prompt_bytes=40_000)
    shown = log(*BEGUN, uncounted, returned("c1", "x" * 40_000))
    assert context_tokens(shown, POLICY) >= 10_000


@pytest.mark.parametrize(
    ("playbook", "ratio"),
    [((), 4.0), ((COUNTED,), 2.0), ((answered(usage=Usage()),), 4.0), ((answered(prompt_bytes=0),), 4.0)],
)
def test_bytes_a_token_are_those_of_the_latest_answer(playbook: tuple[Part, ...], ratio: float) -> None:
    assert bytes_per_token(log(*playbook)) == ratio


def test_the_limits_in_force_are_those_set_last() -> None:
    changed = log(LimitsChanged(Limits(steps=7)), LimitsChanged(Limits(steps=8)))
    assert (limits_of(log(), POLICY), limits_of(changed, POLICY)) == (Limits(steps=None), Limits(steps=8))
