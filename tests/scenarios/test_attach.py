"""A person takes a session's machine over, and gives it back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

WORKS = shell("touch began; while ! [ -e mark ]; do sleep 0.05; done; ls")
ENTERS = "echo 'by '$((6*7)) > mark; sleep 1; ls\n"  # the agent's command ends in between


def of(workhand: Workhand, kind: str) -> list[dict[str, Any]]:
    return [line["event"] for line in workhand.events(workhand.session()) if line["event"]["kind"] == kind]


def test_the_agent_waits_while_a_person_works_in_its_machine_and_is_told(workhand: Workhand) -> None:
    running = workhand.start(
        "run", "--isolation", "none", "--model", workhand.script(PLAN, BEGIN, WORKS, DELIVER), "Do it"
    )
    running.until("ToolStarted", 2)  # its message, and its command
    visit = workhand("sandbox", "attach", workhand.session(), stdin=ENTERS)
    assert visit.code == 0 and "began" in visit.out
    ended = running.ended()
    assert ended.code == 0, ended.err
    assert "Somebody works in the machine" in ended.err
    kinds = ended.kinds
    assert kinds.index("TakenOver") < kinds.index("GivenBack") < kinds.index("SessionEnded")
    assert kinds.index("GivenBack") < len(kinds) - kinds[::-1].index("ModelAnswered") - 1  # it answered afterwards
    (given_back,) = of(workhand, "GivenBack")
    assert "began" in given_back["shown"] and given_back["seconds"] > 0
    assert "\x1b" not in given_back["shown"]


def test_a_session_at_rest_gets_its_machine_opened_for_the_person(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, DELIVER, BEGIN, DELIVER)
    workhand("run", "--isolation", "none", "--model", model, "Do it")
    visit = workhand("sandbox", "attach", workhand.session(), stdin="touch mine; echo $PWD\n")
    assert visit.code == 0
    assert "`workhand resume" in visit.err
    assert (workhand.home / "sessions" / workhand.session() / "workspace" / "mine").exists()
    assert workhand("say", workhand.session(), "Go on.").code == 0
    (notice,) = of(workhand, "NoticeGiven")
    assert "The user worked in the machine themselves" in notice["text"] and "touch mine" in notice["text"]
    assert len(of(workhand, "TakenOver")) == len(of(workhand, "GivenBack")) == 1


def test_who_has_no_machine_and_no_session_is_told(workhand: Workhand) -> None:
    assert "There is no session 'nothing'" in workhand("sandbox", "attach", "nothing").err
    destroyed = workhand("sandbox", "destroy", "nothing")
    assert (destroyed.code, "No machine of session 'nothing' is open" in destroyed.err) == (3, True)


KILLED = """
import os
from pathlib import Path
from workhand.core.ports import Capabilities
from workhand.sandbox import register
register.enter("killed", Path("/tmp"), Capabilities("unsafe", "none", "rlimits", "host"), os.getpid())
"""


@pytest.mark.usefixtures("require_bubblewrap")
def test_what_a_killed_process_left_behind_goes_when_the_next_machine_opens(workhand: Workhand) -> None:
    subprocess.run([sys.executable, "-c", KILLED], check=True)
    assert "killed" in workhand("sandbox", "ls").out
    assert workhand("sandbox", "exec", "--", "true").code == 0
    assert "killed" not in workhand("sandbox", "ls").out
