"""An agent keeps notes, publishes what it made, and the person looks at it."""

from __future__ import annotations

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.scenarios.test_actions import results

pytestmark = pytest.mark.usefixtures("require_bubblewrap")


def test_notes_of_one_call_are_read_in_another_and_are_a_file_of_the_workspace(workhand: Workhand) -> None:
    added = shell("cd /tmp && note add 'Bolts cost 3.' --source shop.md && note progress 'Half is read.'")
    assert workhand("run", "--model", workhand.script(PLAN, BEGIN, added, shell("note ls"), DELIVER), "Note").code == 0
    assert "Bolts cost 3." in results(workhand)[3] and "[progress]" in results(workhand)[3]
    notes = workhand.home / "sessions" / workhand.session() / "workspace" / "notes.md"
    assert "Source: shop.md" in notes.read_text()
