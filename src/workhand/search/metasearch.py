"""Search without a key, through the ``ddgs`` library, which asks several public search engines.

It reads the pages that those show to people, so it breaks when they change and is refused when it asks often: fit for
trying things, not for an operator.  The library is asked in a thread, because it waits where it stands.
"""

from __future__ import annotations

from datetime import date

import anyio.to_thread

from workhand.core.searching import Hit, Query
from workhand.errors import ConfigError, SearchUnavailable
from workhand.search.providers import hits

TIMEOUT_S = 20
WITHIN = (("d", 1), ("w", 7), ("m", 31), ("y", 366))  # its ranges, which end on the day of asking, in days


class MetaSearch:
    """Several engines at once."""

    def __init__(self, *, proxy: str | None = None) -> None:
        try:
            import ddgs  # noqa: F401 - to say now, and not at the first search, that it is missing
        except ImportError as error:
            raise ConfigError("Search with ddgs needs its library; pip install 'workhand[ddgs]'.") from error
        self._proxy = proxy

    async def search(self, query: Query) -> tuple[Hit, ...]:
        found = await anyio.to_thread.run_sync(self._ask, query)
        return tuple(hits(found, url="href", snippet="body", published="date"))[: query.limit]

    def _ask(self, query: Query) -> list[dict[str, str]]:
        from ddgs import DDGS
        from ddgs.exceptions import DDGSException

        try:
            engines = DDGS(self._proxy, TIMEOUT_S)
            found: list[dict[str, str]] = engines.text(query.text, timelimit=within(query), max_results=query.limit)
        except DDGSException as error:
            if "No results" in str(error):
                return []
            raise SearchUnavailable(f"Search with ddgs failed: {error}; try again, or search otherwise.") from error
        return found


def within(query: Query) -> str | None:
    """Give the shortest of the library's ranges that holds all days since the one that was asked for."""
    if not query.since:
        return None
    days = (date.fromisoformat(query.until) - date.fromisoformat(query.since)).days
    return next((name for name, most in WITHIN if days <= most), None)
