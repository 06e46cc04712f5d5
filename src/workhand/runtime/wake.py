"""Carry a session on: ask ``decide`` what to do, do it, write down what happened.

This is the whole agent loop.  It holds nothing that must survive: kill it at
any instant, wake the session anywhere, and it goes on.  What is about to have
an effect is durable before the effect; what is only decided may be written
together with what follows, so a step costs two commits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

import anyio

from workhand.core import gate, reducing, routing, saved
from workhand.core.audit import Audit
from workhand.core.consent import asking
from workhand.core.decide import AskModel, Finished, Foresee, Record, RunTool, WaitForUser, decide, open_call
from workhand.core.events import (
    Event,
    HostContacted,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    ModelRetried,
    Observation,
    Paused,
    ResultsCompacted,
    Resumed,
    SandboxOpened,
    SessionEnded,
    SummaryRejected,
    TakenOver,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Policy
from workhand.core.ports import BlobStore, Claim, Clock, Delta, EventStore, Live, Model, Retry, Toolbox
from workhand.core.render import render
from workhand.core.schedule import Summarize
from workhand.errors import ConfigError, ContextOverflow, ModelError, SandboxLost
from workhand.runtime import kept
from workhand.runtime.pictures import Pictures

Viewer: TypeAlias = Callable[[Entry | Delta], None]
"""Sees every entry once it is durable, and live output as it comes."""

NO_TOOLS = Mask("auto", ())  # words are wanted, not a call; the tool list in the prompt stays as it is
INBOX_POLL_S = 0.25  # how soon a pause or a cancellation reaches a running model call or tool
LOST = "The machine was lost while this ran; whether it took effect is not known. Files in the workspace are kept."
NOT_CHECKED = "The machine was lost before the paths in it could be looked at."
CANCELLED = "The user cancelled the session while this ran; whether it took effect is not known."


@dataclass(frozen=True, slots=True)
class Runtime:
    """The ports that a session is performed through."""

    store: EventStore
    blobs: BlobStore
    model: Model
    toolbox: Toolbox
    clock: Clock
    viewer: Viewer

    async def wake(self, session: str, *, owner: str) -> Log:
        """Carry a session on until it ends or waits, and give its log.

        Safe to call after a crash.  Raises ``Conflict`` when another process
        takes the session over, and ``StoreError`` when it cannot be read.
        """
        claim = await self.store.claim(session, owner=owner)
        log = Log.of(await self.store.read(session))
        return await _Wake(self, claim, log).run()


@dataclass(frozen=True, slots=True)
class _AtWork:
    """A model call or a tool that runs, and which events in the inbox stop it."""

    scope: anyio.CancelScope
    stops: Callable[[Event], bool]


class _Wake:
    """One waking of one session: its log, and what of it is not yet durable."""

    def __init__(self, runtime: Runtime, claim: Claim, log: Log) -> None:
        self.ports = runtime
        self.claim = claim
        self.log = log
        self.audit = Audit()
        self.shown = kept.Shown()
        self.pictures = Pictures(runtime.blobs)
        self.at_work: _AtWork | None = None
        self.pending: list[Event] = []
        self.originals: list[bytes] = []  # of the results that are pending

    @property
    def policy(self) -> Policy:
        """The session's policy, with the model that acts now."""
        return routing.in_force(self.log, self.log.policy)

    async def run(self) -> Log:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self.listen)
                await self.carry_on()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as wrapped:  # the caller knows nothing of a group
            raise wrapped.exceptions[0] from None
        return self.log

    async def carry_on(self) -> None:
        toolbox = self.ports.toolbox
        await kept.restore(self.log, toolbox, self.ports.blobs)
        await self.shown.restore(self.log, toolbox)
        if open_call(self.log) is None:
            await self.take_inbox()
        if not _begins(self.log) and not isinstance(decide(self.log, self.policy), WaitForUser | Finished):
            self.note(Resumed())  # it was interrupted: the time since then was no work
        while True:
            command = decide(self.log, self.policy)
            match command:
                case Record(events):
                    for event in events:
                        if isinstance(event, ResultsCompacted):
                            await self.verify(event)
                    self.note(*events)
                case Foresee(call):
                    self.note(toolbox.foresee(call))
                case RunTool(call, attempt):
                    self.note(ToolStarted(call.id, attempt))
                    await self.flush()
                    self.note(*await self.until_told(self.run_tool(command), self.is_cancellation))
                case Summarize():
                    if not (await self.flush() and await self.take_inbox()):
                        self.note(*await self.until_told(self.summarize(command), self.is_interruption))
                case AskModel(mask):
                    if not (await self.flush() and await self.take_inbox()):
                        await self.shown.update(self.log, toolbox)
                        self.note(*await self.until_told(self.ask(mask), self.is_interruption))
                case WaitForUser() | Finished():
                    if not (await self.flush() and await self.take_inbox()):
                        await self.shown.update(self.log, toolbox, resting=True)
                        await self.rest("waiting" if isinstance(command, WaitForUser) else "ended")
                        return
                case _:
                    assert_never(command)

    # -- performing --------------------------------------------------------------

    async def ask(self, mask: Mask) -> tuple[Event, ...]:
        prompt = render(self.log, self.policy)
        if broken := self.audit.check(self.log, self.policy, prompt):
            self.note(broken)
        beside: list[Event] = []

        def watch(live: Live) -> None:
            if isinstance(live, Retry):
                beside.append(ModelRetried(live.reason, live.attempt, live.delay_s))
                self.ports.viewer(Delta("text", f"\n[{live.reason} Trying again in {live.delay_s:.1f} s.]\n"))
            elif isinstance(live, Delta):
                self.ports.viewer(live)

        async def save() -> None:
            beside.extend(await self.save_files())

        answer: ModelAnswered | ModelFailed
        began = self.ports.clock.now()
        async with anyio.create_task_group() as group:
            group.start_soon(save)
            try:
                seen = await self.pictures.put_into(prompt)
                answer = await self.ports.model.answer(seen, mask, session=self.claim.session, watch=watch)
            except (ModelError, ConfigError) as error:
                answer = ModelFailed(type(error).__name__, str(error))
            took_s = self.ports.clock.now() - began
        if isinstance(answer, ModelFailed):
            return (*beside, answer)
        position = self.log.head + len(beside)
        answer = replace(
            answer,
            calls=tuple(replace(call, id=f"c{position}") for call in answer.calls[:1]),
            dropped_calls=answer.dropped_calls + len(answer.calls[1:]),
            prompt_bytes=prompt.size,
            prompt_digest=self.audit.sent(prompt.body),
            duration_s=round(took_s, 4),
        )
        return (*beside, answer)

    async def save_files(self) -> tuple[Event, ...]:
        """Keep the workspace if it may have changed; nothing is said of one that has not."""
        if not saved.is_due(self.log):
            return ()
        done = await self.ports.toolbox.save(saved.snapshots(self.log))
        return () if done is None or saved.is_known(self.log, done) else (done,)

    async def run_tool(self, command: RunTool) -> tuple[Event, ...]:
        beside: list[Event] = []

        def watch(live: Live) -> None:
            if isinstance(live, SandboxOpened | HostContacted):
                beside.append(live)
            elif isinstance(live, Delta):
                self.ports.viewer(live)

        call, toolbox = command.call, self.ports.toolbox
        toolbox.heed(asking.answers(self.log, self.policy))
        try:
            outcome = await toolbox.run(call, watch)
            seen = gate.admit(self.log, self.policy, call, outcome)
            if seen.path is not None:
                await toolbox.keep(seen.path, outcome.original)
        except SandboxLost as error:
            return (*beside, _unknown(call.id, f"{LOST} {error}"))
        if seen.blob is not None:
            self.originals.append(outcome.original)
        return (*beside, ToolReturned(call.id, seen, how="refused" if outcome.refused else "ran"))

    async def summarize(self, command: Summarize) -> tuple[Event, ...]:
        """Keep the whole, ask for a summary on the prompt that the model has just read, and check it."""
        log, policy, toolbox = self.log, self.policy, self.ports.toolbox
        asked = reducing.question(log, policy, command)
        await toolbox.keep(asked.path, asked.history)
        try:
            seen = await self.pictures.put_into(asked.prompt)
            answer = await self.ports.model.answer(seen, NO_TOOLS, session=self.claim.session, watch=lambda _: None)
        except ContextOverflow as error:
            return (SummaryRejected((str(error),), Usage(), policy.model),)
        except (ModelError, ConfigError) as error:
            return (ModelFailed(type(error).__name__, str(error), purpose="summarise"),)
        try:
            missing = await toolbox.missing(reducing.named(answer.text))
        except SandboxLost:
            return (SummaryRejected((NOT_CHECKED,), answer.usage, answer.model),)
        return (reducing.judged(asked, log, policy, answer.text, missing, usage=answer.usage, model=answer.model),)

    async def verify(self, reduction: ResultsCompacted) -> None:
        """See to it that all that is about to leave the context is where its compact form will say that it is."""
        wrong = await kept.broken(kept.promised_by(reduction, self.log), self.ports.toolbox)
        if any(each.content is None for each in wrong):
            await self.flush()  # the originals of what has only just happened are not in the store yet
        await kept.fulfil(wrong, self.ports.toolbox, self.ports.blobs)

    async def until_told(self, work: Awaitable[tuple[Event, ...]], stops: Callable[[Event], bool]) -> tuple[Event, ...]:
        """Do ``work``, unless an event in the inbox stops it first."""
        self.at_work = _AtWork(anyio.CancelScope(), stops)
        done: tuple[Event, ...] = ()
        with self.at_work.scope as scope:
            done = await work
        self.at_work = None
        if not scope.cancelled_caught:
            return done
        last = self.log.entries[-1].event
        return (_unknown(last.call_id, CANCELLED),) if isinstance(last, ToolStarted) else ()

    async def listen(self) -> None:
        """Stop what is at work when somebody, in whatever process, has left a reason in the inbox."""
        while True:
            await anyio.sleep(INBOX_POLL_S)
            work = self.at_work
            if work is not None and any(map(work.stops, await self.ports.store.peek(self.claim.session))):
                work.scope.cancel()

    @staticmethod
    def is_cancellation(event: Event) -> bool:
        return isinstance(event, SessionEnded)

    @staticmethod
    def is_interruption(event: Event) -> bool:
        return isinstance(event, SessionEnded | Paused | TakenOver)

    # -- writing down --------------------------------------------------------------

    def note(self, *events: Event) -> None:
        """Let events happen; they become durable with the next flush."""
        for event in events:  # what is written together happens at one moment
            at = self.log.entries[-1].at if self.pending else self.ports.clock.now()
            self.log = self.log.then(event, at)
            self.pending.append(event)

    async def flush(self) -> bool:
        """Make what happened durable; say whether the inbox is worth a look."""
        if not self.pending:
            return True
        entries = self.log.entries[-len(self.pending) :]
        events, self.pending = tuple(self.pending), []
        originals, self.originals = tuple(self.originals), []
        after = self.log.head - len(events)
        posted = await self.ports.store.append(
            self.claim, after, events, at=entries[-1].at, status="running", originals=originals
        )
        for entry in entries:
            self.ports.viewer(entry)
        return posted

    async def take_inbox(self) -> bool:
        """Move what others left for this session into its log."""
        at = self.ports.clock.now()
        taken = await self.ports.store.take(self.claim, self.log.head, at=at, status="running")
        for event in taken:
            self.log = self.log.then(event, at)
            self.ports.viewer(self.log.entries[-1])
        return bool(taken)

    async def rest(self, status: str) -> None:
        await self.ports.store.append(self.claim, self.log.head, (), at=self.ports.clock.now(), status=status)


def _begins(log: Log) -> bool:
    return isinstance(log.entries[-1].event, UserSaid | Resumed | LimitsChanged)


def _unknown(call_id: str, text: str) -> ToolReturned:
    return ToolReturned(call_id, Observation(text, text, ok=False), how="unknown")
