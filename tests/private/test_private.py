"""A person's file is theirs alone, and is there whole or as it was before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from workhand import private


def test_a_file_is_its_owners_only_whatever_it_was_before(tmp_path: Path) -> None:
    file = tmp_path / "below" / "secrets.json"
    before = os.umask(0)
    try:
        private.write(file, b"one")
        file.chmod(0o644)
        private.write(file, b"two")
    finally:
        os.umask(before)
    assert file.read_bytes() == b"two" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        private.write(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
