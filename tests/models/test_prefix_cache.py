"""What the server of scripts counts as read from a cache and written to it."""

from __future__ import annotations

from typing import Any

import pytest

from workhand.testing.exchange import Asked, Block, Used
from workhand.testing.prefix_cache import PrefixCache


def asked(*blocks: str, look_back: int | None = None) -> Asked:
    """Give a request of blocks of eight bytes; one that ends with ``!`` is marked, with ``+`` for long."""
    marks: dict[str, Any] = {"!": "short", "+": "long"}
    parts = tuple(Block(block[0].encode() * 8, marks.get(block[1:], "")) for block in blocks)
    return Asked(model="m", stream=False, blocks=parts, spoken=0, tools={}, look_back=look_back)


CACHED: dict[str, tuple[list[Asked], Used]] = {
    "the first request": ([asked("a", "b")], Used(5)),
    "what it began with": ([asked("a", "b", "x"), asked("a", "b", "y", "z")], Used(9, 4)),
    "what another one began with": ([asked("a", "b"), asked("c"), asked("a", "b")], Used(5, 5 - 1)),
    "less than the least": ([asked("a"), asked("a", "b")], Used(5, 0)),
    "no mark": ([asked("a", "b", look_back=20), asked("a", "b", look_back=20)], Used(4)),
    "a mark, first": ([asked("a", "b!", "c", look_back=20)], Used(6, 0, 4)),
    "a mark, again": ([asked("a", "b!", "c", look_back=20)] * 2, Used(6, 4, 0)),
    "a mark further on": ([asked("a", "b!", look_back=20), asked("a", "b", "c!", "d", look_back=20)], Used(8, 4, 2)),
    "a former mark, and none": ([asked("a", "b!", look_back=20), asked("a", "b", "c", look_back=20)], Used(6)),
    "a mark that is too far on": (
        [asked("a", "b!", look_back=2), asked("a", "b", "c", "d!", look_back=2)],
        Used(8, 0, 8),
    ),
    "a mark between": (
        [asked("a", "b!", look_back=2), asked("a", "b", "c!", "d!", look_back=2)],
        Used(8, 4, 4),
    ),
    "a changed block": ([asked("a", "b!", look_back=20), asked("x", "b!", look_back=20)], Used(4, 0, 4)),
    "two lifetimes": ([asked("a", "b+", "c!", look_back=20)], Used(6, 0, 6, 4)),
    "a mark before the least": ([asked("a!", "b", look_back=20)] * 2, Used(4)),
}


@pytest.mark.parametrize("name", CACHED)
def test_the_cache_serves_what_a_providers_would(name: str) -> None:
    requests, used = CACHED[name]
    cache = PrefixCache(tokens_min=4)
    assert [cache.used(request) for request in requests][-1] == used
