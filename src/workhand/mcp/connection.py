"""One MCP server: started on first use, kept warm, started again after it is gone.

One task owns the client and the server behind it from the start to the end, since the client library has to be left
by the task that entered it.  Requests run in the tasks of their callers, so that a caller's time limit and
cancellation reach the server as they are.  A request that was under way when a server ended fails and is not sent
again, for it may have acted; the next one starts the server.  Starts in a row that bring nothing are spaced out, and
after ``FAILURES_MAX`` of them there is a rest in which requests fail at once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeVar

import anyio
from anyio.abc import TaskGroup

from workhand.errors import ConfigError, ServerFailed, WorkhandError
from workhand.mcp.config import Filled, Local, Server, filled
from workhand.mcp.program import Trace, spoken
from workhand.mcp.running import Start, on_this_computer
from workhand.mcp.web import OAuth, reached

if TYPE_CHECKING:
    import mcp
    from mcp.client._transport import TransportStreams

T = TypeVar("T")

FAILURES_MAX = 5
REST_S = 60.0
BACK_OFF_S = 0.25  # after two failures in a row; doubled by each one more
SAID_CHARS_MAX = 2_000
HTTP_FAULTS = ("Session terminated", "Server returned an error response")
"""How the client library words a status of 400 or more; of a protocol with sessions, ours may be forgotten."""
HIDDEN_CHARS_MIN = 6  # a shorter text is ordinary


@dataclass(frozen=True, slots=True)
class Limits:
    start_s: float = 60.0
    close_s: float = 10.0
    calls_at_once: int = 32  # of one server; more wait
    message_bytes_max: int = 32_000_000
    result_bytes_max: int = 16_000_000


@dataclass(frozen=True, slots=True)
class Host:
    """What servers are given of this computer."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)  # for placeholders
    start: Start = on_this_computer  # how a local server is started, such as in a machine of its own
    oauth: OAuth | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Life:
    """One start of a server, until it is gone."""

    filled: Filled
    delay_s: float
    opened: anyio.Event = field(default_factory=anyio.Event)  # or gone already
    ended: anyio.Event = field(default_factory=anyio.Event)  # it stopped talking, or is to be stopped
    gone: anyio.Event = field(default_factory=anyio.Event)
    client: mcp.Client | None = None
    trace: Trace = field(default_factory=Trace)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """How a server is, as far as anybody has used it."""

    name: str
    kind: Literal["local", "remote"]
    running: bool
    pid: int | None = None
    version: str = ""  # its own name and version
    protocol: str = ""
    instructions: str = ""
    problem: str = ""  # what ended it last


