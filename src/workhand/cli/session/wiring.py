"""The one place that builds things: clocks, ids, stores, models, machines, runtimes."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CancelScope

from workhand.agents import executor
from workhand.cli.session.place import Place
from workhand.cli.settings import Settings
from workhand.core import routing
from workhand.core.events import GuardChanged, SessionStarted, Usage, UserSaid
from workhand.core.log import Entry, Log
from workhand.core.policy import PRE_ROT_TOKENS, Choice, Guard, Isolation, Limits, Policy, Prices, Route, fitted
from workhand.core.ports import EventStore, Model, Sandbox, SessionRow
from workhand.errors import ConfigError, ModelUnavailable, SessionUnknown
from workhand.models.figures import Figures
from workhand.runtime.wake import Runtime, Viewer
from workhand.sandbox.register import started
from workhand.tools.folder import Folder
from workhand.tools.message import Deliver
from workhand.tools.toolbox import SandboxToolbox

if TYPE_CHECKING:
    from workhand.models.providers import OpenableModel
    from workhand.models.router import Router
    from workhand.models.wire.dialect import Server
    from workhand.sandbox.client import DaemonSandbox
    from workhand.sandbox.doorway import Doorway
    from workhand.sandbox.spec import MachineSpec
    from workhand.sandbox.suspension import Suspended
    from workhand.store.sqlite import SqliteStore

LOCAL_STEPS = 12  # by default on the embedded model, which is a toy as an agent
LOCAL_ANSWER_TOKENS = 400
LOCAL_RECITE_AFTER_CALLS = 4  # there a recital makes the last answer be evaluated again
LOCAL_PRICES = Prices(read=0.0, write=1.0, output=10.0, lifetime_s=1e9)  # of time: what is cached costs none
ANSWER_TOKENS = 16_384  # enough for a long file, and for what a model thinks before it calls
NO_MODEL = """No model is set, so there is nobody to do the task. Any one of these sets one:

  workhand run --model anthropic:NAME ...       with ANTHROPIC_API_KEY; so too openai:NAME, google:NAME
  workhand run --model openai-chat:NAME ...     with OPENAI_API_KEY, and OPENAI_BASE_URL for another server:
                                                vLLM, llama.cpp, Ollama, OpenRouter and the like
  export WORKHAND_MODEL=provider:NAME           the same, for every run; or `model = "..."` in the settings file
  workhand run --model local ...                a 135M-parameter model in this process: a toy. It shows how
                                                Workhand works and cannot do real tasks. See also: workhand demo

`workhand models` says what each still needs, and what models cost."""


class SystemClock:
    def now(self) -> float:
        return time.time()


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is ready to be woken."""

    runtime: Runtime
    toolbox: SandboxToolbox


def new_id() -> str:
    """Draw a session id: short enough to type, by its first letters if they are unique."""
    return secrets.token_hex(4)


def this_process() -> str:
    """Name this process in a way that tells whether it still lives: host, pid and start time."""
    return f"{socket.gethostname()}:{os.getpid()}:{started(os.getpid())}"


def lives(owner: str | None) -> bool:
    """Say whether the process that owns a session is still there, as far as this host can tell."""
    if not owner:
        return False
    host, pid, begun = owner.rsplit(":", 2)
    return host == socket.gethostname() and pid.isdigit() and started(int(pid)) == begun != ""


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[SqliteStore]:
    from workhand.store.sqlite import SqliteStore

    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The home {str(settings.home)!r} cannot be made: {error.strerror}; set WORKHAND_HOME."
        ) from error
    store = SqliteStore(settings.database)
    try:
        yield store
    finally:
        await store.aclose()


async def resolve(store: EventStore, prefix: str) -> SessionRow:
    """Find a session by its id or the beginning of it."""
    rows = [row for row in await store.sessions() if row.id.startswith(prefix)]
    exact = [row for row in rows if row.id == prefix]
    if len(exact or rows) > 1:
        raise ConfigError(f"{prefix!r} could be {', '.join(row.id for row in rows)}; give more letters.")
    if not rows:
        raise SessionUnknown(prefix)
    return (exact or rows)[0]


