"""What the model reads: the pieces, their order, the reduced forms, the breakpoints and the tail."""

from __future__ import annotations

from dataclasses import replace

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, filed, log, ran, returned
from workhand.core.body import RESTARTED
from workhand.core.canonical import encode
from workhand.core.events import (
    Attachment,
    Event,
    LimitHit,
    LimitsChanged,
    ModelFailed,
    ModelRetried,
    NoticeGiven,
    Paused,
    ResultsCompacted,
    Resumed,
    Rewound,
    SandboxOpened,
    ToolStarted,
    UserSaid,
)
from workhand.core.policy import Limits, ToolSpec
from workhand.core.prompt import Prompt
from workhand.core.render import render

LEAN = replace(POLICY, tools=(ToolSpec("file_read", "Read.", '{"type":"object"}', "pure"),), answer_tokens_max=77)
TOOLS = b'{"tools":[{"description":"Read.","name":"file_read","parameters":{"type":"object"}}]}'
SYSTEM = b'{"role":"system","text":"Work."}'
OPENED = SandboxOpened("unsafe", "none", "none")


def body(*playbook: Part) -> list[bytes]:
    """Give the pieces behind the header."""
    return list(render(log(*playbook, policy=LEAN), LEAN).body[2:])


def said(text: str) -> bytes:
    return encode({"role": "user", "text": text})


def test_a_session_that_has_only_started_shows_its_tools_and_its_system_prompt() -> None:
    assert render(log(policy=LEAN), LEAN) == Prompt((TOOLS, SYSTEM), "", (1,), 77, "scripted:one")


def test_a_first_exchange_is_rendered_to_these_bytes() -> None:
    prompt = render(log(*BEGUN, policy=LEAN), LEAN)
    assert prompt == Prompt(
        (
            TOOLS,
            SYSTEM,
            b'{"role":"user","text":"Write a report."}',
            b'{"calls":[{"arguments":"{\\"done\\":0,\\"goal\\":\\"a report\\",\\"phases\\":[\\"look\\",\\"write\\"]}",'
            b'"id":"p1","tool":"plan_update"}],"role":"assistant","text":""}',
            b'{"call":"p1","ok":true,"role":"tool","text":"Result of plan_update:\\nPlan recorded."}',
        ),
        "Goal: a report\nNow: phase 1 of 2: look\nThen: write",
        (1, 2, 4),
        77,
        "scripted:one",
    )
    assert prompt.size == sum(map(len, prompt.body)) + len(prompt.tail)


def test_words_of_the_user_and_of_the_harness_are_told_apart() -> None:
    assert body(
        UserSaid("Go.", (Attachment("in/a.csv", 12_345),)), NoticeGiven("Call a tool."), LimitHit("steps", 2, 3)
    ) == [
        said("Go.\n[attached: in/a.csv, 12,345 bytes]"),
        said("[notice] Call a tool."),
        said(
            "[notice] The limit on steps is reached (2 of 3); this is the last call. Call message_result: "
            "say what is done and what is not, and attach the files there are."
        ),
    ]


def test_figures_of_a_limit_are_said_in_full() -> None:
    (notice,) = body(LimitHit("tokens", 1_234_567, 1_000_000))
    assert b"1234567" in notice.replace(b",", b"")


def test_what_only_people_need_to_see_is_not_in_the_prompt() -> None:
    silent: tuple[Event, ...] = (
        ModelRetried("503", 1, 0.5),
        ModelFailed("MalformedAnswer", "?"),
        OPENED,
        LimitsChanged(Limits()),
        Paused(),
        Resumed(),
    )
    assert body(*silent) == []


def test_what_a_provider_left_to_be_echoed_is_in_the_answer() -> None:
    (piece,) = body(replace(answered(text="Hm."), opaque="signed"))
    assert piece == b'{"calls":[],"opaque":"signed","role":"assistant","text":"Hm."}'


def test_a_second_machine_is_announced_behind_the_result_of_the_open_call() -> None:
    answer, started, result = ran("c1", "file_read")
    pieces = body(OPENED, answer, started, OPENED, result, NoticeGiven("Call a tool."))
    assert [piece[:20] for piece in pieces[:2]] == [b'{"calls":[{"argument', b'{"call":"c1","ok":tr']
    assert pieces[2:] == [said(RESTARTED), said("[notice] Call a tool.")]


def test_a_compacted_result_is_shown_in_its_compact_form_and_nothing_else_changes() -> None:
    before = body(filed("c1"), filed("c2"))
    after = body(filed("c1"), filed("c2"), ResultsCompacted(("c1",)))
    compact = b'{"call":"c1","ok":true,"role":"tool","text":"[compacted] all in results/it.txt"}'
    assert after == [before[0], compact, *before[2:]]


def test_what_is_rewound_is_not_shown() -> None:
    assert body(filed("c1"), filed("c2"), Rewound(4)) == body(filed("c1"))


def test_a_failed_result_is_worded_as_a_failure() -> None:
    _, piece = body(answered(call("c1", "file_read")), ToolStarted("c1"), returned("c1", "No such file.", ok=False))
    assert piece == b'{"call":"c1","ok":false,"role":"tool","text":"Error from file_read:\\nNo such file."}'


def test_a_cache_may_end_after_the_header_after_the_former_request_and_at_the_end() -> None:
    prompt = render(log(UserSaid("Go."), filed("c1"), filed("c2"), policy=LEAN), LEAN)
    assert (len(prompt.body), prompt.breakpoints) == (7, (1, 4, 6))


def test_after_a_reduction_a_cache_may_end_at_the_last_former_request_that_it_left_alone() -> None:
    events = (UserSaid("Go."), filed("c1"), filed("c2"), filed("c3"))
    early = render(log(*events, ResultsCompacted(("c1",)), policy=LEAN), LEAN)
    late = render(log(*events, ResultsCompacted(("c2", "c3")), policy=LEAN), LEAN)
    assert (early.breakpoints, late.breakpoints) == ((1, 2, 8), (1, 4, 8))


def test_once_the_model_has_read_the_reduced_form_it_is_kept_as_any_other() -> None:
    events = (UserSaid("Go."), filed("c1"), filed("c2"), ResultsCompacted(("c1",)), filed("c3"))
    assert render(log(*events, policy=LEAN), LEAN).breakpoints == (1, 6, 8)


def test_the_same_log_under_another_seed_is_worded_differently_and_not_from_memory() -> None:
    view = log(*(filed(f"c{number}") for number in range(20)), policy=LEAN)
    other = replace(LEAN, variation_seed="another")
    assert render(view, LEAN).body != render(view, other).body
    assert render(view, LEAN) == render(log(*(filed(f"c{number}") for number in range(20)), policy=LEAN), LEAN)
