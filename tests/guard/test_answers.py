"""Answers for every session are kept, listed and revoked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workhand.core.consent.rules import Answer
from workhand.errors import ConfigError
from workhand.guard.answers import Remembered

MANY = """
import sys
from pathlib import Path
from workhand.guard.answers import Remembered
for number in range(20):
    Remembered(Path(sys.argv[1])).remember(sys.argv[2], str(number))
"""


def test_an_answer_is_kept_replaced_and_revoked(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "home" / "answers.json")
    assert remembered.answers() == ()
    remembered.remember("push", "git push")
    remembered.remember("remote", "ssh")
    remembered.remember("push", "git push")
    kept = (Answer("remote", "ssh", "always"), Answer("push", "git push", "always"))
    assert remembered.answers() == kept
    assert remembered.file.stat().st_mode & 0o777 == 0o600
    remembered.revoke(kept[0])
    assert remembered.answers() == kept[1:]


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    running = [subprocess.Popen([sys.executable, "-c", MANY, str(file), name]) for name in ("a", "b")]
    assert [each.wait() for each in running] == [0, 0]
    assert len(Remembered(file).answers()) == 40


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('[{"rule": 1')
    with pytest.raises(ConfigError, match=r"answers.json.*damaged"):
        Remembered(file).remember("a", "b")
    assert file.read_text() == '[{"rule": 1'