def make_model(settings: Settings, name: str) -> OpenableModel:
    """Make the model ``provider:name``; it is opened by entering it."""
    from workhand.models.providers import ModelSettings, build, parse

    stated = ModelSettings(cache=settings.cache, endpoints=settings.endpoints, figures=settings.figures)
    return build(parse(name), stated)


def open_router(settings: Settings, name: str) -> Router:
    """Give what asks the model of each prompt, beginning with ``provider:name``; use it as an async context manager."""
    from workhand.models.router import Router

    return Router(partial(make_model, settings), name)


async def new_policy(
    settings: Settings, name: str, router: Router, *, seed: str, limits: Limits, steps_given: bool
) -> Policy:
    """Choose the policy of a new session; the context window is asked of the server."""
    if limits.cost_usd is not None and not _is_priced(settings, name):
        raise ConfigError(f"The price of {name} is unknown, so --max-cost cannot be kept; use --max-tokens.")
    local = name.startswith("local")
    if local and not steps_given:
        limits = Limits(LOCAL_STEPS, limits.tokens, limits.cost_usd, limits.seconds)
    if not _is_priced(settings, name):
        where = f'[figures."{name}"] of the settings file'
        note(f"The price of {name} is not known, so what it costs is not shown; state it in {where}.")
    chosen = executor.policy(
        name,
        seed=seed,
        window_tokens=await _window(settings, name, router),
        limits=limits,
        answer_tokens_max=LOCAL_ANSWER_TOKENS if local else ANSWER_TOKENS,
        prompt="executor-small" if local else "executor",
        recite_after_calls=LOCAL_RECITE_AFTER_CALLS if local else 0,
        economy=_economy(settings, name),
    )
    return replace(chosen, routes=await _routes(settings, chosen, router))


async def _routes(settings: Settings, policy: Policy, router: Router) -> tuple[Route, ...]:
    """Give the models for each purpose; those to fall back on count only behind the model that was chosen to act."""
    from workhand.models.providers import parse

    stated = {purpose: names for purpose, names in settings.routes.items() if names}
    if stated.get("act", ("",))[0] != policy.model:
        stated.pop("act", None)
    routes = []
    for purpose, names in sorted(stated.items()):
        choices = []
        for name in map(str, map(parse, names)):
            if name == policy.model:
                choices.append(Choice(name, sees=policy.sees))
                continue
            tokens = await _window(settings, name, router)
            window = fitted(policy, tokens, pre_rot_tokens=_pre_rot(settings, name)).window if tokens else None
            choices.append(Choice(name, window, _prices(settings, name), _sees(settings, name)))
        routes.append(Route(purpose, tuple(choices)))
    return tuple(routes)


async def _window(settings: Settings, name: str, router: Router) -> int | None:
    """Give the context window of a model: the server's, or what is known of it, or a smaller one that was chosen."""
    from workhand.models.prices import window_tokens

    server = _server(settings, name)
    try:
        told = await (await router.named(name)).window()
    except ModelUnavailable:  # the first request will say so, in a session that can be resumed
        told = None
    if server is None:
        return told
    known = told or window_tokens(server, _figures(settings, name))
    chosen = getattr(settings.endpoints, server.provider.replace("-", "_")).window_tokens
    return min(filter(None, (known, chosen)), default=None)


def _server(settings: Settings, name: str) -> Server | None:
    from workhand.models.providers import parse, server_of

    return server_of(parse(name), settings.endpoints)


def _figures(settings: Settings, name: str) -> Figures:
    return settings.figures.get(name, Figures())


def _economy(settings: Settings, name: str) -> executor.Economy:
    """Give prices, rules and what was learned: where a price is unknown, those of the policy's defaults hold.

    The local model is asked for no summary: it cannot write one.
    """
    from workhand.cli.session.learning import learned
    from workhand.core.reopening import rates

    local = name.startswith("local")
    return executor.Economy(
        prices=_prices(settings, name) or Prices(),
        rules=replace(settings.context, summaries=False) if local else settings.context,
        reopen_rates=rates(learned(settings), settings.context),
        pre_rot_tokens=_pre_rot(settings, name),
        sees=_sees(settings, name),
    )


