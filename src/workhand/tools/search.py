"""The ``search_`` family: find pages or documents.  Results go to a file, and the model is shown where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from workhand.core.ports import Outcome
from workhand.core.searching import Hit, Query, Search
from workhand.errors import ConfigError, SearchUnavailable

NOT_SET_UP = "Nothing is set up to search; the user can name a service or a folder under [search] in the settings."
QUERY_CHARS_SHOWN = 80


@dataclass(frozen=True, slots=True)
class SearchWeb:
    query: str
    limit: int = 10
    since: str = ""


async def search_web(asked: SearchWeb, search: Search | None, today: str) -> Outcome:
    """Ask whoever is set up.  That nothing answers ends no session."""
    words = asked.query if len(asked.query) <= QUERY_CHARS_SHOWN else asked.query[: QUERY_CHARS_SHOWN - 1] + "…"
    call = f"search_web {words!r}"
    if search is None:
        return Outcome(NOT_SET_UP, f"{call}: nothing is set up", ok=False)
    try:
        date.fromisoformat(asked.since or today)
        query = Query(asked.query, today, asked.limit, asked.since)
        hits = await search.search(query)
    except (SearchUnavailable, ConfigError, ValueError) as error:
        return Outcome(str(error), f"{call}: {error}", ok=False)
    count = f"{len(hits)} result{'' if len(hits) == 1 else 's'}"
    more = "" if hits else "; use fewer or other words"
    return Outcome(f"{count}{more}", f"{call}: {count}", as_file(query, hits).encode(errors="replace"))


def as_file(query: Query, hits: tuple[Hit, ...]) -> str:
    """Write all results as Markdown."""
    asked = f"{query.text}{f', since {query.since}' if query.since else ''}"
    lines = [f"# Search: {asked}", ""]
    for number, hit in enumerate(hits, 1):
        day = f" ({hit.published})" if hit.published else ""
        lines.append(f"{number}. [{_bracketed(hit.title)}](<{hit.url}>){day}")
        lines += [f"   {hit.snippet}"] if hit.snippet else []
    return "\n".join([*lines, "" if hits else "Nothing was found."]).rstrip("\n") + "\n"


def _bracketed(title: str) -> str:
    return title.replace("[", "(").replace("]", ")")
