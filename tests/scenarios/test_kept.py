"""What is kept for the agent: where it is on the host, that the agent cannot change it, and that it travels."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import BEGIN, PLAN, Workhand, shell

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

NUMBERS = "".join(f"{number}\n" for number in range(1, 2_001))
TAMPER = "rm -rf .workhand; mv .workhand aside; for file in .workhand/results/*; do echo changed > $file; done; true"
KEPT = ".workhand/results/c9-shell_run.txt"
DELIVER: dict[str, Any] = {"tool": "message_result", "arguments": {"text": "Here.", "attachments": [KEPT]}}
AGAIN = shell(f"sum < {KEPT}; ls .workhand")


@pytest.fixture
def session(workhand: Workhand) -> str:
    """A session whose agent has printed much, tried to change what was kept of it, and delivered that."""
    lines = (PLAN, BEGIN, shell("seq 1 2000"), shell(TAMPER), DELIVER, BEGIN, AGAIN, DELIVER)
    ran = workhand("run", "--model", workhand.script(*lines), "Count")
    assert ran.code == 0, ran.err
    return workhand.session()


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix == ".txt"
    }


def test_what_is_kept_is_beside_the_workspace_and_the_agent_could_not_change_it(
    workhand: Workhand, session: str
) -> None:
    place = workhand.home / "sessions" / session
    assert (place / "kept" / "results" / "c9-shell_run.txt").read_text() == NUMBERS
    assert list((place / "workspace").rglob("*")) == [place / "workspace" / ".workhand"]
    views = sorted(path.name for path in (place / "kept").glob("*.md"))
    assert views == ["findings.md", "goals.md", "plan.md", "progress.md"]


def test_a_kept_file_can_be_delivered(workhand: Workhand, session: str) -> None:
    (file,) = workhand("show", session, "--json").lines[0]["files"]
    assert file == str(workhand.home / "sessions" / session / "results" / "kept" / "results" / "c9-shell_run.txt")
    assert Path(file).read_text() == NUMBERS


def test_a_session_that_was_imported_or_forked_has_what_was_kept(workhand: Workhand, session: str) -> None:
    before = contents(workhand.home / "sessions" / session / "kept")
    assert workhand("export", session, "session.workhand").code == 0
    with zipfile.ZipFile(workhand.directory / "session.workhand") as archive:
        assert not any(".workhand" in name for name in archive.namelist())
    assert workhand("fork", session).code == 0
    fork = workhand.session()
    assert workhand("import", "session.workhand").code == 0
    for each in (fork, workhand.session()):
        said = workhand("say", each, "Look again", "--json")
        assert said.code == 0, said.err
        assert "progress.md" in said.out
        after = contents(workhand.home / "sessions" / each / "kept")
        assert before.items() <= after.items()


def test_what_was_lost_is_there_again_after_resuming(workhand: Workhand, session: str) -> None:
    kept = workhand.home / "sessions" / session / "kept"
    before = contents(kept)
    shutil.rmtree(kept)
    assert workhand("say", session, "Look again").code == 0
    assert before.items() <= contents(kept).items()


def test_without_a_sandbox_it_is_in_the_workspace_out_of_the_repositorys_sight(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, shell("git init -q .; seq 1 2000; git status --porcelain"), DELIVER)
    ran = workhand("run", "--isolation", "none", "--model", model, "Count")
    assert ran.code == 0, ran.err
    workspace = workhand.home / "sessions" / workhand.session() / "workspace"
    file = workspace / KEPT
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (NUMBERS, 0o444)
    assert (workspace / ".workhand" / ".gitignore").read_text() == "*\n"


def test_a_users_file_with_the_folders_name_is_refused_and_stays(workhand: Workhand) -> None:
    mine = workhand.directory / "mine"
    mine.mkdir()
    (mine / ".workhand").write_text("mine")
    ran = workhand("run", "--workspace", "mine", "--model", workhand.script(PLAN, BEGIN, DELIVER), "Count")
    assert ran.code == 5
    assert "move it away" in ran.err
    assert (mine / ".workhand").read_text() == "mine"
