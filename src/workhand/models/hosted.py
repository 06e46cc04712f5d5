"""Every model that is asked over the network: the client half that all wire formats share.

It sends the bytes that a wire half made, watches the clock, and tries again what
may succeed later.  This is the only place where model calls are retried; each
retry is reported, and the last failure is raised.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

import anyio

from workhand.core.canonical import Json
from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask
from workhand.core.ports import Retry, Watch
from workhand.core.prompt import Prompt
from workhand.errors import MalformedAnswer, ModelUnavailable
from workhand.models.figures import Figures
from workhand.models.prices import NO_FIGURES, cost_usd
from workhand.models.transport import Http, Sdk, Transport, Vendor
from workhand.models.wire.dialect import Dialect, Reading, Request
from workhand.models.wire.failures import failure
from workhand.models.wire.stream import ANSWER_BYTES_MAX

if TYPE_CHECKING:
    import httpx2

_ERROR_BYTES_MAX = 64 << 10
_NUMBER = re.compile(r"\s*\d{1,9}(\.\d*)?\s*")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and how often to try again."""

    connect_s: float = 10.0
    first_token_s: float = 300.0
    between_chunks_s: float = 60.0
    attempts_max: int = 6
    backoff_s: float = 1.0  # doubles with each attempt; the delay is a random part of it
    backoff_max_s: float = 60.0  # also bounds what a server may ask for


class HostedModel:
    """A ``Model`` over one server; use it as an async context manager.

    ``vendor`` sends through a vendor's own client.  ``chance`` gives numbers in [0, 1), ``clock`` seconds
    that never go back, ``now`` seconds since the epoch; ``figures`` are what a person stated of its prices.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        vendor: Vendor | None = None,
        patience: Patience = Patience(),
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        figures: Figures = NO_FIGURES,
    ) -> None:
        self._dialect = dialect
        self._server = dialect.server
        self._vendor = vendor
        self._patience = patience
        self._chance = chance
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._figures = figures
        self._transport: Transport | None = None

    async def __aenter__(self) -> Self:
        connect_s = self._patience.connect_s
        if self._vendor is None:
            self._transport = Http(self._dialect, connect_s=connect_s)
        else:
            self._transport = Sdk(self._vendor, self._dialect, connect_s=connect_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def window(self) -> int | None:
        """Ask the server for the context window in tokens; ``None`` if it does not tell."""
        facts = [(await self._describe(path))[1] for path in self._dialect.describes]
        return self._dialect.window(tuple(facts))

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered:
        """Ask for one answer, or with ``schema`` for JSON that follows it, as ``Model`` says."""
        attempt = 1
        while True:
            try:
                await self._learn()
                request = self._dialect.request(prompt, mask, session=session, schema=schema)
                return await self._attempt(request, self._dialect.reading(prompt, mask), watch)
            except ModelUnavailable as error:
                if attempt >= self._patience.attempts_max:
                    raise
                delay_s = self._delay_s(attempt, error.retry_after_s)
                watch(Retry(str(error), attempt, delay_s))
            await self._sleep(delay_s)
            attempt += 1

    def _delay_s(self, attempt: int, retry_after_s: float | None) -> float:
        if retry_after_s is not None:
            return min(retry_after_s, self._patience.backoff_max_s)
        backoff_s: float = self._patience.backoff_s * 2 ** (attempt - 1)
        return self._chance() * min(backoff_s, self._patience.backoff_max_s)

    async def _attempt(self, request: Request, reading: Reading, watch: Watch) -> ModelAnswered:
        started = self._clock()
        first_token_s = await self._read(request, reading, watch)
        answer = reading.answer()
        cost = cost_usd(self._server, answer.usage, at=self._now(), figures=self._figures)
        return replace(
            answer,
            usage=replace(answer.usage, cost_usd=cost),
            first_token_s=first_token_s,
            duration_s=self._clock() - started,
        )

    async def _read(self, request: Request, reading: Reading, watch: Watch) -> float | None:
        """Send a request and read its answer to the end; give the time to the first token."""
        import httpx2

        started = self._clock()
        try:
            with anyio.move_on_after(self._patience.first_token_s) as silence:
                async with self._open.post(request) as response:
                    if await self._streams(response):
                        first = await self._stream(response, reading, watch, silence)
                        return first - started if first else None
                    reading.whole(await _bounded(response, ANSWER_BYTES_MAX))
                    return None
        except httpx2.RequestError as error:
            raise self._unreachable(error) from error
        raise ModelUnavailable(f"The server at {self._server.base_url!r} was silent for too long.")

    async def _stream(
        self, response: httpx2.Response, reading: Reading, watch: Watch, silence: anyio.CancelScope
    ) -> float | None:
        """Read a stream, and put the deadline off with each part; say when the first of the answer came."""
        first = None
        async for line in response.aiter_lines():
            delta = reading.feed(line)
            if reading.ended:
                break
            if reading.begun:
                first = first or self._clock()
                silence.deadline = anyio.current_time() + self._patience.between_chunks_s
            if delta is not None:
                watch(delta)
        return first

    async def _streams(self, response: httpx2.Response) -> bool:
        """Say whether an answer comes as a stream; raise what an error response means."""
        kind = response.headers.get("content-type", "")
        wanted = "event-stream" if self._server.stream else "json"
        if response.status_code == 200 and wanted in kind:
            return self._server.stream
        body = await _bounded(response, _ERROR_BYTES_MAX)
        if response.status_code == 200:
            expected = "an event stream" if self._server.stream else "JSON"
            raise MalformedAnswer(
                f"The server at {self._server.base_url!r} answered with {kind!r} instead of {expected}; "
                f"check `base_url`."
            )
        retry_after_s = self._retry_after_s(response.headers.get("retry-after"))
        raise failure(response.status_code, body, self._server, retry_after_s=retry_after_s)

    def _retry_after_s(self, header: str | None) -> float | None:
        """Read the seconds, or the date, that a server asks to wait for."""
        if header is None:
            return None
        try:
            if _NUMBER.fullmatch(header):
                return float(header)
            return max(0.0, parsedate_to_datetime(header).timestamp() - self._now())
        except ValueError:
            return None

    async def _learn(self) -> None:
        """Find out, once, what the dialect has to know of its server."""
        if not self._dialect.asks:
            return
        facts = []
        for path in self._dialect.asks:
            status, fact = await self._describe(path)
            if status == 503:
                raise ModelUnavailable(f"The server at {self._server.base_url!r} is not ready.")
            facts.append(fact)
        self._dialect = self._dialect.told(tuple(facts))

    async def _describe(self, path: str) -> tuple[int, Json]:
        """Get what a server tells about itself: the status, and the JSON if there is any."""
        import httpx2

        try:
            response = await self._open.get(path)
            content: Json = response.json() if response.status_code == 200 else None
        except httpx2.RequestError as error:
            raise self._unreachable(error) from error
        except ValueError:
            return 200, None
        return response.status_code, content

    def _unreachable(self, error: Exception) -> ModelUnavailable:
        return ModelUnavailable(f"The server at {self._server.base_url!r} failed: {type(error).__name__} {error}")

    @property
    def _open(self) -> Transport:
        assert self._transport is not None, "the model is used inside its async context only"
        return self._transport


async def _bounded(response: httpx2.Response, bytes_max: int) -> bytes:
    """Read a body, or as much of it as is worth reading."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > bytes_max:
            break
    return body
