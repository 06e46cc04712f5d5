"""Limits that are reached and models that fail: how a session ends, and how it goes on."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Ran, Workhand, shell
from workhand.cli.main import EPILOG

CONFIG, MODEL, LIMIT, STUCK = 3, 4, 8, 9
FILE = shell("echo so far > partly.txt")
PARTLY: dict[str, Any] = {
    "tool": "message_result",
    "arguments": {"text": "Half of it is done.", "attachments": ["partly.txt"]},
}


def run(workhand: Workhand, *options: str, lines: tuple[dict[str, Any], ...]) -> Ran:
    return workhand("run", "--isolation", "none", "--model", workhand.script(*lines), *options, "Do all of it")


def test_the_limit_on_steps_leaves_one_call_to_deliver_what_there_is(workhand: Workhand) -> None:
    ran = run(workhand, "--max-steps", "4", lines=(PLAN, BEGIN, FILE, PARTLY))
    assert ran.code == LIMIT
    assert "Half of it is done." in ran.out
    assert "partly.txt" in ran.out
    assert "the limit on steps is used up: 3 of 4" in ran.out
    assert workhand("resume", workhand.session()).code == LIMIT


def test_a_raised_limit_lets_the_session_go_on(workhand: Workhand) -> None:
    run(workhand, "--max-steps", "4", lines=(PLAN, BEGIN, FILE, PARTLY, shell("echo rest >> partly.txt"), DELIVER))
    session = workhand.session()
    assert workhand("resume", session, "--max-steps", "20").code == 0
    assert (workhand.home / "sessions" / session / "workspace" / "partly.txt").read_text() == "so far\nrest\n"


@pytest.mark.parametrize(
    ("options", "limit"), [(["--max-tokens", "3000"], "tokens"), (["--max-time", "0.05"], "seconds")]
)
def test_the_limits_on_tokens_and_time_end_a_session_with_what_there_is(
    workhand: Workhand, options: list[str], limit: str
) -> None:
    slow = shell("sleep 0.2; echo so far > partly.txt")
    ran = run(workhand, *options, lines=(PLAN, BEGIN, slow, PARTLY, PARTLY))
    assert ran.code == LIMIT
    assert f"the limit on {limit} is used up" in ran.out


def test_a_model_that_ignores_the_last_call_is_ended_all_the_same(workhand: Workhand) -> None:
    ran = run(workhand, "--max-steps", "4", lines=(PLAN, BEGIN, FILE, shell("echo more", repeat=20)))
    assert ran.code == LIMIT


def test_a_model_that_never_calls_anything_is_stuck(workhand: Workhand) -> None:
    ran = run(workhand, lines=({"text": "I would rather talk.", "repeat": 20},))
    assert ran.code == STUCK
    assert "stuck" in ran.out


def test_a_limit_on_cost_is_refused_where_the_price_is_unknown(workhand: Workhand) -> None:
    workhand.environment["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    ran = workhand("run", "--model", "openai-chat:homemade", "--max-cost", "1", "Do it")
    assert ran.code == CONFIG
    assert "The price of openai-chat:homemade is unknown" in ran.err


def test_a_model_that_is_not_there_ends_with_four_and_the_session_can_be_resumed(workhand: Workhand) -> None:
    ran = run(workhand, lines=(PLAN, BEGIN, {"error": "unavailable"}, DELIVER))
    session = workhand.session()
    assert ran.code == MODEL
    assert f"`workhand resume {session}`" in ran.out
    assert workhand("resume", session).code == MODEL
    workhand.script(PLAN, BEGIN, DELIVER)
    assert workhand("resume", session).code == 0


def test_an_answer_that_cannot_be_used_is_asked_for_again(workhand: Workhand) -> None:
    ran = run(workhand, lines=(PLAN, BEGIN, {"error": "malformed"}, DELIVER))
    assert ran.code == 0
    assert "ModelFailed" in ran.out


@pytest.mark.machines
def test_a_server_that_is_not_there_keeps_the_task_and_says_how_to_go_on(workhand: Workhand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    workhand.environment["OPENAI_BASE_URL"] = f"http://127.0.0.1:{port}/v1"
    ran = workhand("run", "--isolation", "none", "--model", "openai-chat:nobody", "Do it")
    assert ran.code == MODEL
    assert f"`workhand resume {workhand.session()}`" in ran.out
    assert f"127.0.0.1:{port}" in ran.out
    said = [
        line["event"]["text"] for line in workhand.events(workhand.session()) if line["event"]["kind"] == "UserSaid"
    ]
    assert said == ["Do it"]


def test_the_exit_codes_are_those_of_the_help() -> None:
    said = " ".join(EPILOG.split())
    for words in ("4 the model failed", "8 a limit was reached", "9 the model got stuck", "130 paused with Ctrl-C"):
        assert words in said
