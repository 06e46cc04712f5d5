"""The log: positions, views, and the folds that it carries along."""

from __future__ import annotations

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, answered, filed, log, ran
from workhand.core.events import (
    Forked,
    LimitsChanged,
    ModelAnswered,
    Paused,
    PlanChanged,
    Resumed,
    Rewound,
    SandboxOpened,
    SessionStarted,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Limits
from workhand.core.spent import Spent


def positions(view: Log) -> list[int]:
    return [entry.position for entry in view.entries]


@pytest.mark.parametrize(
    "playbook",
    [
        pytest.param(BEGUN, id="a plain one"),
        pytest.param((*BEGUN, Rewound(2), UserSaid("Else."), ran("c1", "shell_run")), id="a rewound one"),
        pytest.param((*BEGUN, Rewound(4), UserSaid("Else."), Rewound(2), UserSaid("No.")), id="one rewound twice"),
        pytest.param(
            (*BEGUN, Rewound(2), ran("c1", "shell_run"), Rewound(3)), id="one rewound into what is out of view"
        ),
        pytest.param((*BEGUN, Forked("other", 5), ran("c1", "shell_run")), id="a forked one"),
    ],
)
def test_viewing_a_record_is_the_same_as_taking_its_events_one_by_one(playbook: tuple[Part, ...]) -> None:
    events = [
        event
        for part in (SessionStarted(POLICY), *playbook)
        for event in (part if isinstance(part, tuple) else (part,))
    ]
    grown = Log()
    for at, event in enumerate(events):
        grown = grown.then(event, float(at))
    viewed = Log.of(Entry(at, float(at), event) for at, event in enumerate(events))
    assert (grown, dict(grown.last)) == (viewed, dict(viewed.last))


def test_a_rewind_takes_entries_out_of_view_and_leaves_their_positions_alone() -> None:
    view = log(*BEGUN, Rewound(2), UserSaid("Something else."))
    assert (positions(view), view.head) == ([0, 1, 5, 6], 7)


def test_a_rewind_can_itself_be_taken_out_of_view() -> None:
    assert positions(log(*BEGUN, Rewound(4), UserSaid("a"), Rewound(2))) == [0, 1, 7]


def test_a_rewind_to_the_head_hides_nothing() -> None:
    assert positions(log(*BEGUN, Rewound(5))) == [0, 1, 2, 3, 4, 5]


def test_what_was_spent_out_of_view_stays_spent() -> None:
    assert log(*BEGUN, ran("c1", "shell_run"), Rewound(2)).spent == Spent(
        steps=2, input_tokens=200, output_tokens=20, cost_usd=1.0, seconds=7.0
    )


def test_a_log_is_a_value_that_later_events_do_not_change() -> None:
    before = log(*BEGUN)
    entries, last = before.entries, dict(before.last)
    before.then(UserSaid("Else.")).then(Rewound(1))
    assert (before.entries, dict(before.last), before.head) == (entries, last, 5)


def test_a_log_finds_the_latest_of_a_kind_and_what_came_since() -> None:
    view = log(*BEGUN, ran("c1", "shell_run"))
    assert view.index(UserSaid) == 1
    assert view.index(UserSaid, ToolReturned) == 7
    assert view.index(Paused) == -1
    assert view.latest(Paused) is None
    assert isinstance(view.latest(ToolReturned), ToolReturned)
    assert [type(event) for event in view.since(PlanChanged)] == [
        ToolReturned,
        ModelAnswered,
        ToolStarted,
        ToolReturned,
    ]
    assert list(view.since(Paused)) == list(view.events)
    assert list(view.newest_first()) == list(reversed(view.events))


def test_a_log_up_to_an_entry_is_what_it_was_before_it() -> None:
    earlier = log(*BEGUN, filed("c1")).upto(2)
    assert (earlier.events, earlier.head, dict(earlier.last)) == (
        (SessionStarted(POLICY), UserSaid("Write a report.")),
        2,
        {SessionStarted: 0, UserSaid: 1},
    )


def test_a_log_has_the_policy_that_it_was_started_with() -> None:
    assert log().policy == POLICY
    with pytest.raises(ValueError, match="without SessionStarted"):
        _ = Log().policy


def test_every_answer_is_added_to_what_was_spent() -> None:
    first = answered(usage=Usage(100, 80, 20, 10, 5, 0.25))
    second = answered(usage=Usage(200, 0, 0, 20, 0, None))
    spent = log(UserSaid("Go."), first, second).spent
    assert spent == Spent(2, 300, 80, 30, 0.25, 1, 2.0)
    assert (spent.tokens, spent.cached_share) == (330, 80 / 300)


@pytest.mark.parametrize("waited", [UserSaid("?"), Resumed(), LimitsChanged(Limits()), Forked("other", 3)])
def test_the_wait_before_a_word_from_outside_is_not_work(waited: UserSaid | Resumed | LimitsChanged | Forked) -> None:
    view = log(UserSaid("Go."), answered()).then(waited, at=3_600.0).then(answered(), at=3_605.0)
    assert view.spent.seconds == 1.0 + 5.0


def test_the_time_of_a_tool_is_work_although_a_machine_was_opened_for_it() -> None:
    opened = SandboxOpened("unsafe", "none", "none")
    view = log(*BEGUN, answered(), ToolStarted("c1")).then(opened, at=66.0).then(ran("c1", "shell_run")[2], at=66.0)
    assert view.spent.seconds == 66.0 - 1.0


def test_a_clock_that_is_set_back_gives_no_time_back() -> None:
    assert log(UserSaid("Go.")).then(answered(), at=0.0).spent.seconds == 0.0


def test_a_log_up_to_an_entry_knows_the_latest_of_each_kind_as_if_it_had_never_gone_on() -> None:
    grown = Log()
    for text in ("a", "b"):
        grown = grown.then(UserSaid(text)).then(Paused()).then(Resumed()).then(UserSaid(text * 2))
    assert [dict(grown.upto(index).last) for index in range(len(grown.entries))] == [
        dict(Log.of(grown.entries[:index]).last) for index in range(len(grown.entries))
    ]
