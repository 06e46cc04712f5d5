"""Whatever people, agents and commands write is shown as text: it marks nothing up and moves no cursor."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import DELIVER, PLAN, Workhand, shell
from tests.cli.test_terminal import terminal

NASTY = "\x1b]0;stolen\x07\x1b[31m\x9b2J[/b][bold]fat[/bold]"
SAY = {"tool": "message_info", "arguments": {"text": NASTY}}
PRINT = shell(r"printf '\033]0;stolen\007\033[31m'; until [ -e go ]; do sleep 0.02; done")
RESULT = {"tool": "message_result", "arguments": {"text": NASTY}}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def model(workhand: Workhand) -> str:
    return workhand.script(PLAN, SAY, shell(r"printf '\033]0;stolen\007\033[31m'"), RESULT)


def test_brackets_in_a_task_are_shown_as_they_are(workhand: Workhand) -> None:
    workhand("run", "--isolation", "none", "--model", workhand.script(PLAN, DELIVER), "close [/b] and [bold]x[/bold]")
    listed = workhand("sessions")
    assert listed.code == 0, listed.err
    assert "close [/b] and [bold]x[/bold]" in listed.out


def test_no_control_character_of_the_agents_reaches_a_pipe(workhand: Workhand, model: str) -> None:
    ran = workhand("run", "--isolation", "none", "--model", model, f"task {NASTY}")
    assert ran.code == 0, ran.err
    session = workhand.session()
    shown = [workhand("show", session, *option).out for option in ([], ["--events"], ["--plan"], ["--context"])]
    for text in (ran.out, ran.err, workhand("sessions").out, *shown):
        assert CONTROL.findall(text) == []


def test_no_control_character_of_the_agents_reaches_a_terminal(workhand: Workhand) -> None:
    model = workhand.script(PLAN, SAY, PRINT, RESULT)
    with terminal(workhand, "run", "--isolation", "none", "--model", model, f"task {NASTY}") as shown:
        shown.until("⋯ shell_run")
        (workhand.home / "sessions" / workhand.session() / "workspace" / "go").touch()
        assert shown.ends() == 0
    assert "\x1b]" not in shown.shown
    assert "\x9b" not in shown.shown


def test_what_has_ended_is_neither_paused_nor_cancelled(workhand: Workhand) -> None:
    workhand("run", "--isolation", "none", "--model", workhand.script(PLAN, DELIVER), "task")
    session = workhand.session()
    before = workhand.events(session)
    for command in ("pause", "cancel"):
        assert "ended" in workhand(command, session).err
    assert workhand.events(session) == before


def test_a_script_is_found_again_from_another_directory(workhand: Workhand) -> None:
    workhand.script({"error": "unavailable"}, PLAN, DELIVER)
    workhand("run", "--isolation", "none", "--model", "script:script.jsonl", "task")
    workhand.script(PLAN, DELIVER)
    session = workhand.session()
    workhand.directory /= "elsewhere"
    workhand.directory.mkdir()
    assert workhand("resume", session).code == 0
