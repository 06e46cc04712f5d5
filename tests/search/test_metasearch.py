"""Search through the ddgs library: what it gives as hits, and what it says when nobody can be reached."""

from __future__ import annotations

import pytest

from workhand.core.searching import Hit, Query
from workhand.errors import SearchUnavailable
from workhand.search.metasearch import MetaSearch, within
from workhand.search.providers import hits

DAY = "2026-05-20"
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("since", "range_"),
    [
        ("", None),
        ("2026-05-19", "d"),
        ("2026-05-14", "w"),
        ("2026-05-12", "m"),
        ("2025-06-01", "y"),
        ("2024-01-01", None),
    ],
)
def test_a_search_since_a_day_takes_the_shortest_range_that_holds_it(since: str, range_: str | None) -> None:
    assert within(Query("red pandas", DAY, since=since)) == range_


def test_what_the_library_gives_becomes_hits() -> None:
    given = [
        {"title": "Red pandas", "href": "https://example.org/a", "body": "They eat bamboo."},
        {"title": "bad", "href": "javascript:alert(1)", "body": ""},
    ]
    assert list(hits(given, url="href", snippet="body", published="date")) == [
        Hit("Red pandas", "https://example.org/a", "They eat bamboo.")
    ]


@pytest.mark.anyio
async def test_engines_that_cannot_be_reached_are_one_sentence() -> None:
    pytest.importorskip("ddgs", reason="ddgs is not installed: an extra that is not pinned")
    with pytest.raises(SearchUnavailable, match="Search with ddgs failed"):
        await MetaSearch(proxy=NOWHERE).search(Query("red pandas", DAY, limit=2))
