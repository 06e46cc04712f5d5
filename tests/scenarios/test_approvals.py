"""A person is asked before something is done that the rules name, and their answer counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import serving
from tests.cli.command import BEGIN, DELIVER, PLAN, Ran, Workhand, shell

WAITING, CONFIG = 7, 3
OUTSIDE = shell("cp a.txt ../outside.txt")  # fails in every machine, but is asked about first
MAKE = shell("echo hello > a.txt")
RULES = """
[[rule]]
name = "no-hello"
verdict = "deny"
commands = ["echo hello"]
why = "We do not greet."
"""


def run(workhand: Workhand, *options: str, lines: tuple[dict[str, Any], ...] = (PLAN, BEGIN, OUTSIDE, DELIVER)) -> Ran:
    return workhand("run", "--isolation", "none", "--model", workhand.script(*lines), *options, "Do it")


def events(workhand: Workhand, kind: str) -> list[dict[str, Any]]:
    shown = workhand("show", workhand.session(), "--events", "--json")
    return [line["event"] for line in shown.lines if line["event"]["kind"] == kind]


def test_a_session_waits_for_an_approval_and_goes_on_after_it(workhand: Workhand) -> None:
    ran = run(workhand)
    assert ran.code == WAITING
    assert "waits for your approval: shell_run cp a.txt ../outside.txt" in ran.out
    assert f"workhand approve {workhand.session()}" in ran.out
    assert workhand("resume", workhand.session()).code == WAITING  # asking again answers nothing
    assert len(events(workhand, "ApprovalAsked")) == 1
    approved = workhand("approve", workhand.session())
    assert approved.code == 0
    (given,) = events(workhand, "ApprovalGiven")
    assert (given["answer"], given["rule"], given["by"]) == ("once", "write-outside", "user")
    assert given["id"] in [each["call_id"] for each in events(workhand, "ToolStarted")]
    assert workhand("approve", workhand.session()).code == CONFIG


@pytest.mark.parametrize("how", ["deny", "say"])
def test_a_no_lets_the_session_go_on_without_it(workhand: Workhand, how: str) -> None:
    run(workhand)
    said = workhand("deny", workhand.session()) if how == "deny" else workhand("say", workhand.session(), "Leave it.")
    assert said.code == 0
    refused = [each for each in events(workhand, "ToolReturned") if each["how"] == "refused"]
    assert "The user did not allow it (rule 'write-outside')" in refused[-1]["observation"]["full"]


def test_an_answer_for_always_holds_in_other_sessions_until_it_is_revoked(workhand: Workhand) -> None:
    run(workhand)
    assert workhand("approve", workhand.session(), "--for", "always").code == 0
    assert run(workhand).code == 0
    assert workhand("approvals").out == "  1  write-outside: cp in /home\n"
    assert workhand("approvals", "revoke", "2").code == CONFIG
    assert workhand("approvals", "revoke", "1").code == 0
    assert workhand("approvals").out == "Nothing is allowed for every session: an answer of `always` does that.\n"
    assert run(workhand).code == WAITING


@pytest.mark.parametrize(("approve", "how"), [("deny", "refused"), ("never-ask", "ran")])
def test_where_nobody_is_there_the_option_answers(workhand: Workhand, approve: str, how: str) -> None:
    assert run(workhand, "--approve", approve).code == 0
    (given,) = events(workhand, "ApprovalGiven")
    assert given["by"] == "policy"
    (result,) = [each for each in events(workhand, "ToolReturned") if each["call_id"] == given["id"]]
    assert result["how"] == how


def test_rules_of_a_file_hold_and_ask_nobody(workhand: Workhand, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    ran = run(workhand, "--approve", "rules.toml", lines=(PLAN, BEGIN, MAKE, OUTSIDE, DELIVER))
    assert ran.code == 0
    told = [each["observation"]["full"] for each in events(workhand, "ToolReturned") if each["how"] == "refused"]
    assert told == [
        "Not run: rule 'no-hello' forbids it: We do not greet.",
        "Not run: Nobody is there to allow it (rule 'write-outside'). Find another way, or ask with message_ask.",
    ]


def test_an_imported_session_is_guarded_as_this_installation_says(workhand: Workhand) -> None:
    run(workhand, "--approve", "never-ask", "--network", "open")
    assert workhand("export", workhand.session(), "a.workhand").code == 0
    assert workhand("import", "a.workhand").code == 0
    (changed,) = events(workhand, "GuardChanged")
    assert changed["guard"]["isolation"] == "namespace"
    assert changed["guard"]["network"]["mode"] == "none"
    assert changed["guard"]["approvals"]["asked"] == "person"


@pytest.mark.usefixtures("require_bubblewrap", "require_browser")
def test_an_act_on_a_page_is_asked_about_before_it_is_done_and_done_once(workhand: Workhand) -> None:
    def open_page(path: str) -> dict[str, Any]:
        return {"tool": "browser_open", "arguments": {"url": f"http://host.internal:{port}{path}"}}

    pay: dict[str, Any] = {"tool": "browser_act", "arguments": {"action": "click", "ref": "e3"}}
    with serving() as port:
        lines = (PLAN, BEGIN, open_page("/pay"), pay, open_page("/pay"), pay, open_page("/receipts"), DELIVER)
        network = ("--network", f"host.internal:{port}")
        waits = workhand("run", "--model", workhand.script(*lines), *network, "Pay")
        assert waits.code == WAITING, waits.err
        assert "waits for your approval: click button 'Pay now' at host.internal" in waits.out
        assert workhand("approve", workhand.session()).code == 0
        seen = [each["observation"]["full"] for each in events(workhand, "ToolReturned")]
        assert "Nothing was done: no page is open any more" in seen[3]  # the browser ended with its process
        assert "Paid 1 times" in seen[6]
        assert [each["rule"] for each in events(workhand, "ApprovalAsked")] == ["pay"]
        denied = workhand("run", "--model", workhand.script(*lines), *network, "--approve", "deny", "Pay")
        assert denied.code == 0, denied.err
        seen = [each["observation"]["full"] for each in events(workhand, "ToolReturned")]
        assert "Nobody is there to allow it (rule 'pay')" in seen[3]
        assert "Paid 1 times" in seen[6]