def _sees(settings: Settings, name: str) -> bool:
    """Say whether a model takes pictures: as stated, or as it is known of it."""
    from workhand.models.prices import mechanics

    stated, server = _figures(settings, name).sees, _server(settings, name)
    known = mechanics(server) if server else None
    return stated if stated is not None else known is not None and known.sees


def _pre_rot(settings: Settings, name: str) -> int:
    """Give the length past which a model's quality falls: as stated, as it is known of the model, or the default."""
    from workhand.models.prices import mechanics

    server = _server(settings, name)
    known = mechanics(server) if server else None
    return _figures(settings, name).pre_rot_tokens or (known.pre_rot_tokens if known else PRE_ROT_TOKENS)


def _prices(settings: Settings, name: str) -> Prices | None:
    from workhand.models.prices import relative

    server = _server(settings, name)
    if server is None:
        return LOCAL_PRICES if name.startswith("local") else None
    long_lived = server.provider == "anthropic" and settings.endpoints.anthropic.long_lived_cache
    return relative(server, at=SystemClock().now(), figures=_figures(settings, name), long_lived=long_lived)


def _is_priced(settings: Settings, name: str) -> bool:
    from workhand.models.prices import cost_usd

    server = _server(settings, name)
    usage = Usage(input_tokens=1_000, output_tokens=1_000)
    figures = _figures(settings, name)
    return server is None or cost_usd(server, usage, at=SystemClock().now(), figures=figures) is not None


def fork_model_state(settings: Settings, name: str, parent: str, child: str) -> None:
    """Let a fork start with its parent's cache, where the model keeps one on this machine."""
    from workhand.models import local, local_files, slots

    file = local_files.find(settings.cache) if name.startswith("local") else None
    if file is not None:
        slots.copy(local.state_directory(file, settings.cache / "sessions"), parent, child)


async def start(store: EventStore, session: str, policy: Policy, task: UserSaid) -> None:
    """Make a session with its policy and its task, at once."""
    at = SystemClock().now()
    entries = (Entry(0, at, SessionStarted(policy)), Entry(1, at, task))
    await store.adopt(session, entries, title=" ".join(task.text.split())[:200], at=at, status="runnable")


async def set_guard(store: EventStore, row: SessionRow, guard: Guard) -> None:
    """Have a session that nobody runs guarded in this way from here on, if it is not already."""
    log = Log.of(await store.read(row.id))
    if guard != routing.in_force(log, log.policy).guard:
        claim = await store.claim(row.id, owner=this_process())
        await store.append(claim, log.head, (GuardChanged(guard),), at=SystemClock().now(), status=row.status)


@asynccontextmanager
async def open_session(
    settings: Settings, store: SqliteStore, session: str, place: Place, log: Log, model: Model, viewer: Viewer
) -> AsyncIterator[Opened]:
    """Put a runtime together for one session, with its machine opened and closed around it."""
    async with open_toolbox(settings, store, session, place, log) as toolbox:
        await toolbox.machine()
        yield Opened(Runtime(store, store, model, toolbox, SystemClock(), viewer), toolbox)


class SessionMachine:
    """The machine of one session: opened when it is needed, and suspended at the end where that can be done."""

    def __init__(self, settings: Settings, isolation: Isolation, build: Callable[[], Awaitable[MachineSpec]]) -> None:
        self.settings = settings
        self.isolation = isolation
        self.build = build
        self.opened: tuple[DaemonSandbox, MachineSpec] | None = None

    async def open(self) -> Sandbox:
        spec = await self.build()
        sandbox = await open_for(self.settings, self.isolation, spec, suspended=self.settings.suspended)
        self.opened = (sandbox, spec)
        return sandbox

    async def suspend(self) -> None:
        if self.opened is not None:
            with CancelScope(shield=True):
                await self.settings.suspended.suspend(*self.opened)

    def doorway(self) -> Doorway | None:
        return self.opened[0].doorway if self.opened else None

    def end(self, reason: str) -> None:
        if self.opened is not None:
            self.opened[0].end(reason)


