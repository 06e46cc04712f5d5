"""Files of packages are kept by digest, and found by name as long as they are there."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workhand.guard.packages.pages import Offered
from workhand.guard.packages.wheels import Kept, Mismatch, Wheels

A, B, C = b"a" * 10, b"b" * 10, b"c" * 10


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(wheels: Wheels, content: bytes, *, own: bool = False, used: int = 0) -> Offered:
    name = chr(content[0])
    offered = Offered(f"{name}-1.0-py3-none-any.whl", sha256(content))
    with wheels.part() as part:
        part.write_bytes(content)
        wheels.put(part, offered.sha256)
    wheels.record(name, offered, own=own)
    if used:
        os.utime(wheels.directory / "files" / offered.sha256, (used, used))
    return offered


def names(wheels: Wheels) -> list[str]:
    return [each.project for each in wheels.kept()]


def test_a_file_is_found_by_its_name_and_by_its_digest(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path)
    offered = keep(wheels, A, own=True)
    assert wheels.kept("a") == wheels.kept() == (Kept("a", offered, 10, own=True),)
    assert (wheels.path(sha256(A)), wheels.path(sha256(B))) == (tmp_path / "files" / sha256(A), None)


def test_a_content_with_another_digest_is_not_kept(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path)
    with wheels.part() as part:
        part.write_bytes(A)
        with pytest.raises(Mismatch):
            wheels.put(part, sha256(B))
    assert list((tmp_path / "files").iterdir()) == []


def test_the_same_file_can_come_many_times_at_once(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: keep(wheels, A), range(32)))
    assert [each.name for each in (tmp_path / "files").iterdir()] == [sha256(A)]
    assert names(wheels) == ["a"]


def test_what_was_used_longest_ago_makes_room_and_takes_its_record_with_it(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path, bytes_max=25)
    keep(wheels, A, used=2)
    keep(wheels, B, used=1)
    keep(wheels, C)
    assert names(wheels) == ["a", "c"]
    assert [each.name for each in tmp_path.glob("projects/b/*")] == []


def test_what_is_the_persons_own_never_makes_room(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path, bytes_max=15)
    keep(wheels, A, own=True, used=1)
    keep(wheels, B, used=2)
    keep(wheels, C)
    assert names(wheels) == ["a", "c"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"own": true}', '{"own": true, "x": 1}'])
def test_a_broken_record_is_none(tmp_path: Path, content: str) -> None:
    wheels = Wheels(tmp_path)
    (tmp_path / "projects" / "a").mkdir(parents=True)
    (tmp_path / "projects" / "a" / "x.json").write_text(content)
    assert wheels.kept() == ()


def test_what_is_kept_can_be_removed_all_but_ones_own(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path / "wheels")
    assert wheels.clear() == ()
    keep(wheels, A)
    keep(wheels, B, own=True)
    assert [each.project for each in wheels.clear()] == ["a"]
    assert names(wheels) == ["b"]
    assert [each.project for each in wheels.clear("b")] == ["b"]
    assert list((tmp_path / "wheels" / "files").iterdir()) == []


def test_a_content_that_another_name_has_stays(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path)
    wheels.record("other", keep(wheels, A))
    wheels.clear("a")
    assert (names(wheels), wheels.path(sha256(A)) is not None) == (["other"], True)
