"""Each position of a log has the files of one snapshot, or of none."""

from __future__ import annotations

import pytest

from workhand.core.events import Event, FilesNotSaved, FilesSaved, GivenBack, Rewound, ToolStarted, UserSaid
from workhand.core.log import Entry, Log
from workhand.core.saved import is_due, is_known, snapshot_at

A, B = FilesSaved("a", 1, 10), FilesSaved("b", 1, 10)
FULL = FilesNotSaved("The disk is full.")
SAID, RAN, LEFT = UserSaid("Go on."), ToolStarted("c1"), GivenBack("", 1.0)


def entries(*events: Event) -> tuple[Entry, ...]:
    return tuple(Entry(position, 0.0, event) for position, event in enumerate(events))


@pytest.mark.parametrize(
    ("events", "position", "expected"),
    [
        ((SAID, A, SAID), 2, "a"),
        ((SAID, A, SAID), 1, "a"),  # taken later, and nothing ran in between
        ((SAID, A, RAN, B), 2, "a"),
        ((SAID, A, RAN, B), 3, "b"),
        ((SAID, A, RAN, SAID), 4, "a"),  # what ran changed nothing: it was not said anew
        ((SAID, RAN, A), 1, None),  # it held other files by then
        ((SAID, A, LEFT, B), 2, "a"),
        ((SAID, A, RAN, FULL, SAID), 3, None),
        ((SAID, A, RAN, FULL, SAID), 5, None),
        ((SAID, A, RAN, FULL, SAID), 2, "a"),
        ((SAID, A, RAN, B, Rewound(2), SAID), 6, "a"),
        ((SAID, A, RAN, B, Rewound(2), SAID), 4, "b"),  # as it was before the rewind
    ],
)
def test_the_files_at_a_position(events: tuple[Event, ...], position: int, expected: str | None) -> None:
    assert snapshot_at(entries(*events), position) == expected


@pytest.mark.parametrize(
    ("events", "due"),
    [
        ((SAID,), True),
        ((SAID, A), False),
        ((SAID, A, SAID), False),
        ((SAID, A, RAN), True),
        ((SAID, A, LEFT), True),
        ((SAID, FULL), False),
        ((SAID, A, RAN, FULL), False),
    ],
)
def test_files_are_saved_when_something_may_have_changed_them(events: tuple[Event, ...], due: bool) -> None:
    assert is_due(Log.of(entries(*events))) is due


@pytest.mark.parametrize(
    ("events", "done", "known"),
    [
        ((SAID,), A, False),
        ((SAID, A), A, True),
        ((SAID, A), B, False),
        ((SAID, A, FULL), A, False),
        ((SAID, A, FULL), FULL, True),
        ((SAID, A), FULL, False),
    ],
)
def test_what_the_log_says_already_is_not_said_again(
    events: tuple[Event, ...], done: FilesSaved | FilesNotSaved, known: bool
) -> None:
    assert is_known(Log.of(entries(*events)), done) is known
