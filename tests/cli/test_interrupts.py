"""Ctrl-C: once pauses after the current action, twice leaves at once, and nothing is lost either way."""

from __future__ import annotations

import signal

from tests.cli.command import BEGIN, DELIVER, PLAN, Running, Workhand, shell

PAUSED = 130


def begun(workhand: Workhand, command: str) -> Running:
    """Start a session and wait until its command runs."""
    model = workhand.script(PLAN, BEGIN, shell(command), shell("echo more"), DELIVER)
    running = workhand.start("run", "--isolation", "none", "--model", model, "Do it")
    running.until("ToolStarted", 2)
    return running


def test_one_ctrl_c_pauses_after_the_current_action_and_says_how_to_go_on(workhand: Workhand) -> None:
    running = begun(workhand, "until [ -e go ]; do sleep 0.02; done; echo went")
    running.send(signal.SIGINT)
    session = workhand.session()
    (workhand.home / "sessions" / session / "workspace" / "go").touch()
    ran = running.ended()
    assert ran.code == PAUSED
    assert f"`workhand resume {session}`" in ran.err
    assert ran.kinds[-2:] == ["ToolReturned", "Paused"]
    assert "went" in ran.lines[-2]["event"]["observation"]["full"]
    assert workhand("sessions", "--json").lines[0]["status"] == "waiting"
    assert workhand("resume", session).code == 0


def test_a_second_ctrl_c_leaves_at_once_and_nothing_is_lost(workhand: Workhand) -> None:
    running = begun(workhand, "sleep 600")
    running.send(signal.SIGINT)
    running.until_said("Pausing")
    running.send(signal.SIGINT)
    ran = running.ended()
    session = workhand.session()
    assert ran.code == PAUSED
    assert f"`workhand resume {session}`" in ran.err
    assert ran.kinds[-1] == "ToolStarted"
    resumed = workhand("resume", session, "--json")
    assert resumed.code == 0
    assert next(line["event"]["how"] for line in resumed.lines if line["event"]["kind"] == "ToolReturned") == "unknown"


def test_ctrl_c_while_the_model_is_asked_loses_nothing(workhand: Workhand) -> None:
    running = begun(workhand, "true")
    running.send(signal.SIGINT)
    ran = running.ended()
    assert ran.code in (0, PAUSED)
    assert workhand.events(workhand.session())[: len(ran.lines)] == ran.lines


def test_a_termination_pauses_like_ctrl_c(workhand: Workhand) -> None:
    running = begun(workhand, "until [ -e go ]; do sleep 0.02; done")
    running.send(signal.SIGTERM)
    running.until_said("Pausing")
    (workhand.home / "sessions" / workhand.session() / "workspace" / "go").touch()
    assert running.ended().code == PAUSED
