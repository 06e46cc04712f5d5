"""A folder of documents that is searched without a network."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workhand.core.searching import Hit, Query
from workhand.errors import ConfigError, SearchUnavailable
from workhand.search.offline import FolderSearch

DAY = "2026-05-20"
CHANGED_S = 1_778_500_000  # 2026-05-11


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    write(made / "pandas.md", "intro\n# Red pandas\n\nRed pandas eat bamboo in the Himalaya.\n")
    write(made / "deep" / "bamboo.txt", "Bamboo forests\n\nBamboo grows fast. Few animals are eating it.\n")
    write(made / "café.md", "# Café\n\nCoffee, and nothing about animals.\n")
    write(made / "picture.png", "bamboo")
    write(made / ".hidden.md", "bamboo")
    (made / "link.md").symlink_to(made / "pandas.md")
    return made


def write(path: Path, text: str, changed_s: int = CHANGED_S) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    os.utime(path, (changed_s, changed_s))


def found(folder: Path, text: str, *, limit: int = 10, since: str = "") -> list[str]:
    search = FolderSearch(folder, folder.parent / "index.sqlite")
    return [hit.url for hit in search.search_now(Query(text, DAY, limit, since))]


@pytest.mark.anyio
async def test_a_document_is_found_with_its_title_and_the_words_around(folder: Path) -> None:
    search = FolderSearch(folder, folder.parent / "kept" / "index.sqlite")
    assert await search.search(Query("himalaya", DAY)) == (
        Hit("Red pandas", "pandas.md", "intro # Red pandas Red pandas eat bamboo in the Himalaya.", "2026-05-11"),
    )


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("bamboo", ["deep/bamboo.txt", "pandas.md"]),
        ("eats bamboo", ["deep/bamboo.txt", "pandas.md"]),
        ("red bamboo", ["pandas.md", "deep/bamboo.txt"]),
        ("bamboo himalaya", ["pandas.md", "deep/bamboo.txt"]),
        ('"bamboo grows"', ["deep/bamboo.txt"]),
        ("cafe", ["café.md"]),
        ("CAFÉ nosuchword", ["café.md"]),
        ("nosuchword", []),
        ('"', []),
        ("title:bamboo* NEAR(", ["deep/bamboo.txt", "pandas.md"]),
    ],
)
def test_the_best_comes_first(folder: Path, text: str, urls: list[str]) -> None:
    assert found(folder, text) == urls


def test_no_more_are_found_than_were_asked_for(folder: Path) -> None:
    assert found(folder, "bamboo", limit=1) == ["deep/bamboo.txt"]


def test_older_documents_are_left_out(folder: Path) -> None:
    write(folder / "new.md", "bamboo", CHANGED_S + 200_000)
    assert found(folder, "bamboo", since="2026-05-12") == ["new.md"]
    assert len(found(folder, "bamboo", since="2026-05-11")) == 3


def test_the_index_follows_the_folder(folder: Path) -> None:
    assert found(folder, "bamboo") == ["deep/bamboo.txt", "pandas.md"]
    (folder / "pandas.md").unlink()
    write(folder / "new.md", "bamboo bamboo bamboo", CHANGED_S + 1)
    write(folder / "deep" / "bamboo.txt", "something else", CHANGED_S + 1)
    assert found(folder, "bamboo") == ["new.md"]
    assert found(folder, "something") == ["deep/bamboo.txt"]


def test_what_has_not_changed_is_not_read_again(folder: Path) -> None:
    found(folder, "bamboo")
    before = (folder / "pandas.md").stat()
    (folder / "pandas.md").write_text("x" * before.st_size)
    os.utime(folder / "pandas.md", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "pandas.md" in found(folder, "himalaya")


def test_searches_at_the_same_time_share_an_index(folder: Path) -> None:
    for number in range(100):
        write(folder / f"{number}.md", f"number{number} all")
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(len(found(folder, "all", limit=200)))) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert counts == [100] * 6


def test_what_cannot_be_searched_is_said(folder: Path) -> None:
    with pytest.raises(ConfigError, match="There is no folder"):
        found(folder / "nowhere", "a")
    (folder.parent / "index.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(SearchUnavailable, match="delete it"):
        found(folder, "a")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_no_words_are_a_fault(folder: Path, text: str) -> None:
    assert len(found(folder, text)) <= 3
