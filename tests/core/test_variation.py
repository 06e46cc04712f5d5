"""Variation: chosen by position, never by chance, and each wording in its turn."""

from __future__ import annotations

from workhand.core.variation import FAILED, PLANNED, SUCCEEDED, choose


def test_the_choice_is_a_function_of_seed_and_position() -> None:
    assert [choose(SUCCEEDED, "seed", position) for position in range(6)] == [
        "Result of {tool}:",
        "{tool} gave:",
        "Result of {tool}:",
        "Result of {tool}:",
        "Result of {tool}:",
        "Result of {tool}:",
    ]


def test_another_seed_chooses_differently() -> None:
    assert [choose(SUCCEEDED, "a", at) for at in range(50)] != [choose(SUCCEEDED, "b", at) for at in range(50)]


def test_every_wording_is_used() -> None:
    for templates in (SUCCEEDED, FAILED, PLANNED):
        assert {choose(templates, "seed", position) for position in range(200)} == set(templates)
