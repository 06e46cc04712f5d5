"""People at two terminals: pausing, cancelling, talking and answering while a session works."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Running, Workhand, shell, wait

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

WAITING, CANCELLED, PAUSED, CONFIG = 7, 10, 130, 3
UNTIL_GO = "until [ -e go ]; do sleep 0.02; done; echo went"


def begun(workhand: Workhand, *lines: dict[str, Any]) -> tuple[Running, str]:
    """Start a session and wait until its first command runs."""
    running = workhand.start("run", "--model", workhand.script(PLAN, BEGIN, *lines, DELIVER), "Do it")
    running.until("ToolStarted", 2)
    return running, workhand.session()


def go(workhand: Workhand, session: str) -> None:
    (workhand.home / "sessions" / session / "workspace" / "go").touch()


def test_a_pause_from_another_terminal_comes_after_the_current_action(workhand: Workhand) -> None:
    running, session = begun(workhand, shell(UNTIL_GO), shell("echo more"))
    assert workhand("pause", session).code == 0
    go(workhand, session)
    ran = running.ended()
    assert (ran.code, ran.kinds[-2:]) == (PAUSED, ["ToolReturned", "Paused"])
    assert f"`workhand resume {session}`" in ran.err
    resumed = workhand("resume", session, "--json")
    assert (resumed.code, resumed.kinds[0]) == (0, "Resumed")


def test_a_message_reaches_a_running_session_and_is_answered_first(workhand: Workhand) -> None:
    running, session = begun(workhand, shell(UNTIL_GO), BEGIN, shell("echo more"))
    said = workhand("say", session, "Mind the gap")
    assert (said.code, said.out) == (0, "")
    assert "next step" in said.err
    go(workhand, session)
    ran = running.ended()
    assert ran.code == 0
    heard = ran.kinds.index("UserSaid", 2)
    assert ran.lines[heard]["event"]["text"] == "Mind the gap"
    answer = next(line["event"] for line in ran.lines[heard:] if line["event"]["kind"] == "ModelAnswered")
    assert answer["calls"][0]["tool"] == "message_info"


def test_a_cancellation_ends_a_long_command_and_the_session_at_once(workhand: Workhand) -> None:
    running, session = begun(workhand, shell("echo $$ > pid; sleep 600"))
    assert workhand("cancel", session).code == 0
    ran = running.ended()
    assert (ran.code, ran.kinds[-2:]) == (CANCELLED, ["ToolReturned", "SessionEnded"])
    assert ran.lines[-2]["event"]["how"] == "unknown"
    assert workhand("sessions", "--json").lines[0]["status"] == "ended"
    assert workhand("resume", session).code == CANCELLED
    more = workhand("say", session, "Go on after all", "--json")
    assert (more.code, more.kinds[0], more.kinds[-1]) == (0, "UserSaid", "SessionEnded")


def test_a_session_is_worked_on_in_one_terminal_at_a_time(workhand: Workhand) -> None:
    running, session = begun(workhand, shell(UNTIL_GO))
    second = workhand("resume", session)
    assert second.code == CONFIG
    assert "is running" in second.err or "is open" in second.err
    assert workhand("delete", session, "--yes").code == CONFIG
    assert workhand("rewind", session, "--to", "2").code == CONFIG
    go(workhand, session)
    assert running.ended().code == 0
    assert workhand("show", session).out.startswith(f"{session}  ended: answered")


def test_a_killed_session_is_listed_as_interrupted_and_goes_on(workhand: Workhand) -> None:
    running, session = begun(workhand, shell("sleep 600"))
    running.send(signal.SIGKILL)
    running.ended()
    assert "interrupted" in workhand("sessions").out
    assert workhand("sessions", "--json").lines[0]["status"] == "interrupted"
    assert workhand("pause", session).code == 0
    assert "waiting" in workhand("sessions").out
    resumed = workhand("resume", session, "--json")
    assert resumed.code == 0
    assert next(line["event"]["how"] for line in resumed.lines if line["event"]["kind"] == "ToolReturned") == "unknown"


def test_a_question_waits_for_its_answer(workhand: Workhand) -> None:
    ask = {"tool": "message_ask", "arguments": {"text": "Which colour?"}}
    asked = workhand("run", "--model", workhand.script(PLAN, ask, BEGIN, DELIVER), "Paint it")
    session = workhand.session()
    assert asked.code == WAITING
    assert "Which colour?" in asked.out
    assert f"`workhand say {session} TEXT`" in asked.out + asked.err
    assert workhand("resume", session).code == WAITING
    assert workhand("say", session, "Red", "--later").code == 0
    assert workhand("sessions", "--json").lines[0]["status"] == "runnable"
    answered = workhand("resume", session)
    assert answered.code == 0
    assert "you ▸ Red" in answered.out and "All done." in answered.out


def test_nothing_of_a_killed_session_stays_running(workhand: Workhand) -> None:
    marker = "86412"
    running, _ = begun(workhand, shell(f"sleep {marker}"))
    wait(lambda: marker in processes())
    running.send(signal.SIGKILL)
    running.ended()
    wait(lambda: marker not in processes())


def processes() -> str:
    """Give the arguments of all processes."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_text(errors="replace").replace("\0", " "))
        except OSError:
            continue  # It has just ended.
    return "\n".join(line for line in found if line.startswith("sleep "))
