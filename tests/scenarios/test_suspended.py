"""What runs in a machine goes on with its session, and in a fork of it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

pytestmark = [
    pytest.mark.machines,
    pytest.mark.usefixtures("require_gvisor"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can have gVisor go on with a machine"),
]

STARTED = "A=kept; mkdir sub; cd sub; exec 3>>log; (while sleep 0.1; do echo x >&3; done) & echo started"
BEATS = (
    "n() { wc -l < log; }; b=$(n); until [ $(n) -gt $b ]; do sleep 0.1; done; echo $A ${PWD##*/} $(jobs -pr | wc -l)"
)
GOES_ON, FRESH = "exit 0\nkept sub 1\n", "exit 0\n0\n"


def run(workhand: Workhand, *more: dict[str, Any]) -> str:
    model = workhand.script(
        PLAN, BEGIN, shell(STARTED), DELIVER, *(step for each in more for step in (BEGIN, each, DELIVER))
    )
    ran = workhand("run", "--isolation", "kernel", "--model", model, "Work")
    assert ran.code == 0, ran.err
    return workhand.session()


def say(workhand: Workhand, session: str) -> tuple[bool, str]:
    """Have a session go on, and give whether its machine did, and what the last command showed."""
    said = workhand("say", session, "Go on.")
    assert said.code == 0, said.err
    lines = workhand.events(session)
    events = [line["event"] for line in lines]
    (*_, opened) = (event for event in events if event["kind"] == "SandboxOpened")
    (*_, shown, _) = (event["observation"]["full"] for event in events if event["kind"] == "ToolReturned")
    (*_, position) = (line["position"] for line in lines if line["event"]["kind"] == "ModelAnswered")
    resumed = opened.get("resumed", False)
    assert resumed != ("The machine was restarted" in workhand("show", session, "--prompt", str(position)).out)
    return resumed, shown


def suspended(workhand: Workhand) -> set[str]:
    return {line["suspended"] for line in workhand("sandbox", "ls", "--json").lines if "suspended" in line}


def test_what_runs_goes_on_with_its_session_and_in_a_fork(workhand: Workhand) -> None:
    session = run(workhand, shell(BEATS), shell(BEATS))
    forked = workhand("fork", session)
    assert forked.code == 0 and "What ran in its machine goes on in both." in forked.out
    fork = workhand.session()
    assert suspended(workhand) == {session, fork}
    for each in (session, fork, session):
        assert say(workhand, each) == (True, GOES_ON)
    assert workhand("delete", fork, "--yes").code == 0
    assert suspended(workhand) == {session}


@pytest.mark.parametrize("changed", ["an open file", "how machines are built"])
def test_what_could_not_go_on_begins_afresh_and_the_model_is_told(workhand: Workhand, changed: str) -> None:
    session = run(workhand, shell("jobs -pr | wc -l"))
    if changed == "an open file":
        (workhand.home / "sessions" / session / "workspace" / "sub" / "log").unlink()
    else:
        workhand.settings("[machine]\nprocesses = 99\n")
    assert say(workhand, session) == (False, FRESH)


def test_what_is_not_wanted_is_not_kept(workhand: Workhand) -> None:
    session = run(workhand, shell("jobs -pr | wc -l"))
    assert workhand("sandbox", "destroy", session).code == 0
    assert suspended(workhand) == set()
    workhand.settings("suspended_bytes_max = 0\n")
    assert say(workhand, session) == (False, FRESH)
    assert suspended(workhand) == set()


def test_going_back_ends_what_ran(workhand: Workhand) -> None:
    session = run(workhand)
    position = next(line["position"] for line in workhand.events(session) if "echo started" in str(line["event"]))
    assert workhand("rewind", session, "--to", str(position)).code == 0
    assert suspended(workhand) == set()
