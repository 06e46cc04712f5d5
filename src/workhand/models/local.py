"""A small model in this process, with exact cache accounts.

llama.cpp's server runs inside the process (``xllamacpp``) and is spoken to over
loopback, with a key that only this object knows.  The prompt is sent as token
ids into the session's own slot, and the mask as a grammar, so the counts that
come back (reused, processed) are exact and the call always fits its schema.

Settings that look odd are measured: one decoding thread and passive waiting,
because spinning threads next to busy shells decode ten times slower; no host
RAM cache, because it undoes pinned slots and has restored foreign prompts.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
import anyio.to_thread

from workhand.core.canonical import digest
from workhand.core.events import ModelAnswered, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta, Watch
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelError, ModelRefused, ModelUnavailable
from workhand.models import chatml, slots
from workhand.models.grammar import answer_grammar, schema_grammar

if TYPE_CHECKING:
    import httpx2

_PIECES_MAX = 8_192  # tokenized pieces that are remembered
_SAVED_BYTES_MAX = 2 << 30
_CLOSING_S = 60.0
_TIMEOUT_S = 600.0  # the longest silence: a full window read on a busy machine


@dataclass(slots=True)
class _Reply:
    """What a completion has brought so far."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    first_token_s: float | None = None
    end: dict[str, Any] | None = None  # the server's last chunk: counts and why it stopped