class Connection:
    """A server by name.  Its owner task runs in the given group."""

    def __init__(self, server: Server, host: Host, group: TaskGroup) -> None:
        self._server = server
        self._host = host
        self._group = group
        self._slots = anyio.Semaphore(host.limits.calls_at_once)
        self._life: Life | None = None
        self._failures = 0
        self._rests_until = -math.inf
        self._problem = ""

    @property
    def result_bytes_max(self) -> int:
        return self._host.limits.result_bytes_max

    def state(self) -> State:
        kind: Literal["local", "remote"] = "local" if isinstance(self._server, Local) else "remote"
        life = self._life
        if life is None or life.client is None or life.ended.is_set():
            return State(self._server.name, kind, False, problem=self._problem)
        client, server = life.client, life.client.server_info
        return State(
            self._server.name,
            kind,
            True,
            life.trace.pid,
            "" if server is None else f"{server.name} {server.version}".strip(),
            client.protocol_version,
            (client.instructions or "")[:SAID_CHARS_MAX],
        )

    async def ask(self, what: str, request: Callable[[mcp.Client], Awaitable[T]], *, timeout_s: float) -> T:
        """Send one request, starting the server if need be.  Raises ``ServerFailed`` or ``ConfigError``."""
        with anyio.move_on_after(timeout_s):
            await _load()
            async with self._slots:
                life = await self._living()
                return await self._answer(life, what, request)
        raise ServerFailed(
            f"The MCP server {self._server.name!r} did not answer {what} within {timeout_s:g} s; give it more time, "
            "or ask for less."
        )

    async def close(self) -> None:
        """Stop the server, if it runs, and wait until it is gone."""
        if self._life is not None:
            self._life.ended.set()
            await self._life.gone.wait()

    async def _living(self) -> Life:
        """Give a life that has begun, or begin one; who comes meanwhile waits for the same start."""
        if self._life is None or self._life.ended.is_set():
            if anyio.current_time() < self._rests_until:
                raise ServerFailed(
                    f"The MCP server {self._server.name!r} failed {self._failures} times in a row and is left alone "
                    f"for up to {REST_S:g} s; look at it with `workhand mcp test {self._server.name}`; {self._problem}."
                )
            self._life = Life(filled(self._server, self._host.values), _back_off_s(self._failures))
            self._group.start_soon(self._own, self._life)
        life = self._life
        await life.opened.wait()
        if life.client is None:
            raise ServerFailed(f"The MCP server {self._server.name!r} could not be started: {life.fault}.")
        return life

    async def _answer(self, life: Life, what: str, request: Callable[[mcp.Client], Awaitable[T]]) -> T:
        import mcp
        from mcp_types import CONNECTION_CLOSED

        assert life.client is not None
        try:
            answer = await request(life.client)
            self._failures = 0
            return answer
        except mcp.MCPError as error:
            if error.code == CONNECTION_CLOSED:
                life.ended.set()
            elif not life.ended.is_set():
                self._failures = 0
                if error.message in HTTP_FAULTS and life.client.session.initialize_result is not None:
                    life.ended.set()
                raise ServerFailed(
                    f"The MCP server {self._server.name!r} refused {what}: "
                    f"{_said(error.message, life)} (code {error.code})."
                ) from error
        except (RuntimeError, ValueError) as error:  # not of the form that the protocol, or its own schema, asks for
            if not life.ended.is_set():
                raise ServerFailed(
                    f"The MCP server {self._server.name!r} gave an answer to {what} that is not valid: "
                    f"{_said(str(error), life)}."
                ) from error
        await life.gone.wait()
        raise ServerFailed(
            f"The MCP server {self._server.name!r} ended during {what}, which may or may not have been done; "
            f"the next request starts it again; {life.fault}."
        )

    async def _own(self, life: Life) -> None:
        """Keep a server from its start to its end."""
        import httpx2
        import mcp
        from mcp.client.auth import OAuthFlowError

        library = (mcp.MCPError, httpx2.HTTPError, OAuthFlowError, anyio.BrokenResourceError, anyio.ClosedResourceError)
        start_s = self._host.limits.start_s
        try:
            await anyio.sleep(life.delay_s)
            with anyio.fail_after(start_s) as scope:
                async with mcp.Client(self._transport(life), cache=None) as client:
                    scope.deadline = math.inf
                    life.client = client
                    life.opened.set()
                    await life.ended.wait()
        except* (*library, WorkhandError, OSError, ValueError, RuntimeError) as raised:
            life.fault = _masked(_words(raised, start_s), life)
        finally:
            life.fault = _epitaph(life)
            self._problem = life.fault
            self._count()
            life.ended.set()
            life.opened.set()
            life.gone.set()

    def _count(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            self._rests_until = anyio.current_time() + REST_S

    def _transport(self, life: Life) -> AbstractAsyncContextManager[TransportStreams]:
        bytes_max = self._host.limits.message_bytes_max
        match life.filled.server:
            case Local() as server:
                start = self._host.start
                return spoken(start, server, life.trace, ended=life.ended.set, message_bytes_max=bytes_max)
            case server:
                return reached(server, self._host.oauth, message_bytes_max=bytes_max)


async def _load() -> None:
    """Load the client library in a thread, since that takes a second or two."""
    if "mcp.client.auth" in sys.modules:
        return
    try:
        await anyio.to_thread.run_sync(import_module, "mcp.client.auth")
    except ImportError as error:
        raise ConfigError("MCP servers need a client library: pip install 'workhand[mcp]'.") from error


def _back_off_s(failures: int) -> float:
    return BACK_OFF_S * 2 ** (min(failures, FAILURES_MAX) - 2) if failures > 1 else 0.0


def _epitaph(life: Life) -> str:
    """Say how a server ended, in a clause: what it did, its exit code, and its last words."""
    trace = life.trace
    clauses = [trace.fault, life.fault] if trace.fault else [life.fault]
    if trace.exit_code is not None:
        clauses.append(f"its exit code was {trace.exit_code}")
    if words := trace.words.decode("utf-8", "replace").strip():
        clauses.append(f"its last words were {_said(words, life)}")
    return "; ".join(filter(None, clauses)) or "it closed the connection"


def _words(raised: BaseExceptionGroup[Exception], start_s: float) -> str:
    """Say the first thing that went wrong."""
    first: BaseException = raised
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, TimeoutError):
        return f"it was not ready within {start_s:g} s"
    return (
        str(first).rstrip(".") if isinstance(first, WorkhandError) else f"{type(first).__name__}: {first}".strip(": ")
    )


def _said(text: str, life: Life) -> str:
    """Quote the end of what a server said."""
    return repr(_masked(text, life)[-SAID_CHARS_MAX:])


def _masked(text: str, life: Life) -> str:
    """Take out of a text what a server was given in confidence."""
    for secret in sorted(life.filled.hidden, key=len, reverse=True):
        if len(secret) >= HIDDEN_CHARS_MIN:
            text = text.replace(secret, "[hidden]")
    return text
