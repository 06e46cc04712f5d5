"""A model that sees looks at a picture: its bytes are in the requests that follow, and only there."""

from __future__ import annotations

import base64
import json
import signal
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.sandbox.test_view import png
from tests.scenarios.test_providers import says, served

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

PICTURE = base64.b64encode(png(40, 30)).decode()
DRAW = shell(f"echo {PICTURE} | base64 -d > dot.png")
LOOK: dict[str, Any] = {"tool": "file_view", "arguments": {"path": "dot.png"}}
SETTINGS = '[figures."openai-chat:any"]\nsees = true\n'


@pytest.mark.parametrize(
    ("model", "settings", "sees"),
    [
        ("anthropic:claude-opus-5", "", True),
        ("openai:gpt-6.1-sol", "", True),
        ("google:gemini-3.5-flash", "", True),
        ("openai-chat:any", SETTINGS, True),
        ("openai-chat:any", "", False),
    ],
)
def test_a_picture_is_sent_to_a_model_that_sees(workhand: Workhand, model: str, settings: str, sees: bool) -> None:
    workhand.settings(settings)
    with served(says(PLAN, BEGIN, DRAW, LOOK, shell("true"), DELIVER)) as server:
        workhand.environment |= server.exports
        ran = workhand("run", "--model", model, "--json", "Look at a dot")
    assert ran.code == 0, ran.err
    asked = [json.dumps(each) for each in server.asked if PICTURE[:40] in json.dumps(each)]
    drawn = [each.count(PICTURE) for each in asked]  # once in the command that drew it, and once seen
    assert drawn == ([1, 2, 2] if sees else [1, 1, 1])
    results = [line["event"]["observation"] for line in ran.lines if line["event"]["kind"] == "ToolReturned"]
    seen = results[3]
    assert (seen["ok"], seen.get("picture", "")) == ((True, "image/png") if sees else (False, "")), seen
    assert "PrefixBroken" not in ran.kinds


def test_a_session_that_looked_goes_on_after_it_was_killed(workhand: Workhand) -> None:
    with served(says(PLAN, BEGIN, DRAW, LOOK, shell("sleep 600"), DELIVER)) as server:
        workhand.environment |= server.exports
        running = workhand.start("run", "--model", "anthropic:claude-opus-5", "Look at a dot")
        running.until("ToolStarted", 4)
        running.send(signal.SIGKILL)
        running.ended()
        resumed = workhand("resume", workhand.session(), "--json")
    assert resumed.code == 0, resumed.err
    assert json.dumps(server.asked[-1]).count(PICTURE) == 2
    assert "PrefixBroken" not in resumed.kinds
