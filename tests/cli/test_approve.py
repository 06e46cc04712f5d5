"""What a person types is an answer only if it is just that."""

from __future__ import annotations

import pytest

from workhand.cli.commands.approve import asked, understood
from workhand.core.events import ApprovalAsked

QUESTION = ApprovalAsked("c1", "shell_run git push", "push", "git push", "It publishes.")
EVERY_TIME = ApprovalAsked("c1", "shell_run mkfs /dev/x", "erase", "mkfs", "It erases.", lasting=False)


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("y", "once"),
        (" Yes ", "once"),
        ("s", "session"),
        ("a", "always"),
        ("always", "always"),
        ("n", "no"),
        ("NO", "no"),
        ("", None),
        ("and why?", None),
        ("yes, but not to main", None),
        ("sure", None),
        ("stop", None),
        ("none of it", None),
    ],
)
def test_only_an_answer_is_one(typed: str, given: str | None) -> None:
    assert understood(typed, QUESTION) == given


@pytest.mark.parametrize("typed", ["s", "a", "session", "always"])
def test_what_cannot_be_undone_takes_no_lasting_answer(typed: str) -> None:
    assert understood(typed, EVERY_TIME) is None
    assert understood("y", EVERY_TIME) == "once"
    assert "[a]" in asked(QUESTION) and "[a]" not in asked(EVERY_TIME)
