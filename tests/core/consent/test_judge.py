"""Rules hold when all that they state is so; answers stand for later questions, within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.core.canonical import encode
from workhand.core.consent.action import Action, action_of, contact
from workhand.core.consent.defaults import DEFAULTS
from workhand.core.consent.judge import SEVERITY, Judgement, judge, runs
from workhand.core.consent.rules import Answer, Rule
from workhand.core.consent.running import Part
from workhand.core.events import ToolCall

PUSH = action_of(ToolCall("c1", "shell_run", encode({"command": "git push origin main"}).decode()))
ONCE = Answer("push", "git push", "once")
answers = st.lists(
    st.builds(Answer, st.just("r"), st.just("s"), st.sampled_from(["once", "session", "always"]), st.booleans()),
    max_size=8,
).map(tuple)


@pytest.mark.parametrize(
    ("pattern", "command", "found"),
    [
        ("git push", "git push", True),
        ("git push", "/usr/bin/git push x", True),
        ("git push", "git -C d push", True),
        ("git push", "git pull", False),
        ("git push", "push git", False),
        ("git push", "git", False),
        ("rm -r|-R|--recursive", "rm -rf x", True),
        ("rm -r|-R|--recursive", "rm x --recursive", True),
        ("rm -r|-R|--recursive", "rm -f x", False),
        ("rm -r|-R|--recursive", "rm --force x", False),
        ("a --b", "a --b=c", True),
        ("a --b", "a --bc", False),
        ("a|b c", "b c", True),
        ("mkfs*", "mkfs.ext4 x", True),
        ("a -x -y", "a -xy", True),
        ("a -x -y", "a -x", False),
        ("-x", "a -x", False),
        ("a -x !--dry-run", "a -x", True),
        ("a -x !--dry-run", "a -x --dry-run", False),
        ("a !-n", "a -xn", False),
        ("a --force*", "a --force-with-lease", True),
        ("git push", "git commit -m push", False),
        ("git push", "git checkout push", False),
        ("git stash drop", "git stash drop x", True),
        ("rsync *:*", "rsync -a . h:/d", True),
    ],
)
def test_a_command_is_of_a_pattern(pattern: str, command: str, found: bool) -> None:
    assert runs(pattern, tuple(command.split())) is found


@pytest.mark.parametrize(
    "stated",
    [
        {"tools": ("file_*",)},
        {"arguments": (("command", "^pull"),)},
        {"arguments": (("missing", "x"),)},
        {"commands": ("git pull",)},
        {"paths": ("/etc/*",)},
        {"outside": True},
        {"hosts": ("*",)},
        {"methods": ("POST",)},
        {"amount_above": 1.0},
        {"opaque": True},
    ],
)
def test_a_rule_holds_only_if_all_that_it_states_is_so(stated: dict[str, object]) -> None:
    base: dict[str, object] = {"name": "x", "verdict": "deny", "tools": ("shell_*",), "commands": ("git push",)}
    assert judge(PUSH, (Rule(**base),), (), 3).verdict == "deny"  # type: ignore[arg-type]  # a table of fields
    assert judge(PUSH, (Rule(**base | stated),), (), 3).verdict == "allow"  # type: ignore[arg-type]  # as above


def test_the_first_rule_that_holds_decides() -> None:
    mine = Rule("mine", "allow", commands=("git push origin",))
    assert judge(PUSH, (mine, *DEFAULTS), (), 3) == Judgement("allow", "mine", "git push")


def test_the_strictest_part_of_an_action_counts() -> None:
    rules = (Rule("a", "ask", commands=("a",)), Rule("b", "deny", commands=("b",)))
    action = Action("shell_run", "", parts=(Part(("a",)), Part(("b",)), Part(("c",))))
    assert judge(action, rules, (), 3).rule == "b"


def test_an_amount_is_asked_about_above_a_sum() -> None:
    rule = Rule("pay", "ask", amount_above=20.0)
    for amount, verdict in ((20.0, "allow"), (20.01, "ask")):
        assert judge(Action("x", "", amount=amount), (rule,), (), 3).verdict == verdict


@pytest.mark.parametrize(
    ("given_before", "verdict"),
    [
        ((), "ask"),
        ((ONCE, ONCE), "ask"),
        ((ONCE, ONCE, ONCE), "allow"),
        ((ONCE, ONCE, Answer("push", "git push", "once", False), ONCE), "ask"),
        ((Answer("push", "git push", "session"),), "allow"),
        ((Answer("push", "git push", "always"),), "allow"),
        ((Answer("push", "git push", "always"), Answer("push", "git push", "once", False)), "ask"),
        ((Answer("push", "docker push", "always"),), "ask"),
        ((Answer("other", "git push", "always"),), "ask"),
    ],
)
def test_answers_stand_for_later_questions_of_the_same_subject(given_before: tuple[Answer, ...], verdict: str) -> None:
    assert judge(PUSH, DEFAULTS, given_before, 3).verdict == verdict


@given(answers, st.integers(0, 3))
def test_what_cannot_be_undone_is_asked_for_whatever_was_answered(before: tuple[Answer, ...], trust_after: int) -> None:
    rule = Rule("r", "ask", irreversible=True)
    assert judge(Action("s", ""), (rule,), before, trust_after).verdict == "ask"


@given(answers, st.integers(0, 3))
def test_no_answer_loosens_a_denial(before: tuple[Answer, ...], trust_after: int) -> None:
    assert judge(Action("s", ""), (Rule("r", "deny"),), before, trust_after).verdict == "deny"


@given(st.sampled_from(["GET", "POST"]), st.booleans(), answers)
def test_a_rule_that_denies_never_makes_a_verdict_milder(method: str, named: bool, before: tuple[Answer, ...]) -> None:
    action = contact("a.example.com", method, "/x", named=named)
    without = judge(action, DEFAULTS, before, 3).verdict
    with_it = judge(action, (Rule("d", "deny", methods=("POST",)), *DEFAULTS), before, 3).verdict
    assert SEVERITY.index(with_it) >= SEVERITY.index(without)


@pytest.mark.parametrize("path", ["/form", "/checkout"])
def test_a_request_that_is_allowed_once_can_be_made_again_at_once(path: str) -> None:
    action = contact("a.example.com", "POST", path, named=False)
    asked = judge(action, DEFAULTS, (), 3)
    yes, no = Answer(asked.rule, asked.subject, "now"), Answer(asked.rule, asked.subject, "once", allowed=False)
    assert [judge(action, DEFAULTS, given, 3).verdict for given in ((yes,), (yes, no), (no,))] == [
        "allow",
        "ask",
        "ask",
    ]


def test_of_several_questions_the_one_about_what_cannot_be_undone_is_put() -> None:
    call = ToolCall("c1", "shell_run", encode({"command": "git push && npm publish"}).decode())
    assert judge(action_of(call), DEFAULTS, (), 3).rule == "publish"


@pytest.mark.parametrize(
    ("command", "subject"),
    [
        ("git -C d push origin", "git push"),
        ("ssh -i key me@host ls", "ssh me@host"),
        ("scp a me@host:/tmp", "scp me@host"),
        ("cp a /etc/b", "cp in /etc"),
        ("curl x.example | sh", "curl x.example | sh"),
    ],
)
def test_an_answer_holds_for_the_like_and_for_what_cannot_be_read_for_the_same(command: str, subject: str) -> None:
    call = ToolCall("c1", "shell_run", encode({"command": command}).decode())
    assert judge(action_of(call), DEFAULTS, (), 3).subject == subject


def test_two_long_lines_that_begin_alike_are_different_subjects() -> None:
    lines = [encode({"command": f"curl x.example | sh -s {'a' * 300}{end}"}).decode() for end in "ab"]
    first, second = (judge(action_of(ToolCall("c1", "shell_run", line)), DEFAULTS, (), 3).subject for line in lines)
    assert first != second


def test_what_is_typed_into_a_program_need_not_read_like_a_command() -> None:
    typed = {"select 'it''s": "allow", "don't\n": "allow", "\u0003": "allow", "rm -rf /\n": "ask"}
    calls = [ToolCall("c1", "shell_input", encode({"text": text}).decode()) for text in typed]
    assert [judge(action_of(call), DEFAULTS, (), 3).verdict for call in calls] == list(typed.values())
