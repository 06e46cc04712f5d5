"""Several servers of one model: a session keeps to the one that holds its cache.

Which one that is follows from the session's id alone, by rendezvous hashing
(Thaler, Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998): every
client finds the same server without asking anybody, and when one is gone only
its own sessions move, each to the next in its own order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask
from workhand.core.ports import Retry, Watch
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, ModelUnavailable
from workhand.models.hosted import HostedModel

REST_S = 15.0  # for which a server is not asked after it could not answer; doubles each time
REST_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class _Rest:
    """A server that could not answer is asked last until then."""

    until: float
    seconds: float


class Pool:
    """A ``Model`` over servers of the same model, by their base URLs; use it as an async context manager."""

    def __init__(self, servers: Mapping[str, HostedModel], *, clock: Callable[[], float] = time.monotonic) -> None:
        if not servers:
            raise ConfigError("A pool needs at least one server; give its base URL.")
        self._servers = dict(servers)
        self._clock = clock
        self._rests: dict[str, _Rest] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for server in self._servers.values():
            await self._stack.enter_async_context(server)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._stack.aclose()

    def order(self, session: str) -> tuple[str, ...]:
        """Give the servers in the order in which a session asks them: those that rest come last."""
        weights = {name: sha256(f"{name}\n{session}".encode()).digest() for name in self._servers}
        ordered = sorted(weights, key=lambda name: weights[name], reverse=True)
        return tuple(sorted(ordered, key=self._rests_now))

    async def window(self) -> int | None:
        """Give the smallest context window of the servers, in tokens; ``None`` if none tells."""
        told: list[int] = []
        failure: ModelUnavailable | None = None
        for server in self._servers.values():
            try:
                told.append(await server.window() or 0)
            except ModelUnavailable as error:
                failure = error
        if failure and not told:
            raise failure
        return min(filter(None, told), default=None)

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered:
        """Ask the session's server, or the next in its order where that cannot answer, which loses its cache."""
        asked = self.order(session)
        for attempt, name in enumerate(asked, 1):
            try:
                answer = await self._servers[name].answer(prompt, mask, session=session, watch=watch, schema=schema)
            except ModelUnavailable as error:
                self._let_rest(name)
                if attempt == len(asked):
                    raise
                watch(Retry(f"{error} Asking {asked[attempt]!r}.", attempt, 0.0))
            else:
                self._rests.pop(name, None)
                return answer
        raise AssertionError("a pool has servers")

    def _rests_now(self, name: str) -> bool:
        rest = self._rests.get(name)
        return rest is not None and rest.until > self._clock()

    def _let_rest(self, name: str) -> None:
        before = self._rests.get(name)
        seconds = min(2 * before.seconds, REST_MAX_S) if before else REST_S
        self._rests[name] = _Rest(self._clock() + seconds, seconds)
