"""Services that search the web: Brave, Tavily, Exa, and any SearXNG.

Each is one request and one answer: a function that makes the one, and a function that
reads the other.  Their formats are those that they publish; what is missing in an answer
is left empty, and what is no web page is left out.  Redirects are not followed, because
the key would go along.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from workhand.core.searching import LIMIT_MAX, Hit, Query
from workhand.errors import ConfigError, SearchUnavailable

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 4 << 20
SNIPPET_CHARS_MAX = 500
TITLE_CHARS_MAX = 200
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
URL = re.compile(r"https?://[^\s<>\x00-\x20\x7f]{1,2000}")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # the key is in them
    params: Mapping[str, str] | None = None
    json: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is, how it is asked, and where in its answer the hits are."""

    name: str
    base_url: str
    request: Callable[[Query, str], Request]  # of a query and the key
    results: tuple[str, ...]  # the keys on the way to the list
    snippet: str
    published: str


class WebSearch:
    """One service, over HTTP."""

    def __init__(self, service: Service, *, key: str = "", base_url: str = "") -> None:
        self._service = service
        self._key = key
        self._base = (base_url or service.base_url).rstrip("/")
        if not self._base:
            raise ConfigError(f"Search with {service.name} needs the address of a server.")

    async def search(self, query: Query) -> tuple[Hit, ...]:
        import httpx2

        asked = self._service.request(query, self._key)
        try:
            async with (
                httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client,
                client.stream(
                    asked.method, self._base + asked.path, headers=asked.headers, params=asked.params, json=asked.json
                ) as response,
            ):
                answer = await self._read(response)
        except httpx2.RequestError as error:
            raise self._unavailable(str(error) or type(error).__name__) from error
        named = self._service
        found = hits(self._listed(answer), url="url", snippet=named.snippet, published=named.published)
        return tuple(found)[: query.limit]

    async def _read(self, response: httpx2.Response) -> Any:
        """Give what a service answered, or raise what its status says."""
        import json

        if response.status_code in (401, 403):
            raise ConfigError(f"{self._service.name} refused the key for searching ({response.status_code}).")
        if response.status_code != 200:
            raise self._unavailable(f"it answered {response.status_code}")
        content = b""
        async for part in response.aiter_bytes():
            content += part
            if len(content) > ANSWER_BYTES_MAX:
                raise self._unavailable(f"its answer is longer than {ANSWER_BYTES_MAX >> 20} MB")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._unavailable("its answer is no JSON") from error

    def _listed(self, answer: Any) -> list[Any]:
        for key in self._service.results:
            answer = answer.get(key, {}) if isinstance(answer, dict) else None
        if answer == {}:  # Brave leaves the list out when it is empty
            return []
        if not isinstance(answer, list):
            raise self._unavailable("its answer has no list of results")
        return answer

    def _unavailable(self, why: str) -> SearchUnavailable:
        return SearchUnavailable(f"Search with {self._service.name} failed: {why}; try again, or search otherwise.")


def hits(results: Iterable[Any], *, url: str, snippet: str, published: str) -> Iterable[Hit]:
    """Read results, whose keys are named; what is no web page is left out."""
    for result in results:
        address = result.get(url) if isinstance(result, dict) else None
        if not isinstance(address, str) or not URL.fullmatch(address):
            continue
        day = DAY.match(str(result.get(published) or ""))
        said = result.get(snippet) or ""
        text = " … ".join(map(str, said)) if isinstance(said, list) else str(said)
        title = _plain(str(result.get("title") or ""), TITLE_CHARS_MAX)
        yield Hit(title or address, address, _plain(text, SNIPPET_CHARS_MAX), day[0] if day else "")


def _plain(text: str, chars_max: int) -> str:
    """Take tags and entities out of a text, and cut it."""
    plain = " ".join(html.unescape(TAG.sub("", text)).split())
    return plain if len(plain) <= chars_max else plain[: chars_max - 1] + "…"


def _brave(query: Query, key: str) -> Request:
    params = {"q": query.text, "count": str(min(query.limit, LIMIT_MAX))}
    if query.since:
        params["freshness"] = f"{query.since}to{query.until}"
    return Request("GET", "/res/v1/web/search", {"X-Subscription-Token": key, "Accept": "application/json"}, params)


def _tavily(query: Query, key: str) -> Request:
    body: dict[str, object] = {"query": query.text, "max_results": min(query.limit, LIMIT_MAX)}
    if query.since:
        body["start_date"] = query.since
    return Request("POST", "/search", {"Authorization": f"Bearer {key}"}, json=body)


def _exa(query: Query, key: str) -> Request:
    body: dict[str, object] = {
        "query": query.text,
        "numResults": min(query.limit, LIMIT_MAX),
        "contents": {"highlights": True},
    }
    if query.since:
        body["startPublishedDate"] = f"{query.since}T00:00:00.000Z"
    return Request("POST", "/search", {"x-api-key": key}, json=body)


def _searxng(query: Query, key: str) -> Request:
    params = {"q": query.text, "format": "json"}
    if query.since:  # it knows ranges that end on the day of asking, and no days
        days = (date.fromisoformat(query.until) - date.fromisoformat(query.since)).days
        within = next((name for name, most in (("day", 1), ("month", 30), ("year", 365)) if days <= most), "")
        params |= {"time_range": within} if within else {}
    return Request("GET", "/search", {"Authorization": f"Bearer {key}"} if key else {}, params)


SERVICES: Mapping[str, Service] = {
    "brave": Service("brave", "https://api.search.brave.com", _brave, ("web", "results"), "description", "page_age"),
    "tavily": Service("tavily", "https://api.tavily.com", _tavily, ("results",), "content", "published_date"),
    "exa": Service("exa", "https://api.exa.ai", _exa, ("results",), "highlights", "publishedDate"),
    "searxng": Service("searxng", "", _searxng, ("results",), "content", "publishedDate"),
}
