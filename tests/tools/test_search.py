"""A search goes to a file, and says in a sentence why it brought nothing."""

from __future__ import annotations

import pytest

from workhand.core.searching import Hit, Query, Search
from workhand.errors import ConfigError, SearchUnavailable
from workhand.tools.search import NOT_SET_UP, SearchWeb, as_file, search_web

pytestmark = pytest.mark.anyio

DAY = "2026-05-20"
HITS = tuple(
    Hit(f"T[{n}]", f"https://example.org/{n}", "one" if n else "", "2026-05-11" if n == 1 else "") for n in range(7)
)


class Answering:
    """A search that answers with what it was given, or raises it."""

    def __init__(self, answer: tuple[Hit, ...] | Exception) -> None:
        self.answer = answer
        self.asked: list[Query] = []

    async def search(self, query: Query) -> tuple[Hit, ...]:
        self.asked.append(query)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_what_was_found_is_the_original_and_its_number_is_the_head() -> None:
    service = Answering(HITS)
    outcome = await search_web(SearchWeb("a b", 3, "2026-05-01"), service, DAY)
    assert service.asked == [Query("a b", DAY, 3, "2026-05-01")]
    assert (outcome.head, outcome.compact, outcome.ok) == ("7 results", "search_web 'a b': 7 results", True)
    text = outcome.original.decode()
    assert text.startswith(
        "# Search: a b, since 2026-05-01\n\n1. [T(0)](<https://example.org/0>)\n"
        "2. [T(1)](<https://example.org/1>) (2026-05-11)\n   one\n"
    )
    assert text.endswith("7. [T(6)](<https://example.org/6>)\n   one\n")


@pytest.mark.parametrize(
    ("service", "since", "head", "ok"),
    [
        (None, "", NOT_SET_UP, False),
        (Answering(()), "", "0 results; use fewer or other words", True),
        (Answering(SearchUnavailable("It is away.")), "", "It is away.", False),
        (Answering(ConfigError("It knows no such key.")), "", "It knows no such key.", False),
        (Answering(()), "2026-13-01", "month must be in 1..12", False),
    ],
)
async def test_a_search_that_brings_nothing_says_why(service: Search | None, since: str, head: str, ok: bool) -> None:
    outcome = await search_web(SearchWeb("a", since=since), service, DAY)
    assert (outcome.head.startswith(head), outcome.ok) == (True, ok), outcome.head


def test_nothing_found_is_written_too() -> None:
    assert as_file(Query("a b", DAY), ()) == "# Search: a b\n\nNothing was found.\n"
