"""The ingestion gate: what enters whole, and what a preview shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import POLICY
from workhand.core.gate import admits, preview
from workhand.core.policy import Policy

SMALL = replace(POLICY, observation_tokens_max=100, error_tokens_max=200)
"""A cap of 400 bytes for results and 800 for errors; half of the first for a preview."""

NOTE_BYTES_MAX = 120  # what a preview says about itself, its path included


@pytest.mark.parametrize(
    ("text", "ok", "admitted"),
    [
        ("", True, True),
        ("x" * 400, True, True),
        ("x" * 401, True, False),
        ("é" * 200, True, True),
        ("é" * 201, True, False),
        ("x" * 800, False, True),
        ("x" * 801, False, False),
    ],
)
def test_a_result_enters_whole_up_to_a_cap_in_bytes_and_an_error_up_to_a_wider_one(
    text: str, ok: bool, admitted: bool
) -> None:
    assert admits(text, ok=ok, policy=SMALL) is admitted


def test_a_preview_shows_the_head_and_the_tail_and_says_where_the_whole_is() -> None:
    text = "\n".join(f"line {number:03}" for number in range(100))
    assert preview(text, "results/it.txt", SMALL) == (
        "\n".join(f"line {number:03}" for number in range(14))
        + "\n[79 of 100 lines left out here; all 899 bytes are in results/it.txt]\n"
        + "\n".join(f"line {number:03}" for number in range(93, 100))
    )


def test_a_preview_of_nothing_still_says_where_it_is() -> None:
    assert preview("", "it", SMALL) == "[0 of 0 lines left out here; all 0 bytes are in it]"


def test_no_line_is_shown_twice() -> None:
    assert preview("a\nb\nc", "it", SMALL) == "a\nb\nc\n[0 of 3 lines left out here; all 5 bytes are in it]"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x\n" * 100_000, id="many short lines"),
        pytest.param("x" * 1_000_000, id="one huge line"),
        pytest.param(("x" * 390 + "\n") * 1_000, id="long lines"),
        pytest.param("ab\r\n" * 100_000, id="lines of another system"),
        pytest.param("漢字仮名\n" * 10_000, id="three bytes a character"),
        pytest.param("😀" * 100_000, id="four bytes a character"),
    ],
)
@pytest.mark.parametrize("policy", [SMALL, POLICY], ids=["a small window", "a usual window"])
def test_a_preview_is_smaller_than_what_would_enter_whole(text: str, policy: Policy) -> None:
    shown = preview(text, "results/it.txt", policy)
    assert len(shown.encode()) <= policy.observation_tokens_max * 4 / 2 + NOTE_BYTES_MAX
    assert "results/it.txt" in shown


@pytest.mark.parametrize("policy", [SMALL, POLICY], ids=["a small window", "a usual window"])
def test_a_line_that_is_too_long_is_shown_in_part(policy: Policy) -> None:
    assert preview("abc" + "x" * 1_000_000, "it", policy).startswith("abcxxx")
