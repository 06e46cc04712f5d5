"""Files: what goes into a session's machine, what comes out of it, and whose it is then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import BEGIN, PLAN, Workhand, shell

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

OTHER_UID = 54_321
WORK = shell("cat attachments/notes.txt > copy.txt; mkdir -p out; echo result > out/result.txt; ls -ln")
DELIVER: dict[str, Any] = {"tool": "message_result", "arguments": {"text": "Here.", "attachments": ["out/result.txt"]}}


@pytest.fixture
def directory(workhand: Workhand) -> Path:
    """A directory of the user's, with a file in it."""
    directory = workhand.directory / "mine"
    directory.mkdir()
    (directory / "before.txt").write_text("It was here before.\n")
    return directory


def run(workhand: Workhand, *options: str) -> str:
    (workhand.directory / "notes.txt").write_text("Some notes.\n")
    model = workhand.script(PLAN, BEGIN, WORK, shell("cat before.txt || true"), DELIVER)
    ran = workhand("run", "--model", model, "--attach", "notes.txt", *options, "Work on it")
    assert ran.code == 0, ran.err
    return ran.out + ran.err


def owners(directory: Path) -> set[int]:
    return {path.lstat().st_uid for path in directory.rglob("*")}


def test_a_workspace_of_the_users_is_worked_in_and_stays_theirs(workhand: Workhand, directory: Path) -> None:
    said = run(workhand, "--workspace", "mine")
    assert (directory / "copy.txt").read_text() == "Some notes.\n"
    assert (directory / "out" / "result.txt").read_text() == "result\n"
    assert (directory / "attachments" / "notes.txt").read_text() == "Some notes.\n"
    assert owners(directory) == {os.geteuid()}
    assert f"file: {directory / 'out' / 'result.txt'}" in said
    assert workhand("delete", workhand.session(), "--yes").code == 0
    assert (directory / "before.txt").read_text() == "It was here before.\n"
    assert (directory / "copy.txt").exists()


# Only root may give files away. CI is root, so it always runs there; and whoever is root meets this case.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have a directory of another user's")
def test_a_workspace_of_another_users_stays_theirs(workhand: Workhand, directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        os.chown(path, OTHER_UID, OTHER_UID)
    run(workhand, "--workspace", str(directory))
    assert owners(directory) == {OTHER_UID}


def test_results_of_a_fresh_workspace_are_delivered_beside_it(workhand: Workhand) -> None:
    said = run(workhand)
    place = workhand.home / "sessions" / workhand.session()
    result = place / "results" / "out" / "result.txt"
    assert result.read_text() == "result\n"
    assert f"file: {result}" in said
    assert workhand("show", workhand.session(), "--json").lines[0]["files"] == [str(result)]
    assert workhand("delete", workhand.session(), "--yes").code == 0
    assert not place.exists()


def test_two_results_with_one_name_are_both_delivered(workhand: Workhand) -> None:
    make = shell("mkdir a b; echo 1 > a/x.txt; echo 2 > b/x.txt")
    deliver = {"tool": "message_result", "arguments": {"text": "Here.", "attachments": ["a/x.txt", "b/x.txt"]}}
    assert workhand("run", "--model", workhand.script(PLAN, BEGIN, make, deliver), "Make two").code == 0
    results = workhand.home / "sessions" / workhand.session() / "results"
    assert sorted(path.read_text() for path in results.rglob("*") if path.is_file()) == ["1\n", "2\n"]


def test_two_attachments_with_one_name_are_refused_rather_than_one_of_them_lost(workhand: Workhand) -> None:
    for name in ("a", "b"):
        (workhand.directory / name).mkdir()
        (workhand.directory / name / "x.txt").write_text(name)
    model = workhand.script(PLAN, BEGIN, DELIVER)
    ran = workhand("run", "--model", model, "--attach", "a/x.txt", "--attach", "b/x.txt", "Look")
    assert ran.code == 3
    assert "'x.txt'" in ran.err


def test_a_result_from_outside_the_workspace_is_delivered_too(workhand: Workhand, directory: Path) -> None:
    make = shell("echo temporary > /tmp/made-inside.txt")
    deliver = {"tool": "message_result", "arguments": {"text": "Here.", "attachments": ["/tmp/made-inside.txt"]}}
    model = workhand.script(PLAN, BEGIN, make, deliver)
    assert workhand("run", "--model", model, "--workspace", "mine", "Make it").code == 0
    (file,) = workhand("show", workhand.session(), "--json").lines[0]["files"]
    assert Path(file).read_text() == "temporary\n"


def test_an_imported_session_brings_its_files_with_it(workhand: Workhand) -> None:
    run(workhand)
    exported = workhand("export", workhand.session(), "session.workhand")
    assert exported.code == 0
    shutil.rmtree(workhand.home)
    assert workhand("import", "session.workhand").code == 0
    workspace = workhand.home / "sessions" / workhand.session() / "workspace"
    assert (workspace / "out" / "result.txt").read_text() == "result\n"
    assert (workspace / "attachments" / "notes.txt").read_text() == "Some notes.\n"
