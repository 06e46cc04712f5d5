"""Summaries: what is asked, what is refused, what is added that no model can forget."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.core.playbook import BEGUN, PLAN, POLICY, answered, call, filed, log, ran, returned
from workhand.core.body import body_of
from workhand.core.events import (
    Goal,
    HistorySummarized,
    ModelAnswered,
    PlanChanged,
    Pointer,
    Summary,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.prompt import Prompt
from workhand.core.render import render
from workhand.core.summary import carried, faults, instruction, is_path, open_goals, paths, read
from workhand.core.transcript import transcript

GOOD = Summary(
    goals=(Goal("a report"),),
    constraints=("in English",),
    decisions=("one table",),
    state="The notes are read; 17 lines concern ACME-42.",
    files=(Pointer("out/report.md", "the draft"),),
    open_items=("write the end",),
    pointers=(Pointer("notes/all.txt", "the notes"),),
    failed=("make: no targets",),
)
STATED = {
    "goals": [{"text": "a report", "weight": 2, "done": False}, "a second one"],
    "constraints": ["short"],
    "state": "Half done.",
    "files": [{"where": "a/b.txt", "what": "made"}],
    "pointers": ["https://example.org/x"],
}


def summarized(played: Log, summary: Summary, *, until: int | None = None) -> Log:
    at = played.head if until is None else until
    path = f".workhand/history/{played.head}.md"
    return played.then(HistorySummarized(at, carried(summary, played), path, Usage(), "m"))


def test_an_answer_that_fills_the_schema_is_read() -> None:
    assert read(f"Here it is:\n```json\n{json.dumps(STATED)}\n```") == Summary(
        goals=(Goal("a report", 2), Goal("a second one")),
        constraints=("short",),
        decisions=(),
        state="Half done.",
        files=(Pointer("a/b.txt", "made"),),
        open_items=(),
        pointers=(Pointer("https://example.org/x", ""),),
        failed=(),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "It holds no JSON object."),
        ("All is well.", "It holds no JSON object."),
        ("{'a': 1}", "It is not valid JSON"),
        ("{" * 5_000 + "}" * 5_000, "It is not valid JSON"),
        ('{"goals": "a report"}', "goals must be a list"),
        ('{"goals": [{"name": "a report"}]}', "each of goals must be"),
        ('{"goals": [{"text": "a", "weight": "high"}]}', "each of goals must be"),
        ('{"goals": [], "state": 7}', "state must be text"),
        ('{"goals": [], "state": "x", "pointers": [7]}', "each of files and pointers must be"),
        (json.dumps({"goals": [], "state": "x", "decisions": ["d"] * 61}), "decisions must be a list of at"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(text: str, why: str) -> None:
    refused = read(text)
    assert isinstance(refused, str)
    assert refused.startswith(why)


PLANNED = log(*BEGUN, filed("c1"))


@pytest.mark.parametrize(
    ("summary", "missing", "tokens", "found"),
    [
        pytest.param(GOOD, (), 100, (), id="good"),
        pytest.param(
            replace(GOOD, goals=(Goal("A  Report."),)), (), 100, (), id="a goal in other spacing and case is the same"
        ),
        pytest.param(
            replace(GOOD, goals=(Goal("coffee"),)), (), 100, ("The goal 'a report' is missing.",), id="a goal is lost"
        ),
        pytest.param(replace(GOOD, state=" "), (), 100, ("The state is empty.",), id="no state"),
        pytest.param(
            GOOD, ("out/report.md",), 100, ("There is no file 'out/report.md'.",), id="a file that is not there"
        ),
        pytest.param(
            replace(GOOD, pointers=(Pointer("https://example.org/never", ""),)),
            (),
            100,
            ("The pointer 'https://example.org/never' occurs nowhere.",),
            id="a pointer that was made up",
        ),
        pytest.param(GOOD, (), 25_000, ("It has about 25,000 tokens, and 3,000 are the most.",), id="too long"),
    ],
)
def test_a_summary_is_checked_before_it_is_used(
    summary: Summary, missing: tuple[str, ...], tokens: int, found: tuple[str, ...]
) -> None:
    assert faults(summary, PLANNED, missing, tokens, 3_000) == found


def test_the_paths_of_a_summary_are_what_must_exist() -> None:
    assert paths(GOOD) == ("out/report.md", "notes/all.txt")
    assert [is_path(where) for where in ("a/b", "./a/b.txt", "/x/y", "https://a/b", "a query", "word")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_the_instruction_lists_open_goals_and_the_reasons_of_a_refusal() -> None:
    text = instruction(PLANNED, "history/9.md", 1_000, ("The state is empty.",))
    assert text.endswith(
        "\n- a report\nYour last summary was not used: The state is empty. Write it again without these faults."
    )
    assert "history/9.md" in text


def test_open_goals_are_those_of_the_plan_and_of_the_summary_before() -> None:
    before = summarized(PLANNED, replace(GOOD, goals=(Goal("a report"), Goal("coffee"), Goal("tea", done=True))))
    finished = before.then(PlanChanged(replace(PLAN, done=2)))
    assert open_goals(PLANNED) == ("a report",)
    assert open_goals(before) == ("a report", "coffee")
    assert open_goals(log(*BEGUN, PlanChanged(replace(PLAN, done=2)))) == ()
    assert open_goals(finished) == ("a report", "coffee")


def test_fifty_summaries_in_a_row_lose_no_goal_and_no_pointer() -> None:
    played = PLANNED
    goals = [Goal("a report")]
    for number in range(50):
        goals.append(Goal(f"goal {number}"))
        where = Pointer(f"https://example.org/{number}", f"source {number}")
        played = played.then(UserSaid(f"Look at {where.where}")).then(answered(call(f"d{number}", "file_read")))
        played = played.then(ToolStarted(f"d{number}")).then(returned(f"d{number}"))
        stated = replace(GOOD, goals=tuple(goals), pointers=(where,), files=(Pointer(f"out/{number}.md", ""),))
        assert faults(stated, played, (), 100, 3_000) == ()
        played = summarized(played, stated)
    latest = played.latest(HistorySummarized)
    assert latest is not None
    named = {pointer.where for pointer in latest.summary.pointers}
    assert {f"https://example.org/{number}" for number in range(50)} <= named
    assert {pointer.where for pointer in latest.summary.files} == {f"out/{number}.md" for number in range(50)}
    assert open_goals(played) == tuple(dict.fromkeys([*(goal.text for goal in goals), "a report"]))
    histories = {e.log_path for e in played.events if isinstance(e, HistorySummarized)}
    assert histories <= named | {latest.log_path}
    assert len(render(played, POLICY).body) == 3


def test_what_a_model_may_forget_is_added_from_the_log() -> None:
    failed = (answered(call("x1", "shell_run")), ToolStarted("x1"), returned("x1", "exit 2: no targets", ok=False))
    played = summarized(log(*BEGUN, UserSaid("Only in English."), failed, ran("c9", "file_read")), GOOD)
    text = json.loads(render(played, POLICY).body[2])["text"]
    assert "The task, as the user gave it:\nWrite a report." in text
    assert "The user's latest message:\nOnly in English." in text
    assert "- exit 2: no targets" in text
    assert ".workhand/history/" in text


def test_a_very_long_message_of_the_user_stays_in_part_with_the_way_to_the_whole() -> None:
    long = "a" * 20_000 + "END"
    text = json.loads(render(summarized(log(UserSaid(long), *BEGUN[1:], ran("c9", "file_read")), GOOD), POLICY).body[2])
    assert len(text["text"]) < 9_000
    assert "END" in text["text"]


def test_the_last_calls_stay_as_they_were() -> None:
    played = log(*BEGUN, *(filed(f"c{n}") for n in range(6)))
    positions = [entry.position for entry in played.entries if isinstance(entry.event, ModelAnswered)]
    before = body_of(played, POLICY).pieces[-6:]
    after = summarized(played, GOOD, until=positions[-3])
    assert body_of(after, POLICY).pieces[3:] == before


def test_a_prompt_knows_how_many_answers_a_summary_stands_for() -> None:
    played = log(*BEGUN, *(filed(f"c{n}") for n in range(6)))
    positions = [entry.position for entry in played.entries if isinstance(entry.event, ModelAnswered)]
    prompts: list[Prompt] = [render(played, POLICY), render(summarized(played, GOOD, until=positions[-2]), POLICY)]
    assert [prompt.answers for prompt in prompts] == [7, 7]


def test_the_transcript_holds_every_word_with_its_position() -> None:
    played = log(*BEGUN, filed("c1"), UserSaid("Go on."))
    text = transcript(played.entries)
    assert text.startswith("# What happened, in order\n\n## 1 user\n\nWrite a report.")
    assert '## 5 call c1 file_read\n\n{"path":"c1"}' in text
    assert f"## 7 result c1 file_read ok\n\n{'c1:'.ljust(2_000, 'x')}\n[the whole is in results/it.txt]" in text
    assert text.endswith("## 8 user\n\nGo on.\n")
