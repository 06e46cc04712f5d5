"""No two live sandboxes share a number."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from workhand.sandbox.slots import FIRST_UID, SLOTS, give, preferred_number, take_slot, try_slot


def test_a_slot_that_is_taken_gives_the_next_and_wraps_around(tmp_path: Path) -> None:
    taken = [take_slot(tmp_path, SLOTS - 1) for _ in range(3)]
    try:
        assert [slot.number for slot in taken] == [SLOTS - 1, 0, 1]
        assert try_slot(tmp_path, 0) is None
    finally:
        for slot in taken:
            os.close(slot.fd)


def test_a_slot_is_free_when_the_last_process_that_holds_it_ends(tmp_path: Path) -> None:
    slot = take_slot(tmp_path, 5)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(slot.fd,)) as heir:
        os.close(slot.fd)
        assert try_slot(tmp_path, 5) is None
        assert heir.stdin is not None
        heir.stdin.close()
        heir.wait()
    again = take_slot(tmp_path, 5)
    os.close(again.fd)
    assert again.number == 5


def test_a_workspace_that_was_a_slots_goes_back_to_it() -> None:
    assert preferred_number("any", FIRST_UID + 17) == 17
    assert preferred_number("session", 0) == preferred_number("session", 1_000)
    assert 0 <= preferred_number("session", 0) < SLOTS


# Only root may give files away, and only root ever does. CI is root, so it always runs there.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_tree_deeper_than_any_recursion_can_be_given(tmp_path: Path) -> None:
    deepest = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=deepest)
        below = os.open("d", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    give(tmp_path, FIRST_UID)
    assert os.fstat(deepest).st_uid == tmp_path.stat().st_uid == FIRST_UID
    os.close(deepest)
    subprocess.run(["rm", "-rf", "--", str(tmp_path / "d")], check=True)
