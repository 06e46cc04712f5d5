"""What others say to a session while it runs: heard between steps, and a cancellation at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import pytest

from tests.core.playbook import POLICY, SPEAKING
from tests.runtime.test_sessions import DELIVERED, PLANNED, RUN
from tests.runtime.worlds import World, kinds, last
from workhand.core.events import (
    Event,
    ModelAnswered,
    Observation,
    Paused,
    Resumed,
    SessionEnded,
    ToolCall,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.mask import Mask
from workhand.core.ports import Outcome, Watch
from workhand.core.prompt import Prompt
from workhand.errors import Conflict
from workhand.runtime.wake import CANCELLED
from workhand.testing.model import Say, ScriptedModel, script
from workhand.testing.toolbox import LedgerToolbox, brought

pytestmark = pytest.mark.anyio

GONE = SessionEnded("cancelled")


@dataclass
class Held:
    """A session that stands still in the middle of ``shell_run``."""

    model: ScriptedModel
    here: World
    running: anyio.Event
    release: anyio.Event

    async def told(self, *events: Event, release: bool = True) -> Log:
        """Wake the session, leave it ``events`` while the tool runs, and give its log at the end."""
        await self.here.begin()
        logs: list[Log] = []

        async def wake() -> None:
            logs.append(await self.here.wake())

        async with anyio.create_task_group() as group:
            group.start_soon(wake)
            await self.running.wait()
            for event in events:
                await self.here.store.post("s", event)
            if release:
                self.release.set()
        return logs[0]


def held(*answers: Say) -> Held:
    model, running, release = ScriptedModel(script(PLANNED, RUN, *answers)), anyio.Event(), anyio.Event()

    async def hold(call: ToolCall, watch: Watch) -> None:
        if call.tool == "shell_run":
            running.set()
            await release.wait()

    toolbox = LedgerToolbox(lambda call: Outcome(f"{call.tool} is done", call.tool), hold)
    return Held(model, World(POLICY, model, toolbox), running, release)


async def test_a_message_is_heard_after_the_running_tool_and_answered_first() -> None:
    session = held(Say("message_info"), DELIVERED)
    log = await session.told(UserSaid("In English, please."))
    assert kinds(log.events[6:10]) == ["ToolStarted", "ToolReturned", "UserSaid", "ModelAnswered"]
    assert session.model.asked[2][1] == SPEAKING
    assert log.events[-1] == SessionEnded("answered")


async def test_a_pause_lets_the_running_tool_finish_and_then_waits() -> None:
    session = held(DELIVERED)
    log = await session.told(Paused())
    assert kinds(last(log, 2)) == ["ToolReturned", "Paused"]
    assert await session.here.status() == "waiting"
    await session.here.store.post("s", Resumed())
    assert (await session.here.wake()).events[-1] == SessionEnded("answered")


async def test_a_cancellation_stops_the_running_tool_and_says_that_its_outcome_is_unknown() -> None:
    session = held()
    log = await session.told(GONE, release=False)
    unknown = ToolReturned("c5", Observation(CANCELLED, CANCELLED, ok=False), how="unknown")
    assert (last(log, 2), await session.here.status()) == ((unknown, GONE), "ended")


async def test_what_is_said_together_is_heard_in_its_order() -> None:
    log = await held(Say("message_info"), DELIVERED).told(Paused(), UserSaid("First."), Resumed(), UserSaid("Second."))
    assert log.events[8:12] == (Paused(), UserSaid("First."), Resumed(), UserSaid("Second."))
    assert log.events[-1] == SessionEnded("answered")


async def test_a_worker_whose_session_was_claimed_by_another_writes_nothing_more() -> None:
    session = held(DELIVERED)
    await session.here.begin()
    raised: list[Conflict] = []

    async def wake() -> None:
        try:
            await session.here.wake()
        except Conflict as conflict:
            raised.append(conflict)

    async with anyio.create_task_group() as group:
        group.start_soon(wake)
        await session.running.wait()
        await session.here.store.claim("s", owner="another")
        before = await session.here.recorded()
        session.release.set()
    assert len(raised) == 1
    assert await session.here.recorded() == before


@dataclass
class Thinking:
    """A model that thinks until it is released, the first time it is asked."""

    asked: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        if not self.asked.is_set():
            self.asked.set()
            await self.release.wait()
        return await ScriptedModel(script(PLANNED, DELIVERED)).answer(prompt, mask, session=session, watch=watch)


@pytest.mark.parametrize(("event", "status"), [(Paused(), "waiting"), (GONE, "ended")])
async def test_a_model_that_thinks_is_interrupted_and_asked_again_later(event: Event, status: str) -> None:
    model = Thinking()
    here = World(POLICY, model, LedgerToolbox(lambda call: brought("done")))
    await here.begin()
    async with anyio.create_task_group() as group:
        group.start_soon(here.wake)
        await model.asked.wait()
        await here.store.post("s", event)
    assert ((await here.recorded())[2:], await here.status()) == ((event,), status)
    await here.store.post("s", UserSaid("Go on."))
    assert (await here.wake()).events[-1] == SessionEnded("answered")


async def test_a_message_does_not_interrupt_a_model_that_thinks() -> None:
    """It would cost the answer that is already paid for; the next question shows the message."""
    model = Thinking()
    here = World(POLICY, model, LedgerToolbox(lambda call: brought("done")))
    await here.begin()
    async with anyio.create_task_group() as group:
        group.start_soon(here.wake)
        await model.asked.wait()
        await here.store.post("s", UserSaid("And a table."))
        model.release.set()
    assert kinds(await here.recorded())[2:6] == ["ModelAnswered", "PlanChanged", "ToolReturned", "UserSaid"]
