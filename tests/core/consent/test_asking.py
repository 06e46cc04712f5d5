"""A person is asked once, waited for at no cost, and heard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import ANYTHING, BEGUN, POLICY, SPEAKING, Part, answered, call, log, returned
from workhand.core.consent import asking
from workhand.core.consent.action import contact
from workhand.core.consent.defaults import DEFAULTS
from workhand.core.consent.judge import judge
from workhand.core.consent.rules import Answer, Rule
from workhand.core.decide import AskModel, Command, Finished, Foresee, Record, RunTool, WaitForUser, decide
from workhand.core.events import (
    ActForeseen,
    ApprovalAsked,
    ApprovalGiven,
    GivenBack,
    GuardChanged,
    HostContacted,
    NoticeGiven,
    Observation,
    SessionEnded,
    TakenOver,
    ToolReturned,
    ToolStarted,
    UserSaid,
)
from workhand.core.policy import Approvals, Guard, ToolSpec
from workhand.core.routing import in_force

PUSH = call("c9", "shell_run", '{"command":"git push"}')
RULES = (
    Rule("push", "ask", commands=("git push",), why="It publishes."),
    Rule("erase", "ask", commands=("mkfs",), irreversible=True, why="It erases."),
    Rule("never", "deny", commands=("halt",), why="It stops."),
)
GUARDED = replace(POLICY, guard=Guard(approvals=Approvals(RULES, trust_after=2)))
ASKED = ApprovalAsked("c9", "shell_run git push", "push", "git push", "It publishes.")
YES = ApprovalGiven("c9", "once", "push", "git push")
NO = ApprovalGiven("c9", "no", "push", "git push")
REFUSED = HostContacted("a.example", 443, "refused", "first-contact", "It is new.", "GET /", asks=True)
OTHER = replace(REFUSED, host="b.example")
RAN = (answered(call("c9", "shell_run")), ToolStarted("c9"))


def not_run(reason: str) -> Record:
    return Record((ToolReturned("c9", Observation(reason, reason, ok=False), how="refused"),))


USER_SAID_NO = not_run("Not run: The user did not allow it (rule 'push'). Find another way, or ask with message_ask.")
HOST_ASKED = ApprovalAsked("h5:a.example", "GET / at a.example", "first-contact", "a.example", "It is new.")
HOST_YES = ApprovalGiven("h5:a.example", "session", "first-contact", "a.example")


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((), Record((ASKED,)), id="a person is asked"),
        pytest.param((ASKED,), WaitForUser(), id="and waited for"),
        pytest.param((ASKED, YES), RunTool(PUSH), id="a yes runs the call"),
        pytest.param((ASKED, NO), USER_SAID_NO, id="a no does not"),
        pytest.param((ASKED, UserSaid("Wait.")), USER_SAID_NO, id="words are a no"),
        pytest.param((ASKED, SessionEnded("cancelled")), USER_SAID_NO, id="so is an end"),
        pytest.param((ASKED, YES, UserSaid("And then?")), RunTool(PUSH), id="words after a yes change nothing"),
        pytest.param((ASKED, TakenOver(), GivenBack("", 1.0)), WaitForUser(), id="a visit is no answer"),
    ],
)
def test_a_call_waits_for_a_person(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, answered(PUSH), *playbook, policy=GUARDED), GUARDED) == command


@pytest.mark.parametrize(
    ("asked", "command", "expected"),
    [
        ("never", "git push", Record((ASKED, replace(YES, by="policy")))),
        ("deny", "git push", Record((ASKED, replace(NO, by="policy")))),
        ("never", "halt", not_run("Not run: rule 'never' forbids it: It stops.")),
        ("person", "halt", not_run("Not run: rule 'never' forbids it: It stops.")),
        ("deny", "make", RunTool(call("c9", "shell_run", '{"command":"make"}'))),
    ],
)
def test_where_nobody_is_there_the_policy_answers(asked: str, command: str, expected: Command) -> None:
    guard = Guard(approvals=Approvals(RULES, asked))  # type: ignore[arg-type]  # one of the literals
    policy = replace(POLICY, guard=guard)
    made = call("c9", "shell_run", f'{{"command":"{command}"}}')
    assert decide(log(*BEGUN, answered(made), policy=policy), policy) == expected


def test_what_the_policy_forbade_is_told_apart_from_what_a_person_did() -> None:
    denied = log(*BEGUN, answered(PUSH), ASKED, replace(NO, by="policy"), policy=GUARDED)
    told = "Not run: Nobody is there to allow it (rule 'push'). Find another way, or ask with message_ask."
    assert decide(denied, GUARDED) == not_run(told)


def approved(number: int, answer: str = "once") -> tuple[Part, ...]:
    made = call(f"c{number}", "shell_run", '{"command":"git push"}')
    given = ApprovalGiven(made.id, answer, "push", "git push")  # type: ignore[arg-type]  # one of the literals
    return (answered(made), replace(ASKED, id=made.id), given, ToolStarted(made.id), returned(made.id))


@pytest.mark.parametrize(
    ("before", "runs"),
    [
        (approved(1), False),
        ((*approved(1), *approved(2)), True),
        ((*approved(1), *approved(2), *approved(3, "no")), False),
        (approved(1, "session"), True),
    ],
)
def test_trust_grows_within_a_session(before: tuple[Part, ...], runs: bool) -> None:
    command = decide(log(*BEGUN, *before, answered(PUSH), policy=GUARDED), GUARDED)
    assert command == (RunTool(PUSH) if runs else Record((ASKED,)))


def test_answers_for_every_session_hold_from_when_the_guard_changed() -> None:
    remembered = Guard(approvals=Approvals(RULES, answers=(Answer("push", "git push", "always"),)))
    begun = log(*BEGUN, GuardChanged(remembered), answered(PUSH), policy=GUARDED)
    assert decide(begun, in_force(begun, GUARDED)) == RunTool(PUSH)


def test_what_cannot_be_undone_gets_no_lasting_answer() -> None:
    erase = call("c9", "shell_run", '{"command":"mkfs /dev/x"}')
    command = decide(log(*BEGUN, answered(erase), policy=GUARDED), GUARDED)
    assert command == Record((ApprovalAsked("c9", "shell_run mkfs /dev/x", "erase", "mkfs", "It erases.", False),))


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((), Record((HOST_ASKED,)), id="a person is asked about a host"),
        pytest.param((HOST_ASKED,), WaitForUser(), id="and waited for"),
        pytest.param((HOST_ASKED, HOST_YES), Record((asking.host_notice(HOST_YES),)), id="the model is told"),
        pytest.param((HOST_ASKED, HOST_YES, NoticeGiven("")), AskModel(ANYTHING), id="once"),
        pytest.param((HOST_ASKED, UserSaid("No.")), AskModel(SPEAKING), id="words are a no, and heard"),
        pytest.param((HOST_ASKED, SessionEnded("cancelled")), Finished(), id="an end is an end"),
    ],
)
def test_a_host_that_was_refused_is_asked_about(playbook: tuple[Part, ...], command: Command) -> None:
    begun = log(*BEGUN, *RAN, REFUSED, returned("c9"), *playbook, policy=GUARDED)
    assert decide(begun, GUARDED) == command


def test_an_allowed_host_and_one_that_no_person_could_allow_are_not_asked_about() -> None:
    silent = (replace(REFUSED, asks=False), replace(REFUSED, verdict="allowed", asks=False))
    assert isinstance(decide(log(*BEGUN, *RAN, *silent, returned("c9"), policy=GUARDED), GUARDED), AskModel)


@pytest.mark.parametrize(
    ("answer", "after", "held"),
    [("once", (), 1), ("once", (answered(PUSH), returned("c9")), 0), ("session", (answered(PUSH), returned("c9")), 1)],
)
def test_a_host_that_is_allowed_once_is_allowed_for_one_action(answer: str, after: tuple[Part, ...], held: int) -> None:
    given = replace(HOST_YES, answer=answer)  # type: ignore[arg-type]  # one of the literals
    begun = log(*BEGUN, *RAN, REFUSED, returned("c9"), HOST_ASKED, given, *after, policy=GUARDED)
    assert sum(each.scope != "once" for each in asking.answers(begun, GUARDED)) == held


def test_the_agent_waits_while_a_person_has_the_machine() -> None:
    begun = (*BEGUN, answered(PUSH), returned("c9"))
    left = (*begun, TakenOver(), GivenBack("$ ls", 61.4))
    told = NoticeGiven("The user worked in the machine themselves for 61 s. Their terminal showed, at the end:\n$ ls")
    assert decide(log(*begun, TakenOver()), POLICY) == WaitForUser()
    assert decide(log(*left), POLICY) == Record((told,))
    assert isinstance(decide(log(*left, told), POLICY), AskModel)
    assert decide(log(*begun, SessionEnded("answered"), TakenOver(), GivenBack("", 1.0)), POLICY) == Finished()


def test_the_agent_waits_while_a_person_drives_the_browser_and_is_told_to_look_again() -> None:
    begun = (*BEGUN, answered(PUSH), returned("c9"), TakenOver(where="browser"))
    words = (
        "The user drove the browser themselves for 61 s: its pages may have changed, so look again with browser_view."
    )
    assert decide(log(*begun), POLICY) == WaitForUser()
    assert decide(log(*begun, GivenBack("", 61.4, where="browser")), POLICY) == Record((NoticeGiven(words),))


ACT = call("c9", "browser_act", '{"action":"click","ref":"e3"}')
PAYS = ActForeseen("c9", "pay", "click button 'Pay now' at shop.example", "shop.example", named=True)
POSTS = replace(PAYS, intent="post", what="click button 'Send' at shop.example")
ASKED_TO_PAY = ApprovalAsked("c9", PAYS.what, "pay", "shop.example", "This may spend money.", lasting=False)
ASKED_TO_POST = ApprovalAsked(
    "c9", POSTS.what, "post", "shop.example", "This sends data to a host that you have not named."
)
BROWSING = replace(
    POLICY, tools=(*POLICY.tools, ToolSpec("browser_act", "", "{}")), guard=Guard(approvals=Approvals(DEFAULTS))
)


@pytest.mark.parametrize(
    ("playbook", "command"),
    [
        pytest.param((), Foresee(ACT), id="an act is looked at before it is judged"),
        pytest.param((replace(PAYS, call_id="c5"),), Foresee(ACT), id="another act is another thing"),
        pytest.param((replace(PAYS, intent="look"),), RunTool(ACT), id="a look is free"),
        pytest.param((replace(PAYS, intent="input"),), RunTool(ACT), id="so is what is typed"),
        pytest.param((PAYS,), Record((ASKED_TO_PAY,)), id="to pay is asked about even where the host is named"),
        pytest.param((POSTS,), RunTool(ACT), id="to post is not"),
        pytest.param((replace(POSTS, named=False),), Record((ASKED_TO_POST,)), id="but at another host it is"),
        pytest.param((replace(POSTS, named=False, intent="submit"),), Record((ASKED_TO_POST,)), id="and a form, too"),
        pytest.param((PAYS, ASKED_TO_PAY, ApprovalGiven("c9", "once", "pay", "shop.example")), RunTool(ACT), id="yes"),
    ],
)
def test_an_act_on_a_page_is_judged_by_what_it_would_mean(playbook: tuple[Part, ...], command: Command) -> None:
    assert decide(log(*BEGUN, answered(ACT), *playbook, policy=BROWSING), BROWSING) == command


def test_what_an_approved_act_sends_is_not_asked_about_until_one_was_done() -> None:
    def verdict(*after: Part) -> str:
        yes = ApprovalGiven("c9", "once", "pay", "shop.example")
        begun = log(*BEGUN, answered(ACT), PAYS, ASKED_TO_PAY, yes, *after, policy=BROWSING)
        request = contact("shop.example", "POST", "/checkout", named=True)
        return judge(request, DEFAULTS, asking.answers(begun, BROWSING), 3).verdict

    gone = (ToolStarted("c9"), ToolReturned("c9", Observation("gone", "gone", ok=False), how="refused"))
    again = replace(ACT, id="c20")
    assert verdict() == "allow"
    assert verdict(*gone, answered(again)) == "allow"
    assert verdict(*gone, answered(again), replace(PAYS, call_id="c20", intent="look"), returned("c20")) == "allow"
    assert verdict(*gone, answered(call("c20", "shell_run"))) == "ask"
    assert verdict(ToolStarted("c9"), returned("c9"), answered(again)) == "ask"


def test_trust_in_a_host_grows_with_each_yes() -> None:
    def posted(number: int) -> tuple[Part, ...]:
        id = f"c{number}"
        yes = ApprovalGiven(id, "once", "post", "shop.example")
        foreseen = replace(POSTS, call_id=id, named=False)
        return (
            answered(replace(ACT, id=id)),
            foreseen,
            replace(ASKED_TO_POST, id=id),
            yes,
            ToolStarted(id),
            returned(id),
        )

    before = (*posted(1), *posted(2), *posted(3))
    again = (answered(ACT), replace(POSTS, named=False))
    assert decide(log(*BEGUN, *before, *again, policy=BROWSING), BROWSING) == RunTool(ACT)
    assert decide(log(*BEGUN, *before[6:], *again, policy=BROWSING), BROWSING) == Record((ASKED_TO_POST,))