@asynccontextmanager
async def open_toolbox(
    settings: Settings, store: SqliteStore, session: str, place: Place, log: Log
) -> AsyncIterator[SandboxToolbox]:
    """Give a session's tools over a machine that is opened when it is needed, and that people can enter."""
    from anyio import to_thread

    from workhand.cli.session import errands, files, indexing, reaching
    from workhand.cli.session.attach import visitors
    from workhand.cli.session.driving import drivers
    from workhand.cli.session.provisions import provisions
    from workhand.cli.session.surroundings import guarded
    from workhand.sandbox import register
    from workhand.sandbox.spec import MachineSpec

    policy = routing.in_force(log, log.policy)
    isolation = policy.guard.isolation
    kept = place.kept(isolation)
    own = None if place.owned else place.workspace  # whose skills there may be

    async def build() -> MachineSpec:
        given = await to_thread.run_sync(provisions, settings, policy.guard, own)  # it may have files to copy
        return around.fitted(
            MachineSpec(
                session=session,
                workspace=place.workspace,
                owned=place.owned,
                kept=kept,
                limits=settings.machine,
                cache=settings.cache,
                root=image(settings),
                **given,
                doors={**host, **packages},
                hand_over=files.hand_over(settings, place),
            )
        )

    folder, machine = Folder(kept), SessionMachine(settings, isolation, build)
    tell = partial(store.post, session)
    with held(place, session):
        await to_thread.run_sync(register.sweep)  # before anything of this session's has a name that a dead one had
        async with (
            guarded(settings, policy.guard) as around,
            errands.door(settings, policy.guard, around, machine.doorway, tell) as host,
            indexing.door(settings, policy.guard, around.keeper) as packages,
        ):
            save = files.saver(settings, place)
            browser = reaching.browser(settings, isolation, around, place)
            reach = reaching.reach(settings, browser)
            toolbox = SandboxToolbox(policy, machine.open, _deliverer(place), folder, around, save, reach)
            try:
                folder.make()
                async with (
                    visitors(store, session, machine.doorway),
                    drivers(store, session, browser),
                    files.within_disk(settings, place, machine.end),
                ):
                    yield toolbox
            finally:
                await machine.suspend()
                await toolbox.aclose()


def image(settings: Settings) -> Path | None:
    """Give the system that machines have inside.  Raises ``SandboxUnavailable`` if it was not built."""
    from workhand.sandbox.image import find

    return find(settings.cache / "images", settings.image) if settings.image else None


async def open_for(
    settings: Settings, least: Isolation, spec: MachineSpec, *, suspended: Suspended | None = None
) -> DaemonSandbox:
    """Open a machine that isolates at least so strongly, on this host or at the service that the person has chosen.

    Where the session's own was suspended, and is of a kind that would be opened, it goes on.
    """
    from workhand.sandbox.probe import open_sandbox
    from workhand.sandbox.tiers import kinds_for, listed, open_machine

    elsewhere = settings.elsewhere if least != "none" else ""
    if suspended is not None:
        kinds = (elsewhere,) if elsewhere else kinds_for(least)
        if (resumed := await suspended.resume(spec, kinds)) is not None:
            return listed(resumed, spec)
    if elsewhere:
        return listed(await open_sandbox(elsewhere, spec, settings.e2b), spec)
    return await open_machine(least, spec)


@contextmanager
def held(place: Place, session: str) -> Iterator[None]:
    """Hold a session's place: two machines over one workspace would take its files from each other."""
    with (place.directory / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"Session {session} is open in another process; use `workhand say`, pause or cancel, or end that one."
            ) from error
        yield


def _deliverer(place: Place) -> Deliver:
    async def deliver(path: str, content: bytes) -> None:
        target = place.delivered(path)
        if target.is_relative_to(place.workspace):
            return  # it is where the person asked for it
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(content)
        part.replace(target)

    return deliver


def note(text: str) -> None:
    """Tell the person something on stderr."""
    sys.stderr.write(text + "\n")
