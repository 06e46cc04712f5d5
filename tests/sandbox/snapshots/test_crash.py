"""Whatever a process is killed in the middle of, the store opens, is whole, and gives back what is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sandbox.snapshots.crash import do
from tests.sandbox.snapshots.world import Seen, read, wait_for_grain
from workhand.sandbox.snapshots.store import Store, Taken

CRASH = Path(__file__).with_name("crash.py")
KILLED = -9
POINTS = 8


@dataclass(frozen=True, slots=True)
class Before:
    """What there was when the process began that was killed."""

    first: str
    second: str
    first_seen: Seen
    second_seen: Seen


def begin(directory: Path) -> Before:
    """Take snapshots of a small workspace, two to be kept, and change it once more."""
    store, workspace = Store(directory / "store"), directory / "workspace"
    (workspace / "folder" / "below").mkdir(parents=True)
    for number in range(4):
        (workspace / "folder" / f"file-{number}").write_text(str(number))
    zeroth, first_seen = store.take(workspace), read(workspace)
    assert isinstance(zeroth, Taken)
    (workspace / "folder" / "file-1").unlink()
    (workspace / "folder" / "below" / "file").write_text("below")
    (workspace / "link").symlink_to("folder")
    wait_for_grain()  # So that what is in the index, and with it the number of events, is always the same.
    second, second_seen = store.take(workspace, zeroth.id), read(workspace)
    assert isinstance(second, Taken)
    (workspace / "folder" / "file-2").write_text("changed")
    shutil.rmtree(workspace / "folder" / "below")
    (workspace / "more").mkdir()
    (workspace / "more" / "file").write_text("more")
    (directory / "ids").write_text(f"{zeroth.id} {second.id}")
    return Before(zeroth.id, second.id, first_seen, second_seen)


def run(directory: Path, act: str, event: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(CRASH), str(directory), act, str(event)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("act", ["take", "restore", "squash", "collect", "fork", "copy", "archive"])
def test_a_killed_act_leaves_a_store_that_is_whole_and_can_be_repeated(tmp_path: Path, act: str) -> None:
    (tmp_path / "counted").mkdir()
    begin(tmp_path / "counted")
    counted = run(tmp_path / "counted", act, 0)
    end(tmp_path / "counted")
    assert counted.stderr == ""
    events = int(counted.stdout)
    for point in range(POINTS):
        directory = tmp_path / str(point)
        directory.mkdir()
        before = begin(directory)
        killed = run(directory, act, 1 + point * (events - 1) // (POINTS - 1))
        assert killed.returncode == KILLED, killed
        try:
            look(directory, act, before)
        finally:
            end(directory)


def look(directory: Path, act: str, before: Before) -> None:
    """Open the store after the death, do the act to its end, and compare."""
    store = Store(directory / "store")
    assert list((directory / "store" / "staging").iterdir()) == []
    assert store.check() == ()
    if act != "archive":  # which forgets it in the middle, and so may have died without it
        again(store, directory, before.second, before.second_seen)
    if before.second in store.snapshots():
        if act == "fork" and store.is_mounted(directory / "fork"):
            store.discard(directory / "fork")
        if act == "copy" or (act == "fork" and not store.forks()):  # which is a copy where there are no overlays
            shutil.rmtree(directory / "fork", ignore_errors=True)
        do(store, act, directory, before.first, before.second)
        again(store, directory, before.second, before.second_seen)
    assert store.check() == ()
    match act:
        case "restore":
            assert read(directory / "workspace") == before.first_seen
        case "fork" | "copy":
            assert read(directory / "fork") == before.second_seen
        case "take":
            assert len(store.snapshots()) == 3


def again(store: Store, directory: Path, snapshot: str, seen: Seen) -> None:
    fresh = directory / "fresh"
    store.fork(snapshot, fresh, overlay=False)
    assert read(fresh) == seen
    shutil.rmtree(fresh)


def end(directory: Path) -> None:
    store = Store(directory / "store")
    for fork in store.forks():
        store.discard(Path(fork.target))
    assert str(directory) not in Path("/proc/self/mountinfo").read_text() or os.geteuid() != 0
