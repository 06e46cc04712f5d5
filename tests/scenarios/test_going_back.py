"""Files go back with their conversation, and a fork has files of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from workhand.sandbox.snapshots.store import Store

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

ONE = shell("mkdir -p out; echo one > out/kept.txt; echo one > changed.txt; ln -s changed.txt link")
TWO = shell("echo two > changed.txt; rm out/kept.txt; echo two > more.txt")
AS_ONE = {"out/kept.txt": "one\n", "changed.txt": "one\n", "link": "-> changed.txt"}
AS_TWO = {"changed.txt": "two\n", "more.txt": "two\n", "link": "-> changed.txt"}


def run(workhand: Workhand, *options: str) -> str:
    model = workhand.script(PLAN, BEGIN, ONE, TWO, DELIVER)
    ran = workhand("run", "--model", model, *options, "Work")
    assert ran.code == 0, ran.err
    return workhand.session()


def go_another_way(workhand: Workhand, session: str) -> None:
    workhand.script(PLAN, BEGIN, ONE, shell("echo three >> changed.txt"), DELIVER)
    assert workhand("resume", session).code == 0


def before(workhand: Workhand, session: str, text: str) -> str:
    """Give the position at which the model chose the command that has this text."""
    answers = (line for line in workhand.events(session) if line["event"]["kind"] == "ModelAnswered")
    return str(next(line["position"] for line in answers if text in str(line["event"]["calls"])))


def files(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def workspace(workhand: Workhand, session: str) -> Path:
    return workhand.home / "sessions" / session / "workspace"


def test_files_go_back_with_the_conversation_and_the_agent_goes_on_from_there(workhand: Workhand) -> None:
    session = run(workhand)
    assert files(workspace(workhand, session)) == AS_TWO
    back = workhand("rewind", session, "--to", before(workhand, session, "echo two"))
    assert back.code == 0, back.err
    assert files(workspace(workhand, session)) == AS_ONE
    go_another_way(workhand, session)
    assert files(workspace(workhand, session)) == AS_ONE | {"changed.txt": "one\nthree\n"}


def test_what_a_rewind_took_away_is_there_in_a_fork(workhand: Workhand) -> None:
    session = run(workhand)
    said = workhand("rewind", session, "--to", before(workhand, session, "echo one")).out
    assert files(workspace(workhand, session)) == {}
    offered = said.split("`workhand fork ")[1].split("`")[0]
    assert workhand("fork", *offered.split()).code == 0
    assert files(workspace(workhand, workhand.session())) == AS_TWO


def test_files_stay_where_a_person_wants_it(workhand: Workhand) -> None:
    session = run(workhand)
    assert workhand("rewind", session, "--keep-files", "--to", before(workhand, session, "echo two")).code == 0
    assert files(workspace(workhand, session)) == AS_TWO


def test_a_fork_has_files_of_its_own_as_they_were_at_its_position(workhand: Workhand) -> None:
    session = run(workhand)
    assert workhand("fork", session, "--at", before(workhand, session, "echo two")).code == 0
    fork = workhand.session()
    assert files(workspace(workhand, fork)) == AS_ONE
    go_another_way(workhand, fork)
    assert files(workspace(workhand, fork)) == AS_ONE | {"changed.txt": "one\nthree\n"}
    assert files(workspace(workhand, session)) == AS_TWO
    assert workhand("delete", fork, "--yes").code == 0
    assert not (workhand.home / "sessions" / fork).exists()


def test_a_fork_begins_with_the_files_as_they_are_now(workhand: Workhand) -> None:
    session = run(workhand)
    (workspace(workhand, session) / "mine.txt").write_text("from the person\n")
    assert workhand("fork", session).code == 0
    assert files(workspace(workhand, workhand.session())) == AS_TWO | {"mine.txt": "from the person\n"}


def test_a_workspace_of_the_users_goes_back_and_stays_theirs(workhand: Workhand) -> None:
    mine = workhand.directory / "mine"
    mine.mkdir()
    (mine / "before.txt").write_text("before\n")
    session = run(workhand, "--workspace", "mine")
    assert workhand("rewind", session, "--to", before(workhand, session, "echo one")).code == 0
    assert files(mine) == {"before.txt": "before\n"}
    assert {path.lstat().st_uid for path in mine.rglob("*")} == {os.geteuid()}


def test_where_nothing_is_kept_a_rewind_says_so_and_touches_no_file(workhand: Workhand) -> None:
    workhand.settings("snapshot_bytes_max = 0\n")
    session = run(workhand)
    said = workhand("rewind", session, "--to", before(workhand, session, "echo two"))
    assert (said.code, "No snapshot holds them" in said.out) == (0, True)
    assert files(workspace(workhand, session)) == AS_TWO
    assert not (workhand.home / "snapshots").exists()


def test_a_workspace_that_is_too_large_is_worked_in_all_the_same_and_said_to_be_kept_no_longer(
    workhand: Workhand,
) -> None:
    workhand.settings("snapshot_bytes_max = 6\n")
    session = run(workhand)
    told = [line["event"]["reason"] for line in workhand.events(session) if line["event"]["kind"] == "FilesNotSaved"]
    assert len(told) == 1 and "Remove what need not be kept" in told[0]
    said = workhand("rewind", session, "--to", before(workhand, session, "echo one"))
    assert (said.code, "cannot be kept; add --keep-files" in said.err) == (3, True), said
    assert files(workspace(workhand, session)) == AS_TWO


def test_deleting_the_last_session_that_points_to_a_snapshot_lets_it_go(workhand: Workhand) -> None:
    session = run(workhand)
    assert workhand("fork", session).code == 0
    fork = workhand.session()
    held = workhand.home / "snapshots" / "snapshots"
    for record in held.iterdir():
        os.utime(record, (0, 0))  # old enough to be collected
    assert workhand("delete", fork, "--yes").code == 0
    kept = len(list(held.iterdir()))
    assert kept >= 3  # those that the session's own log points to
    assert workhand("delete", session, "--yes").code == 0
    assert len(list(held.iterdir())) == 0


def test_a_fork_whose_folder_was_removed_by_hand_is_swept_with_the_next_deletion(workhand: Workhand) -> None:
    session = run(workhand)
    assert workhand("fork", session).code == 0
    store, fork = Store(workhand.home / "snapshots"), workhand.session()
    if not store.forks():
        pytest.skip("no overlay can be mounted here: the fork is a copy")
    store.unmount(workspace(workhand, fork))
    shutil.rmtree(workhand.home / "sessions" / fork)
    assert workhand("delete", session, "--yes").code != 0  # a fork of it is on record
    assert workhand("delete", fork, "--yes").code == 0
    assert store.forks() == ()
