"""What the model is shown of a search."""

from __future__ import annotations

import json
from datetime import date

from workhand.search import Hit, Query
from workhand.search.results import as_file, in_short, search_web

DAY = date(2026, 5, 20)
HITS = tuple(
    Hit(f"T[{n}]", f"https://example.org/{n}", "one" if n else "", "2026-05-11" if n == 1 else "") for n in range(7)
)


def test_the_function_is_described_in_few_words() -> None:
    spec = search_web()
    assert spec.name == "search_web"
    assert json.loads(spec.parameters) == {
        "additionalProperties": False,
        "properties": {
            "limit": {"description": "default 10", "maximum": 20, "minimum": 1, "type": "integer"},
            "query": {
                "description": "the words of what is looked for",
                "maxLength": 400,
                "minLength": 1,
                "type": "string",
            },
            "since": {"description": "only from this day on", "pattern": "^\\d{4}-\\d{2}-\\d{2}$", "type": "string"},
        },
        "required": ["query"],
        "type": "object",
    }


def test_the_file_has_all_and_the_context_the_best() -> None:
    query = Query("a b", DAY, since=date(2026, 5, 1))
    text = as_file(query, HITS)
    assert text.startswith(
        "# Search: a b, since 2026-05-01\n\n1. [T(0)](<https://example.org/0>)\n"
        "2. [T(1)](<https://example.org/1>) (2026-05-11)\n   one\n"
    )
    assert text.endswith("7. [T(6)](<https://example.org/6>)\n   one\n")
    short = in_short(query, HITS, "searches/a.md").split("\n")
    assert short[:2] == ["7 results for 'a b', with snippets in searches/a.md", "1. T[0]: https://example.org/0"]
    assert len(short) == 6


def test_nothing_found_says_what_to_do() -> None:
    query = Query("a b", DAY)
    assert as_file(query, ()) == "# Search: a b\n\nNothing was found.\n"
    assert in_short(query, (), "x.md") == "nothing found for 'a b'; use fewer or other words"
