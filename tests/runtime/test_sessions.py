"""Whole sessions with a scripted model: what they write down, in which order, and how they end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.core.playbook import POLICY
from tests.runtime.worlds import World, kinds, last
from workhand.core.canonical import Json, digest
from workhand.core.events import (
    Event,
    FilesSaved,
    ModelAnswered,
    Observation,
    Resumed,
    SandboxOpened,
    SessionEnded,
    ToolCall,
    ToolReturned,
    ToolStarted,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Limits, Window
from workhand.core.ports import Delta, Outcome, Watch
from workhand.core.prompt import Prompt
from workhand.errors import SandboxLost, SandboxUnavailable
from workhand.runtime.wake import LOST
from workhand.testing.crash import Crashed, CrashingStore
from workhand.testing.model import Say, ScriptedModel, script
from workhand.testing.toolbox import LedgerToolbox, brought

pytestmark = pytest.mark.anyio

PLAN: dict[str, Json] = {"goal": "a report", "phases": ["look", "write"], "done": 0}
PLANNED, RUN, DELIVERED = Say("plan_update", PLAN), Say("shell_run"), Say("message_result")


def world(*answers: Say) -> World:
    return World(POLICY, ScriptedModel(script(PLANNED, *answers)), LedgerToolbox(lambda call: brought("done")))


async def test_a_session_is_written_down_in_this_order() -> None:
    here = world(RUN, DELIVERED)
    await here.begin()
    log = await here.wake()
    assert kinds(log.events) == [
        "SessionStarted",
        "UserSaid",
        *("ModelAnswered", "PlanChanged", "ToolReturned"),
        *("ModelAnswered", "ToolStarted", "ToolReturned") * 2,
        "SessionEnded",
    ]
    assert (await here.recorded(), await here.status()) == (log.events, "ended")


async def test_a_viewer_sees_every_entry_once_and_in_order() -> None:
    here = world(RUN, DELIVERED)
    await here.begin()
    log = await here.wake()
    assert [entry.event for entry in here.seen if isinstance(entry, Entry)] == list(log.events[2:])


async def test_waking_a_session_that_has_ended_changes_nothing() -> None:
    here = world(DELIVERED)
    await here.begin()
    ended = await here.wake()
    assert (await here.wake()).events == ended.events


async def test_a_new_message_takes_an_ended_session_up_again() -> None:
    here = world(DELIVERED, Say("message_info"), DELIVERED)
    await here.begin()
    await here.wake()
    await here.store.post("s", UserSaid("One thing more."))
    log = await here.wake()
    assert kinds(last(log, 8)) == [
        "UserSaid",
        *("ModelAnswered", "ToolStarted", "ToolReturned") * 2,
        "SessionEnded",
    ]


async def test_that_a_tool_starts_is_durable_before_it_runs_and_its_original_before_its_result() -> None:
    durable: list[Event] = []

    async def look(call: ToolCall, watch: Watch) -> None:
        durable.append((await here.recorded())[-1])
        watch(Delta("output", "working"))

    toolbox = LedgerToolbox(lambda call: brought("x" * 3_000), look)
    here = World(POLICY, ScriptedModel(script(PLANNED, RUN, DELIVERED)), toolbox)
    await here.begin()
    log = await here.wake()
    results = [event for event in log.events if isinstance(event, ToolReturned)]
    assert durable == [ToolStarted("c5"), ToolStarted("c8")]
    assert Delta("output", "working") in here.seen
    assert await here.store.get(results[1].observation.blob or "") == b"x" * 3_000


async def test_an_answer_is_recorded_with_what_was_sent_for_it() -> None:
    model = ScriptedModel(script(PLANNED, DELIVERED))
    here = World(POLICY, model, LedgerToolbox(lambda call: brought("done")))
    await here.begin()
    log = await here.wake()
    sent = [(prompt.size, digest(b"".join(piece + b"\n" for piece in prompt.body))) for prompt, _ in model.asked]
    answers = [event for event in log.events if isinstance(event, ModelAnswered)]
    assert [(answer.prompt_bytes, answer.prompt_digest) for answer in answers] == sent


@dataclass
class Eager:
    """A model that makes three calls at once, and delivers after that."""

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        answered = await ScriptedModel(script(PLANNED, RUN, DELIVERED)).answer(
            prompt, mask, session=session, watch=watch
        )
        return replace(answered, calls=answered.calls * 3, dropped_calls=1)


async def test_of_several_calls_the_first_is_made_and_the_others_are_counted() -> None:
    toolbox = LedgerToolbox(lambda call: brought("done"))
    here = World(POLICY, Eager(), toolbox)
    await here.begin()
    log = await here.wake()
    answers = [event for event in log.events if isinstance(event, ModelAnswered)]
    assert [(len(answer.calls), answer.dropped_calls) for answer in answers] == [(1, 3)] * 3
    assert toolbox.ledger == ["c5", "c8"]


@pytest.mark.parametrize("size", [2_000, 50_000])
async def test_a_long_session_keeps_its_context_below_the_trigger_and_one_observation(size: int) -> None:
    window = Window(hard=128_000, pre_rot=128_000, trigger=60_000)
    policy = replace(POLICY, window=window, limits=Limits(steps=300))
    says = [Say("file_read", {"path": str(number)}) for number in range(200)]
    model = ScriptedModel(script(PLANNED, *says, DELIVERED))
    here = World(policy, model, LedgerToolbox(lambda call: brought("x" * size)))
    await here.begin()
    log = await here.wake()
    assert (log.events[-1], log.spent.steps) == (SessionEnded("answered"), 202)
    assert max(prompt.size for prompt, _ in model.asked) // 4 <= window.trigger + size // 4 + 100


async def test_a_machine_that_is_lost_leaves_the_outcome_unknown_and_the_session_goes_on() -> None:
    def reply(call: ToolCall) -> Outcome:
        if call.tool == "shell_run":
            raise SandboxLost("The sandbox is gone.")
        return brought("done")

    here = World(POLICY, ScriptedModel(script(PLANNED, RUN, DELIVERED)), LedgerToolbox(reply))
    await here.begin()
    log = await here.wake()
    results = [event for event in log.events if isinstance(event, ToolReturned)]
    lost = f"{LOST} The sandbox is gone."
    assert results[1] == ToolReturned("c5", Observation(lost, lost, ok=False), how="unknown")
    assert log.events[-1] == SessionEnded("answered")


async def test_a_machine_that_cannot_be_opened_is_the_callers_to_know() -> None:
    def reply(call: ToolCall) -> Outcome:
        raise SandboxUnavailable("There is no bubblewrap here; install it.")

    here = World(POLICY, ScriptedModel(script(PLANNED, RUN)), LedgerToolbox(reply))
    await here.begin()
    with pytest.raises(SandboxUnavailable, match="no bubblewrap"):
        await here.wake()


async def test_that_a_machine_was_opened_is_written_down_before_the_result_of_the_call() -> None:
    toolbox = LedgerToolbox(lambda call: brought("done"))

    async def open_first(call: ToolCall, watch: Watch) -> None:
        if len(toolbox.ledger) == 1:
            watch(SandboxOpened("unsafe", "none", "none"))

    toolbox.during = open_first
    here = World(POLICY, ScriptedModel(script(PLANNED, RUN, DELIVERED)), toolbox)
    await here.begin()
    log = await here.wake()
    assert kinds(log.events[5:9]) == ["ModelAnswered", "ToolStarted", "SandboxOpened", "ToolReturned"]
    assert kinds(log.events[9:]) == ["ModelAnswered", "ToolStarted", "ToolReturned", "SessionEnded"]


async def test_the_time_between_a_crash_and_the_next_waking_is_no_work() -> None:
    here = world(RUN, DELIVERED)
    await here.begin()
    with pytest.raises(Crashed):
        await here.wake(store=CrashingStore(here.store, writes_left=3))
    crashed = Log.of(await here.store.read("s"))
    log = await here.wake()
    assert isinstance(log.events[len(crashed.events)], Resumed)
    assert log.spent.seconds < 1.0


async def test_files_are_saved_while_the_model_is_asked_and_only_said_when_they_changed() -> None:
    first, second = FilesSaved("a", 0, 0), FilesSaved("b", 1, 5)
    toolbox = LedgerToolbox(lambda call: brought("done"), saves=[first, second, second, first])
    here = World(POLICY, ScriptedModel(script(PLANNED, RUN, RUN, DELIVERED)), toolbox)
    await here.begin()
    log = await here.wake()
    assert kinds(log.events[2:]) == [
        *("FilesSaved", "ModelAnswered", "PlanChanged", "ToolReturned"),
        *("ModelAnswered", "ToolStarted", "ToolReturned"),
        *("FilesSaved", "ModelAnswered", "ToolStarted", "ToolReturned"),
        *("ModelAnswered", "ToolStarted", "ToolReturned", "SessionEnded"),
    ]
    calls = {entry.position: entry.event.calls for entry in log.entries if isinstance(entry.event, ModelAnswered)}
    assert [call.id for answered in calls.values() for call in answered] == [f"c{position}" for position in calls]
    assert toolbox.saves == [first]
