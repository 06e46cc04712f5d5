"""A pool: a session keeps to its server, and moves only when that one cannot answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.models.fault_server import HELLO, FaultServer, Reply, fault_server
from tests.models.toolset import ALL, head, prompt, said, unwatched
from workhand.core.ports import Retry
from workhand.errors import ConfigError, ModelUnavailable
from workhand.models.hosted import HostedModel, Patience
from workhand.models.pool import REST_S, Pool
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import OpenAIChat

pytestmark = pytest.mark.anyio

PROMPT = prompt(*head(), said("Say hello."))
QUICK = Patience(connect_s=5, first_token_s=5, between_chunks_s=5, attempts_max=1)
DOWN = Reply(b"", 503, {})
SESSIONS = [f"session-{number}" for number in range(300)]
NAMES = ("http://a/v1", "http://b/v1", "http://c/v1")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def hosted(base_url: str) -> HostedModel:
    return HostedModel(OpenAIChat(Server("openai-chat", base_url, "m"), form="native"), patience=QUICK)


def pool(*names: str) -> Pool:
    return Pool({name: hosted(name) for name in names})


@asynccontextmanager
async def opened(*replies: Reply, clock: Clock) -> AsyncIterator[tuple[Pool, dict[str, FaultServer]]]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(fault_server(reply)) for reply in replies]
        made = Pool({server.base_url: hosted(server.base_url) for server in servers}, clock=clock)
        yield await stack.enter_async_context(made), {server.base_url: server for server in servers}


def test_sessions_are_spread_over_the_servers() -> None:
    counts = Counter(pool(*NAMES).order(session)[0] for session in SESSIONS)
    assert set(counts) == set(NAMES)
    assert min(counts.values()) > 60


def test_when_a_server_goes_only_its_own_sessions_move() -> None:
    before, after = pool(*NAMES), pool(*NAMES[:2])
    for session in SESSIONS:
        stays = [name for name in before.order(session) if name != NAMES[2]]
        assert list(after.order(session)) == stays


def test_the_order_in_which_servers_are_named_does_not_matter() -> None:
    one, other = pool(*NAMES), pool(*reversed(NAMES))
    assert [one.order(session) for session in SESSIONS] == [other.order(session) for session in SESSIONS]


async def test_a_session_keeps_to_its_server() -> None:
    async with opened(HELLO, HELLO, HELLO, clock=Clock()) as (here, servers):
        for _ in range(3):
            await here.answer(PROMPT, ALL, session="s", watch=unwatched)
        assert sorted(len(server.bodies) for server in servers.values()) == [0, 0, 3]
        assert len(servers[here.order("s")[0]].bodies) == 3


async def test_a_server_that_cannot_answer_rests_and_the_next_one_is_asked() -> None:
    clock = Clock()
    shown: list[object] = []
    async with opened(HELLO, HELLO, clock=clock) as (here, servers):
        first, second = here.order("s")
        servers[first].replies[0] = DOWN
        await here.answer(PROMPT, ALL, session="s", watch=shown.append)
        assert here.order("s") == (second, first)
        retries = [each for each in shown if isinstance(each, Retry)]
        assert len(retries) == 1 and f"Asking {second!r}" in retries[0].reason
        clock.now = REST_S + 1
        assert here.order("s") == (first, second)


async def test_a_server_that_fails_again_rests_for_longer() -> None:
    clock = Clock()
    async with opened(HELLO, HELLO, clock=clock) as (here, servers):
        first, second = here.order("s")
        servers[first].replies[0] = DOWN
        await here.answer(PROMPT, ALL, session="s", watch=unwatched)
        clock.now = REST_S + 1
        await here.answer(PROMPT, ALL, session="s", watch=unwatched)
        clock.now += REST_S + 1
        assert here.order("s") == (second, first)
        servers[first].replies[0] = HELLO
        clock.now += REST_S
        await here.answer(PROMPT, ALL, session="s", watch=unwatched)
        assert len(servers[first].bodies) == 3


async def test_where_no_server_answers_the_last_failure_is_raised() -> None:
    async with opened(DOWN, DOWN, clock=Clock()) as (here, servers):
        with pytest.raises(ModelUnavailable):
            await here.answer(PROMPT, ALL, session="s", watch=unwatched)
        assert [len(server.bodies) for server in servers.values()] == [1, 1]


async def test_the_window_of_a_pool_is_the_smallest_that_is_told() -> None:
    async with opened(HELLO, HELLO, HELLO, clock=Clock()) as (here, servers):
        for server, tokens in zip(servers.values(), (8_000, 4_000), strict=False):
            body = b'{"data":[{"id":"m","max_model_len":%d}]}' % tokens
            server.gets["/v1/models"] = Reply(body, 200, {"content-type": "application/json"})
        assert await here.window() == 4_000


def test_a_pool_without_servers_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one server"):
        Pool({})
