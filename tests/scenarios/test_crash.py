"""The crash test in short: a process killed and frozen at work, and what it had promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.crash import crash


@pytest.mark.machines
def test_a_process_killed_again_and_again_breaks_no_promise(tmp_path: Path) -> None:
    said: list[str] = []
    report = crash(tmp_path, kills=12, sessions=4, seed=5, say=said.append)
    assert report.good, report
    assert report.kills == 12
    assert report.freezes > 0
    assert report.events_acknowledged > 100
