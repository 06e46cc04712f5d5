"""Which session gets which slot, and which files are kept."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workhand.models.slots import Slots, copy, file_name, prune


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30))
def test_a_session_keeps_its_slot_until_as_many_others_came(sessions: list[str]) -> None:
    slots = Slots(2)
    for i, session in enumerate(sessions):
        slot, held = slots.take(session)
        recent = list(dict.fromkeys(reversed(sessions[:i])))[:2]
        assert (held == session) == (session in recent)
        slots.give_back(slot, session)


def test_a_busy_slot_is_not_taken_and_an_empty_one_comes_before_an_old_one() -> None:
    slots = Slots(3)
    first, _ = slots.take("a")
    second, _ = slots.take("b")
    slots.give_back(first, "a")
    third, held = slots.take("c")
    assert len({first, second, third}) == 3 and held is None
    assert slots.sessions() == ("a",)


def test_a_session_answering_twice_at_once_ends_with_one_slot() -> None:
    slots = Slots(2)
    first, _ = slots.take("a")
    second, _ = slots.take("a")
    slots.give_back(first, "a")
    slots.give_back(second, "a")
    assert slots.of("a") == second and slots.sessions() == ("a",)


def test_files_saved_longest_ago_go_first(tmp_path: Path) -> None:
    for age, session in enumerate("abc"):
        file = tmp_path / file_name(session)
        file.write_bytes(b"x" * 10)
        os.utime(file, (1_000 - age, 1_000 - age))
    prune(tmp_path, 25)
    assert {file.name for file in tmp_path.iterdir()} == {file_name("a"), file_name("b")}


def test_a_fork_copies_what_there_is(tmp_path: Path) -> None:
    (tmp_path / file_name("parent")).write_bytes(b"state")
    copy(tmp_path, "parent", "child")
    copy(tmp_path, "nobody", "orphan")
    assert (tmp_path / file_name("child")).read_bytes() == b"state"
    assert not (tmp_path / file_name("orphan")).exists()
