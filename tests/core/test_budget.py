"""How large the context is taken to be: what the server counted, and what has changed since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, filed, log, returned
from workhand.core.budget import PIECE_BYTES, bytes_per_token, context_tokens, limits_of, saving_bytes
from workhand.core.events import (
    LimitsChanged,
    Observation,
    ResultsCompacted,
    SandboxOpened,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.policy import Limits

BARE = replace(POLICY, tools=(), system_prompt="x" * 400)
COUNTED = answered(call("c1", "shell_run"), usage=Usage(1_000, output_tokens=20), prompt_bytes=2_000)


@pytest.mark.parametrize(
    ("playbook", "tokens"),
    [
        pytest.param((), 100, id="before the first answer it is estimated"),
        pytest.param((UserSaid("x" * 120),), 100 + (120 + PIECE_BYTES) / 4, id="with what was said"),
        pytest.param((COUNTED,), 1_020, id="then it is what the server counted, the answer included"),
        pytest.param(
            (COUNTED, ToolStarted("c1"), returned("c1", "x" * 120)),
            1_020 + (120 + PIECE_BYTES) / 2,
            id="and what was added since, at the ratio that the server's count implies",
        ),
        pytest.param(
            (COUNTED, ToolStarted("c1"), SandboxOpened("a", "b", "c")), 1_020, id="what is not shown is nothing"
        ),
    ],
)
def test_the_size_of_the_context(playbook: tuple[Part, ...], tokens: float) -> None:
    assert context_tokens(log(*playbook, policy=BARE), BARE) == tokens


def test_what_was_compacted_since_the_latest_answer_is_taken_off_once() -> None:
    before = log(*BEGUN, filed("c1"), filed("c2"))
    reduced = before.then(ResultsCompacted(("c1",)))
    saved = saving_bytes(ToolReturned("c1", Observation("x" * 2_000, "all in results/it.txt"))) / 4
    assert context_tokens(before, POLICY) - context_tokens(reduced, POLICY) == round(saved)
    assert context_tokens(reduced.then(COUNTED), POLICY) == 1_020


def test_a_server_that_counts_nothing_does_not_make_the_context_empty() -> None:
    uncounted = answered(call("c1", "shell_run"), usage=Usage(), prompt_bytes=40_000)
    assert context_tokens(log(*BEGUN, uncounted, returned("c1")), POLICY) >= 10_000


@pytest.mark.parametrize(
    ("playbook", "ratio"),
    [((), 4.0), ((COUNTED,), 2.0), ((answered(usage=Usage()),), 4.0), ((answered(prompt_bytes=0),), 4.0)],
)
def test_bytes_a_token_are_those_of_the_latest_answer(playbook: tuple[Part, ...], ratio: float) -> None:
    assert bytes_per_token(log(*playbook)) == ratio


def test_the_limits_in_force_are_those_set_last() -> None:
    changed = log(LimitsChanged(Limits(steps=7)), LimitsChanged(Limits(steps=8)))
    assert (limits_of(log(), POLICY), limits_of(changed, POLICY)) == (Limits(steps=None), Limits(steps=8))
