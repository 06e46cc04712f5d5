"""Services of the web, played by a server on the loopback that keeps their published formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests import loopback
from workhand.core.searching import Hit, Query
from workhand.errors import ConfigError, SearchUnavailable
from workhand.search.providers import ANSWER_BYTES_MAX, SERVICES, Request, WebSearch

pytestmark = pytest.mark.anyio

DAY = "2026-05-20"
PLAIN = Query("red pandas", DAY, limit=2)
RECENT = Query("red pandas", DAY, limit=2, since="2026-05-01")


@dataclass
class Service:
    """Answers every request alike, and keeps what was asked."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], Any, dict[str, str]]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            url = urlsplit(self.path)
            sent = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.asked.append((self.command, url.path, dict(parse_qsl(url.query)), sent, headers))
            self.send_response(service.status)
            for name, value in service.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(service.body)))
            self.end_headers()
            self.wfile.write(service.body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing on standard error."""

    with loopback.serving(Handler) as port:
        service.address = f"http://127.0.0.1:{port}"
        yield service


ANSWERS = {
    "brave": {
        "type": "search",
        "web": {
            "type": "search",
            "results": [
                {
                    "title": "Red <strong>pandas</strong>",
                    "url": "https://example.org/a",
                    "description": "They <strong>eat</strong> bamboo &amp; sleep, a < b.",
                    "page_age": "2026-05-11T10:00:00",
                    "age": "May 11, 2026",
                },
                {"title": "", "url": "https://example.org/b"},
                {"title": "third", "url": "https://example.org/c"},
            ],
        },
    },
    "tavily": {
        "query": "red pandas",
        "results": [
            {
                "title": "Red pandas",
                "url": "https://example.org/a",
                "content": "They eat bamboo & sleep, a < b.",
                "score": 0.9,
                "published_date": "2026-05-11",
            },
            {"title": "bad", "url": "javascript:alert(1)", "content": ""},
            {"title": "bad", "url": "https://example.org/ >b", "content": ""},
            {"url": "https://example.org/b", "content": None},
        ],
        "response_time": 1.1,
    },
    "exa": {
        "requestId": "1",
        "results": [
            {
                "id": "https://example.org/a",
                "title": "Red pandas",
                "url": "https://example.org/a",
                "publishedDate": "2026-05-11T00:00:00.000Z",
                "highlights": ["They eat bamboo", "& sleep, a < b."],
            },
            {"title": None, "url": "https://example.org/b", "highlights": []},
        ],
    },
    "searxng": {
        "query": "red pandas",
        "number_of_results": 0,
        "results": [
            {
                "title": "Red pandas",
                "url": "https://example.org/a",
                "content": "They eat bamboo & sleep, a < b.",
                "engine": "x",
                "publishedDate": "2026-05-11T00:00:00",
            },
            "not a result",
            {"title": "https://example.org/b", "url": "https://example.org/b"},
        ],
    },
}


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_the_answer_of_each_service_is_read(name: str) -> None:
    snippet = "They eat bamboo … & sleep, a < b." if name == "exa" else "They eat bamboo & sleep, a < b."
    with serving(Service(body=json.dumps(ANSWERS[name]).encode())) as service:
        hits = await WebSearch(SERVICES[name], key="KEY", base_url=service.address).search(PLAIN)
    assert hits == (
        Hit("Red pandas", "https://example.org/a", snippet, "2026-05-11"),
        Hit("https://example.org/b", "https://example.org/b"),
    )


@pytest.mark.parametrize(
    ("name", "query", "method", "path", "params", "body", "header"),
    [
        ("brave", PLAIN, "GET", "/res/v1/web/search", {"q": "red pandas", "count": "2"}, None, "x-subscription-token"),
        ("brave", RECENT, "GET", "/res/v1/web/search",
         {"q": "red pandas", "count": "2", "freshness": "2026-05-01to2026-05-20"}, None, "x-subscription-token"),
        ("tavily", PLAIN, "POST", "/search", {}, {"query": "red pandas", "max_results": 2}, "authorization"),
        ("tavily", RECENT, "POST", "/search", {},
         {"query": "red pandas", "max_results": 2, "start_date": "2026-05-01"}, "authorization"),
        ("exa", PLAIN, "POST", "/search", {},
         {"query": "red pandas", "numResults": 2, "contents": {"highlights": True}}, "x-api-key"),
        ("exa", RECENT, "POST", "/search", {},
         {"query": "red pandas", "numResults": 2, "contents": {"highlights": True},
          "startPublishedDate": "2026-05-01T00:00:00.000Z"}, "x-api-key"),
        ("searxng", PLAIN, "GET", "/search", {"q": "red pandas", "format": "json"}, None, "authorization"),
        ("searxng", RECENT, "GET", "/search", {"q": "red pandas", "format": "json", "time_range": "month"}, None,
         "authorization"),
    ],
)  # fmt: skip
async def test_each_service_is_asked_in_its_own_way(
    name: str, query: Query, method: str, path: str, params: dict[str, str], body: object, header: str
) -> None:
    with serving(Service(body=json.dumps(ANSWERS[name]).encode())) as service:
        await WebSearch(SERVICES[name], key="KEY", base_url=service.address).search(query)
    ((asked_method, asked_path, asked_params, sent, headers),) = service.asked
    assert (asked_method, asked_path, asked_params, sent) == (method, path, params, body)
    assert headers[header] == ("Bearer KEY" if header == "authorization" else "KEY")


@pytest.mark.parametrize(
    ("since", "within"), [("2026-05-19", "day"), ("2026-05-18", "month"), ("2026-01-01", "year"), ("2020-01-01", None)]
)
async def test_a_range_that_a_searxng_knows_is_as_long_as_needed(since: str, within: str | None) -> None:
    with serving(Service(body=json.dumps(ANSWERS["searxng"]).encode())) as service:
        query = Query("a", DAY, since=since)
        await WebSearch(SERVICES["searxng"], base_url=service.address).search(query)
    assert service.asked[0][2].get("time_range") == within
    assert "authorization" not in service.asked[0][4]


async def test_a_brave_that_finds_nothing_leaves_the_list_out() -> None:
    with serving(Service(body=b'{"type": "search"}')) as service:
        assert await WebSearch(SERVICES["brave"], key="K", base_url=service.address).search(PLAIN) == ()


@pytest.mark.parametrize(
    ("service", "kind", "sentence"),
    [
        (Service(401), ConfigError, "exa refused the key for searching (401)."),
        (Service(429), SearchUnavailable, "it answered 429"),
        (Service(302, headers={"Location": "http://127.0.0.1:9/"}), SearchUnavailable, "it answered 302"),
        (Service(body=b"<html>"), SearchUnavailable, "its answer is no JSON"),
        (Service(body=b"[" * 100_000), SearchUnavailable, "its answer is no JSON"),
        (Service(body=b"[]"), SearchUnavailable, "its answer has no list of results"),
        (Service(body=b'{"results": "x"}'), SearchUnavailable, "its answer has no list of results"),
        (Service(body=b" " * (ANSWER_BYTES_MAX + 1)), SearchUnavailable, "its answer is longer than 4 MB"),
    ],
)
async def test_what_goes_wrong_is_one_sentence_without_the_key(
    service: Service, kind: type[Exception], sentence: str
) -> None:
    with serving(service), pytest.raises(kind) as raised:
        await WebSearch(SERVICES["exa"], key="SECRET", base_url=service.address).search(PLAIN)
    assert sentence in str(raised.value)
    assert "SECRET" not in str(raised.value)
    assert len(service.asked) == 1


async def test_a_server_that_is_not_there_is_said() -> None:
    with serving(Service()) as gone:
        address = gone.address
    with pytest.raises(SearchUnavailable, match=r"Search with exa failed: .*; try again, or search otherwise"):
        await WebSearch(SERVICES["exa"], base_url=address).search(PLAIN)


def test_a_key_is_not_shown_with_a_request() -> None:
    request: Request = SERVICES["brave"].request(PLAIN, "SECRET")
    assert "SECRET" not in repr(request)


def test_a_searxng_needs_an_address() -> None:
    with pytest.raises(ConfigError, match="needs the address of a server"):
        WebSearch(SERVICES["searxng"])
