"""The file in which data is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from workhand.data import registry
from workhand.data.registry import Entry
from workhand.errors import ConfigError


def test_entries_are_kept_for_their_owner_only_and_read_back_by_name(tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    entries = (Entry("prices", "file", "/srv/prices.csv"), Entry("sales", "directory", "/srv/sales", "Orders."))
    for entry in reversed(entries):
        registry.add(file, entry)
    assert registry.load(file) == entries
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    registry.remove(file, "sales")
    assert registry.load(file) == entries[:1]


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "a b", "a\n", "a" * 64])
def test_a_name_that_is_no_directory_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is not one of letters"):
        registry.add(tmp_path / "data.json", Entry(name, "directory", "/srv"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"data": []}', '{"data": {"a": 1}}', '{"data": {"../a": {"kind": "file", "where": "/"}}}']
)
def test_a_file_that_is_not_like_it_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(ConfigError, match=r"data\.json"):
        if registry.load(tmp_path / "data.json") is not None:
            pytest.fail("it was read")


def test_a_description_is_one_line_of_bounded_length() -> None:
    assert registry.described(" a\n\n# b ") == "a # b"
    assert len(registry.described("a" * 1_000)) == registry.DESCRIPTION_CHARS_MAX
