"""Any server of the Chat Completions API, by its base URL and key.

The client half: it sends the bytes that the wire half made, watches the clock,
and tries again what may succeed later.  This is the only place where model
calls are retried; each retry is reported, and the last failure is raised.
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
from workhand.models import openai_chat_wire as wire
from workhand.models.openai_chat_answer import Reading, failure
from workhand.models.prices import cost_usd

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


class OpenAIChatModel:
    """A ``Model`` over one server; use it as an async context manager.

    ``chance`` gives numbers in [0, 1), ``clock`` seconds that never go back, ``now`` seconds since the epoch.
    """

    def __init__(
        self,
        server: wire.Server,
        *,
        patience: Patience = Patience(),
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._patience = patience
        self._chance = chance
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._form: wire.Form | None = None if server.form == "auto" else server.form
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        import httpx2

        headers = {"Content-Type": "application/json", "User-Agent": "workhand"}
        if self._server.api_key:
            headers["Authorization"] = f"Bearer {self._server.api_key}"
        kept = None if self._server.base_url.startswith("https:") else 0  # plain local servers drop idle connections
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=self._patience.connect_s),  # silence is watched here, by deadline
            limits=httpx2.Limits(max_keepalive_connections=kept),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def window(self) -> int | None:
        """Ask the server for the context window in tokens; ``None`` if it does not tell."""
        _, props = await self._describe(f"{self._root}/props")
        _, models = await self._describe(f"{self._base}/models")
        return wire.window_of(props, models, self._server.model)

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        attempt = 1
        while True:
            try:
                return await self._attempt(prompt, mask, session, watch)
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

    async def _attempt(self, prompt: Prompt, mask: Mask, session: str, watch: Watch) -> ModelAnswered:
        form = await self._find_form()
        reading = Reading(self._server)
        body = wire.request(prompt, mask, self._server, form, session=session)
        started = self._clock()
        first_token_s = await self._read(body, reading, watch)
        answer = reading.answer(prompt, mask, form)
        cost = cost_usd(self._server.model, self._server.base_url, answer.usage)
        return replace(
            answer,
            usage=replace(answer.usage, cost_usd=cost),
            first_token_s=first_token_s,
            duration_s=self._clock() - started,
        )

    async def _read(self, body: bytes, reading: Reading, watch: Watch) -> float | None:
        """Send a request and read its stream to the end; give the time to the first token."""
        import httpx2

        try:
            with anyio.move_on_after(self._patience.first_token_s) as silence:
                return await self._stream(body, reading, watch, silence)
        except httpx2.RequestError as error:
            raise self._unreachable(error) from error
        raise ModelUnavailable(f"The server at {self._server.base_url!r} was silent for too long.")

    async def _stream(self, body: bytes, reading: Reading, watch: Watch, silence: anyio.CancelScope) -> float | None:
        """Read a stream, and put the deadline off with each part of the answer."""
        started = self._clock()
        first_token_s = None
        async with self._http.stream("POST", f"{self._base}/chat/completions", content=body) as response:
            await self._check(response)
            async for line in response.aiter_lines():
                delta = reading.feed(line)
                if reading.ended:
                    break
                if reading.begun:
                    first_token_s = first_token_s or self._clock() - started
                    silence.deadline = anyio.current_time() + self._patience.between_chunks_s
                if delta is not None:
                    watch(delta)
        return first_token_s

    async def _check(self, response: httpx2.Response) -> None:
        """Raise what an error response means."""
        kind = response.headers.get("content-type", "")
        if response.status_code == 200 and "event-stream" in kind:
            return
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _ERROR_BYTES_MAX:
                break
        if response.status_code == 200:
            raise MalformedAnswer(
                f"The server at {self._server.base_url!r} answered with {kind!r} instead of an event stream; "
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

    async def _find_form(self) -> wire.Form:
        """Give the dialect; a server is asked once whether its template knows tools."""
        if self._form is None:
            status, props = await self._describe(f"{self._root}/props")
            if status == 503:
                raise ModelUnavailable(f"The server at {self._server.base_url!r} is not ready.")
            self._form = wire.form_of(props)
        return self._form

    async def _describe(self, url: str) -> tuple[int, Json]:
        """Get what a server tells about itself: the status, and the JSON if there is any."""
        import httpx2

        try:
            response = await self._http.get(url, timeout=self._patience.connect_s)
            content: Json = response.json() if response.status_code == 200 else None
        except httpx2.RequestError as error:
            raise self._unreachable(error) from error
        except ValueError:
            return 200, None
        return response.status_code, content

    def _unreachable(self, error: Exception) -> ModelUnavailable:
        return ModelUnavailable(f"The server at {self._server.base_url!r} failed: {type(error).__name__} {error}")

    @property
    def _base(self) -> str:
        return self._server.base_url.rstrip("/")

    @property
    def _root(self) -> str:
        return self._base.removesuffix("/v1")

    @property
    def _http(self) -> httpx2.AsyncClient:
        assert self._client is not None, "the model is used inside its async context only"
        return self._client
