"""A search as the agent has it: what is asked, what is found, and who answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LIMIT_MAX = 20  # the services give no more at once


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    until: str  # the day of asking, as YYYY-MM-DD
    limit: int = 10
    since: str = ""  # only what was published or changed from this day on


@dataclass(frozen=True, slots=True)
class Hit:
    title: str
    url: str  # or the path of a document, relative to the folder that is searched
    snippet: str = ""
    published: str = ""  # a day, as YYYY-MM-DD, where it is known


class Search(Protocol):
    async def search(self, query: Query) -> tuple[Hit, ...]:
        """Find what fits, the best first.

        Raises ``SearchUnavailable`` when there is no answer that can be used, or ``ConfigError``
        when the provider does not know the key.
        """
        ...
