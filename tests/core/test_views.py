"""The views of a log: what each says, and when it changes."""

from __future__ import annotations

from dataclasses import replace

from tests.core.playbook import PLAN, PLANNED, answered, call, log, ran, returned
from workhand.core.events import (
    Event,
    Goal,
    HistorySummarized,
    Observation,
    PlanChanged,
    Pointer,
    Rewound,
    Summary,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.views import ERRORS, FAILURES_MAX, FINDINGS, GOALS, LINES_MAX, PROGRESS, views_of
from workhand.core.views import PLAN as PLAN_VIEW

ASKED = UserSaid("Write\na report.")


def text(view: str, of: Log) -> str:
    return views_of(of).text(view)


def failed(id: str, tool: str, arguments: str, trace: str) -> tuple[Event, ...]:
    return answered(call(id, tool, arguments)), ToolStarted(id), returned(id, trace, ok=False)


def test_the_plan_shows_its_phases_and_which_is_current() -> None:
    assert text(PLAN_VIEW, log(ASKED)) == "# Plan\n\nThere is none yet.\n"
    assert text(PLAN_VIEW, log(ASKED, PLANNED, PlanChanged(replace(PLAN, done=1)))) == (
        "# Plan\n\nGoal: a report\n\n1. [x] look\n2. [ ] write (current)\n"
    )


def test_goals_are_those_of_plans_and_summaries_with_what_the_user_said() -> None:
    stated = Summary((Goal("be quick", done=True), Goal("be right")), (), (), "On the way.", (), (), (), ())
    here = log(
        ASKED,
        PLANNED,
        PlanChanged(replace(PLAN, goal="a longer report", done=2)),
        HistorySummarized(2, stated, ".workhand/history/9.md", Usage(), "scripted"),
        UserSaid("And now?"),
    )
    assert text(GOALS, here) == (
        "# Goals\n\n- [x] be quick\n- [ ] be right\n- [ ] a report (of an earlier plan)\n- [x] a longer report\n\n"
        "## What the user said\n\n- 1: Write a report.\n- 7: And now?\n"
    )


def test_progress_has_a_line_for_each_action_with_its_outcome() -> None:
    here = log(
        ASKED,
        ran("c1", "file_read"),
        failed("c2", "shell_run", '{"command":"make"}', "shell_run make: exit 2"),
        answered(call("c3", "shell_run")),
        returned("c3", "Not run.", ok=False, how="refused"),
    )
    assert text(PROGRESS, here) == (
        "# Progress: position, call, outcome, action\n\n"
        "- 4 c1 ok: file_read: done\n- 7 c2 failed: shell_run make: exit 2\n- 9 c3 refused: shell_run: Not run.\n"
    )


def test_progress_keeps_its_newest_lines() -> None:
    here = log(ASKED, *(ran(f"c{number}", "file_read") for number in range(LINES_MAX + 2)))
    lines = text(PROGRESS, here).splitlines()
    assert (len(lines), lines[2], lines[4]) == (
        LINES_MAX + 4,
        "2 earlier actions are left out.",
        "- 10 c2 ok: file_read: done",
    )


def test_a_failure_is_shown_with_its_call_and_trace_until_the_same_action_has_succeeded() -> None:
    made = failed("c1", "shell_run", '{"command":"make"}', "Error: no rule\nto make it")
    assert text(ERRORS, log(ASKED, made)) == (
        "# Failures, and whether the same action has succeeded since\n\n\n"
        '## 4 c1 shell_run failed, open\n\nCall: {"command":"make"}\n\nError: no rule\nto make it\n'
    )
    other = ran("c2", "shell_run", '{"command":"ls"}')
    assert "c1 shell_run failed, open" in text(ERRORS, log(ASKED, made, other))
    same = ran("c3", "shell_run", '{"command":"make","timeout_s":600}')
    assert "c1 shell_run failed, resolved by c3" in text(ERRORS, log(ASKED, made, other, same))


def test_many_failures_keep_a_line_each_and_the_newest_their_traces() -> None:
    each = [failed(f"c{number}", "shell_run", f'{{"command":"{number}"}}', "trace\n" * 2_000) for number in range(60)]
    shown = text(ERRORS, log(ASKED, *each))
    assert shown.count("\n## ") == FAILURES_MAX
    assert shown.count("\n- ") == 60 - FAILURES_MAX
    assert "characters left out" in shown
    assert len(shown) < 60 * 4_500


def test_findings_are_what_was_said_decided_and_delivered_and_where_things_are() -> None:
    stated = Summary((), (), ("Use SQLite.",), "s", (), (), (Pointer("notes/a.md", "prices"), Pointer("b.md", "")), ())
    here = log(
        ASKED,
        ran("c1", "message_info", '{"text":"It is blue."}'),
        HistorySummarized(2, stated, ".workhand/history/9.md", Usage(), "scripted"),
        ran("c2", "message_result", '{"attachments":["r.md"],"text":"Here it is."}'),
    )
    assert text(FINDINGS, here) == (
        "# Findings\n\n## Decisions\n\n- Use SQLite.\n\n## Where things are\n\n- notes/a.md: prices\n- b.md\n"
        "\n## 4 said\n\nIt is blue.\n\n## 8 delivered\n\nHere it is.\n- r.md\n"
    )


def test_an_event_changes_only_the_views_that_it_belongs_to() -> None:
    here = log(ASKED, PLANNED)
    before = dict(views_of(here).changes)
    for event in ran("c1", "file_read"):
        here = here.then(event)
    after = views_of(here).changes
    assert {view for view in after if after[view] != before[view]} == {PROGRESS}


def test_arguments_that_are_no_object_are_shown_as_they_are() -> None:
    odd = answered(call("c1", "shell_run", "[1")), ToolReturned("c1", Observation("No JSON.", "No JSON.", ok=False))
    assert "Call: [1\n" in text(ERRORS, log(ASKED, odd))


def test_what_was_rewound_is_in_no_view() -> None:
    here = log(ASKED, PLANNED)
    views_of(here)
    gone = failed("c9", "shell_run", "{}", "trace")
    later = here
    for event in gone:
        later = later.then(event)
    assert "c9" in text(ERRORS, later)
    assert "c9" not in text(ERRORS, later.then(Rewound(here.head)))
