"""``workhand gate``: what was learned is kept, shown and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import DELIVER, PLAN, Workhand, shell
from tests.core.playbook import BEGUN, log
from tests.core.test_reopening import previewed
from workhand.cli.session.learning import learn, learned
from workhand.cli.settings import Settings
from workhand.core.reopening import Opened
from workhand.errors import ConfigError


def test_what_sessions_teach_adds_up(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    played = log(*BEGUN, previewed("c1", "shell_run"))
    learn(settings, played, since=0)
    learn(settings, played, since=0)
    learn(settings, played, since=played.head)
    assert learned(settings) == (Opened("shell_run", 2, 0),)


def test_a_session_that_opens_a_preview_teaches_the_gate(workhand: Workhand) -> None:
    look = shell("seq 1 3000")
    back = {"tool": "file_read", "arguments": {"path": ".workhand/results/c6-shell_run.txt", "limit": 5}}
    model = workhand.script(PLAN, look, back, DELIVER)
    assert workhand("run", "--isolation", "none", "--model", model, "Look").code == 0
    assert workhand("gate", "--json").lines == [
        {"expected_share": 0.3636, "opened": {"opened": 1, "previews": 1, "tool": "shell_run"}}
    ]
    assert workhand("gate", "--reset").code == 0
    assert workhand("gate", "--json").lines == []


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "previews.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ConfigError, match=r"is damaged .*workhand gate --reset"):
        learned(Settings(home=tmp_path))