class LocalModel:
    """A ``Model`` over one file, for any number of sessions; use it as an async context manager.

    ``window_tokens`` is for each of ``sessions_max`` slots; ``directory`` takes the state of sessions
    that wait.  ``string_chars_max`` bounds every string that the model may write into a call.
    """

    def __init__(
        self,
        file: Path,
        directory: Path,
        *,
        sessions_max: int = 2,
        window_tokens: int = 8_192,
        string_chars_max: int = 160,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = file.stem
        self._file = file
        self._directory = state_directory(file, directory)
        self._sessions_max = sessions_max
        self._window_tokens = window_tokens
        self._string_chars_max = string_chars_max
        self._clock = clock
        self._slots = slots.Slots(sessions_max)
        self._idle = anyio.Semaphore(sessions_max)
        self._pieces: OrderedDict[tuple[bytes, ...], list[int]] = OrderedDict()
        self._server: object = None
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        import httpx2

        key = secrets.token_urlsafe()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._server, self.address = await anyio.to_thread.run_sync(self._start, key)
        self.key = key
        self._client = httpx2.AsyncClient(
            base_url=self.address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),  # the server drops idle connections unannounced
        )
        self._window_tokens = (await self._ask("GET", "/props"))["default_generation_settings"]["n_ctx"]
        self._start_marker = await self._marker("<|im_start|>")
        self._end_marker = await self._marker("<|im_end|>")
        self._line_feed = await self._tokenize("\n")
        self._ends = {self._end_marker, await self._marker("<|endoftext|>")}
        self._opening = [self._start_marker, *await self._tokenize(chatml.ASSISTANT)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Keep the state of every session and end the server."""
        try:
            if self._client is not None:
                with anyio.move_on_after(_CLOSING_S, shield=True):
                    for session in self._slots.sessions():
                        await self.save(session)
                    await self._client.aclose()
        finally:
            servers, self._server, self._client = [self._server], None, None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(servers.clear)  # the last reference; this blocks until its threads end

    async def window(self) -> int:
        """Give the context window of a session in tokens, as the server has it."""
        return self._window_tokens

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered:
        """Ask for one answer, or with ``schema`` for JSON that follows it, as ``Model`` says."""
        if schema is None:
            grammar = answer_grammar(prompt.body[0], mask, self._string_chars_max)
        else:
            grammar = schema_grammar(schema, self._string_chars_max)
        request: dict[str, object] = {
            "prompt": await self._prompt_tokens(prompt),
            "n_predict": prompt.answer_tokens_max,
            "cache_prompt": True,
            "temperature": 0,
            "return_tokens": True,
            "stream": True,
        }
        if grammar is not None:
            request["grammar"] = grammar
        started = self._clock()
        async with self._slot(session) as slot:
            reply = await self._complete(request | {"id_slot": slot}, watch)
        return self._answered(prompt, mask, reply, self._clock() - started)

    async def sizes(self, prompt: Prompt) -> tuple[int, ...]:
        """Give the tokens of a prompt: of its first two pieces together, of each other one, and of what follows them.

        What follows is the tail and the opening of the answer.
        """
        first, second, *others = prompt.body
        sizes = [len(await self._turn((first, second)))]
        for piece in others:
            sizes.append(len(await self._turn((piece,))))
        return (*sizes, len(await self._prompt_tokens(prompt)) - sum(sizes))

    async def save(self, session: str) -> None:
        """Write the state of a session that waits into its file, if it is in a slot."""
        if self._slots.of(session) is not None:
            async with self._slot(session) as slot:
                await self._slot_action(slot, "save", session)
            await anyio.to_thread.run_sync(slots.prune, self._directory, _SAVED_BYTES_MAX)

    async def fork(self, parent: str, child: str) -> None:
        """Let a session start with the state of another one; it may not be answering."""
        await self.save(parent)
        await anyio.to_thread.run_sync(slots.copy, self._directory, parent, child)

    def _start(self, key: str) -> tuple[object, str]:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when the library is loaded
        xllamacpp = _load()
        params = xllamacpp.CommonParams()
        params.model.path = str(self._file)
        params.model_alias = {self.name}
        params.n_parallel = self._sessions_max
        params.n_ctx = self._sessions_max * self._window_tokens
        params.kv_unified = params.cache_idle_slots = params.ctx_shift = False
        params.cache_ram_mib = params.n_cache_reuse = 0
        params.cpuparams.n_threads = 1
        params.cpuparams_batch.n_threads = 2
        params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = True
        params.slot_save_path = f"{self._directory}/"
        params.api_keys = [key]
        params.ui = False
        params.verbosity = 0
        try:
            server = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f"The model file {str(self._file)!r} cannot be loaded; pull it again.") from error
        return server, str(server.listening_address)

    @asynccontextmanager
    async def _slot(self, session: str) -> AsyncIterator[int]:
        """Hold a slot that has the session's state in it, as far as it was kept."""
        async with self._idle:
            slot, held = self._slots.take(session)
            try:
                if held != session:
                    if held is not None:
                        await self._slot_action(slot, "save", held)
                    held = session
                    if (self._directory / slots.file_name(session)).is_file():
                        await self._slot_action(slot, "restore", session)
                yield slot
            finally:
                self._slots.give_back(slot, held)

    async def _slot_action(self, slot: int, action: Literal["save", "restore"], session: str) -> None:
        """Save or restore.  A failure costs the cache, nothing else: the next prompt is processed in full."""
        await self._ask("POST", f"/slots/{slot}?action={action}", {"filename": slots.file_name(session)})

    async def _complete(self, request: dict[str, object], watch: Watch) -> _Reply:
        import httpx2

        reply = _Reply()
        started = self._clock()
        try:
            async with self._http.stream("POST", "/completion", json=request) as response:
                if response.status_code != 200:
                    raise _refusal(await response.aread())
                async for line in response.aiter_lines():
                    if not line.startswith("data: "):
                        continue
                    chunk = json.loads(line.removeprefix("data: "))
                    if "error" in chunk:
                        raise _refusal(line.removeprefix("data: ").encode())
                    reply.tokens += chunk["tokens"]
                    reply.first_token_s = reply.first_token_s or self._clock() - started
                    if chunk["content"]:
                        reply.text += chunk["content"]
                        watch(Delta("call" if reply.text.startswith("<") else "text", chunk["content"]))
                    if chunk["stop"]:
                        reply.end = chunk
        except httpx2.TransportError as error:
            raise ModelUnavailable(f"The local model stopped answering ({type(error).__name__}).") from error
        return reply

    def _answered(self, prompt: Prompt, mask: Mask, reply: _Reply, duration_s: float) -> ModelAnswered:
        if reply.end is None:
            raise ModelUnavailable("The local model ended its answer too early; ask again.")
        timings = reply.end["timings"]
        processed = timings["cache_n"] + timings["prompt_n"]
        cut = reply.end["stop_type"] == "limit"
        if cut and len(reply.tokens) < prompt.answer_tokens_max:
            raise ContextOverflow(processed, self._window_tokens)
        answer = chatml.read_answer(reply.text)
        if answer is None or (mask.mode != "auto" and not answer[1]):
            why = f"was cut off after {len(reply.tokens)} tokens" if cut else "is no call"
            raise MalformedAnswer(f"The local model's answer {why}: {reply.text[:200]!r}.")
        tokens = reply.tokens[:-1] if reply.tokens and reply.tokens[-1] in self._ends else reply.tokens
        return ModelAnswered(
            text=answer[0],
            calls=answer[1],
            usage=Usage(processed, timings["cache_n"], output_tokens=len(reply.tokens), cost_usd=0.0),
            model=f"local:{self.name}",
            prompt_bytes=prompt.size,
            prompt_digest=digest(b"".join(prompt.body)),
            first_token_s=reply.first_token_s,
            duration_s=duration_s,
            opaque=chatml.opaque_tokens(self.name, tokens),
        )

    async def _prompt_tokens(self, prompt: Prompt) -> list[int]:
        first, second, *others = prompt.body
        tokens = list(await self._turn((first, second)))
        for piece in others:
            tokens += await self._turn((piece,))
        if prompt.tail:
            tokens += await self._marked(chatml.Words(f"system\n{prompt.tail}"))
        return tokens + self._opening

    async def _turn(self, pieces: tuple[bytes, ...]) -> list[int]:
        if pieces in self._pieces:
            self._pieces.move_to_end(pieces)
            return self._pieces[pieces]
        words = chatml.system_words(*pieces) if len(pieces) == 2 else chatml.turn_words(pieces[0], self.name)
        tokens = self._pieces[pieces] = await self._marked(words)
        if len(self._pieces) > _PIECES_MAX:
            self._pieces.popitem(last=False)
        return tokens

    async def _marked(self, words: chatml.Words) -> list[int]:
        text = await self._tokenize(words.text)
        return [self._start_marker, *text, *words.tokens, self._end_marker, *self._line_feed]

    async def _tokenize(self, text: str, *, markers: bool = False) -> list[int]:
        answer = await self._ask("POST", "/tokenize", {"content": text, "parse_special": markers})
        return [int(token) for token in answer["tokens"]]

    async def _marker(self, text: str) -> int:
        tokens = await self._tokenize(text, markers=True)
        if len(tokens) != 1:
            raise ConfigError(f"The model file {str(self._file)!r} has no token {text!r}; use a ChatML model.")
        return tokens[0]

    async def _ask(self, method: str, path: str, question: dict[str, object] | None = None) -> dict[str, Any]:
        import httpx2

        try:
            answer: dict[str, Any] = (await self._http.request(method, path, json=question)).json()
        except httpx2.TransportError as error:
            raise ModelUnavailable(f"The local model stopped answering ({type(error).__name__}).") from error
        return answer

    @property
    def _http(self) -> httpx2.AsyncClient:
        assert self._client is not None, "the model is used inside its async context only"
        return self._client


def state_directory(file: Path, directory: Path) -> Path:
    """Say where below ``directory`` the state of sessions on one model file is kept."""
    return directory / f"{file.stem}-{file.stat().st_size}"


def _load() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as error:
        if "libgomp" in str(error):
            raise ConfigError("The local model needs the library libgomp.so.1: apt-get install libgomp1") from error
        raise ConfigError("The local model needs its runtime: pip install 'workhand[local]'") from error


def _refusal(body: bytes) -> ModelError:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return ModelUnavailable(f"The local model answered with {body[:200]!r}.")
    if error.get("type") == "exceed_context_size_error":
        return ContextOverflow(error.get("n_prompt_tokens"), error.get("n_ctx"))
    if error.get("type") == "unavailable_error":
        return ModelUnavailable("The local model is still loading.", retry_after_s=1.0)
    return ModelRefused(f"The local model refused the request: {error.get('message')!r}.")
