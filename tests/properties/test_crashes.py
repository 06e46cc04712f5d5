"""Kill a session at any write, or while a tool runs, as often as you like: it ends as it would have."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import anyio
from hypothesis import given
from hypothesis import strategies as st

from tests.core.playbook import POLICY
from workhand.core.canonical import Json
from workhand.core.events import ModelAnswered, SessionEnded, SessionStarted, ToolCall, ToolReturned, UserSaid
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy, Window
from workhand.core.ports import EventStore, Outcome
from workhand.runtime.wake import Runtime
from workhand.store.memory import MemoryStore
from workhand.testing.clock import StepClock
from workhand.testing.crash import Crashed, CrashingStore
from workhand.testing.model import Say, ScriptedModel, script
from workhand.testing.toolbox import LedgerToolbox, brought

SMALL = replace(POLICY, window=Window(4_000, 4_000, 1_000), keep_full_results=1, answer_tokens_max=200)
ATTEMPTS_MAX = {"shell_run": 1, "file_write": 3, "file_read": 3, "message_info": 3, "message_result": 3}

CALLS = st.builds(
    Say,
    tool=st.sampled_from(["shell_run", "file_write", "file_read", "message_info", "no_such_tool", ""]),
    arguments=st.integers(0, 2).map(lambda number: {"number": number}),
)
CRASHES = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=5).map(tuple)


class World:
    """A store and the things outside of it that outlive a crash: what the tools have done, and when they kill."""

    def __init__(self, calls: list[Say], kills: frozenset[int], policy: Policy = SMALL) -> None:
        self.policy = policy
        self.store = MemoryStore()
        self.clock = StepClock()
        self.kills = kills
        plan: dict[str, Json] = {"goal": "a report", "phases": ["look", "write"], "done": 0}
        self.model = ScriptedModel(script(Say("plan_update", plan), *calls, Say("message_result")))
        self.toolbox = LedgerToolbox(self.reply)
        self.run: list[ToolCall] = []

    def reply(self, call: ToolCall) -> Outcome:
        self.run.append(call)
        if len(self.run) in self.kills:
            raise Crashed
        return brought(call.id.ljust(1_500, "x"), ok=call.tool != "file_read")

    async def begin(self) -> None:
        await self.store.create("s", title="", at=0.0)
        claim = await self.store.claim("s", owner="test")
        await self.store.append(claim, 0, (SessionStarted(self.policy), UserSaid("Go.")), at=0.0, status="runnable")

    async def wake(self, store: EventStore) -> bool:
        """Wake the session; say whether it survived."""
        runtime = Runtime(store, self.store, self.model, self.toolbox, self.clock, lambda seen: None)
        survived = True
        try:
            await runtime.wake("s", owner="test")
        except* Crashed:
            survived = False
        return survived


async def course(
    calls: list[Say], crashes: tuple[tuple[int, bool], ...], kills: frozenset[int]
) -> tuple[World, list[tuple[Entry, ...]]]:
    """Run a session through its crashes to its end; give the record as it was after each waking."""
    world = World(calls, kills)
    await world.begin()
    records = []
    for writes, unacknowledged in crashes:
        await world.wake(CrashingStore(world.store, writes, unacknowledged))
        records.append(await world.store.read("s"))
    for _ in range(len(kills) + 1):
        await world.wake(world.store)
        records.append(await world.store.read("s"))
    return world, records


@given(st.lists(CALLS, max_size=8), CRASHES, st.frozensets(st.integers(1, 12), max_size=3))
def test_a_session_that_is_killed_anywhere_ends_as_it_would_have(
    calls: list[Say], crashes: tuple[tuple[int, bool], ...], kills: frozenset[int]
) -> None:
    world, records = anyio.run(course, calls, crashes, kills)
    *earlier, last = records
    _, (undisturbed,) = anyio.run(course, calls, (), frozenset[int]())
    assert all(last[: len(record)] == record for record in earlier)
    assert ending(last)[0] == ending(undisturbed)[0]
    assert ending(last) == ending(undisturbed) or any_is_unknown(last)  # then one is asked for again
    assert each_call_has_one_result(last)
    assert each_effect_is_accounted_for(last, world.run)


def test_every_single_write_of_a_session_is_survived() -> None:
    calls = [Say("shell_run"), Say("file_write"), Say("message_info"), Say("shell_run", {"number": 1})]
    for writes in range(24):
        for unacknowledged in (False, True):
            world, records = anyio.run(course, calls, ((writes, unacknowledged),), frozenset[int]())
            assert records[-1][: len(records[0])] == records[0]
            assert ending(records[-1]) == (SessionEnded("answered"), 6)
            assert each_call_has_one_result(records[-1])
            assert each_effect_is_accounted_for(records[-1], world.run)


def ending(record: tuple[Entry, ...]) -> tuple[object, int]:
    """Give how a session ended, and after how many answers."""
    log = Log.of(record)
    return log.events[-1], sum(isinstance(event, ModelAnswered) for event in log.events)


def any_is_unknown(record: tuple[Entry, ...]) -> bool:
    return any(isinstance(entry.event, ToolReturned) and entry.event.how == "unknown" for entry in record)


def each_call_has_one_result(record: tuple[Entry, ...]) -> bool:
    asked = [call.id for entry in record if isinstance(entry.event, ModelAnswered) for call in entry.event.calls]
    returned = [entry.event.call_id for entry in record if isinstance(entry.event, ToolReturned)]
    return len(set(asked)) == len(asked) and asked == returned


def each_effect_is_accounted_for(record: tuple[Entry, ...], run: list[ToolCall]) -> bool:
    """Say whether no tool ran more often than it may, and whether the log says of each what is true."""
    times = Counter(call.id for call in run)
    tools = {
        call.id: call.tool for entry in record if isinstance(entry.event, ModelAnswered) for call in entry.event.calls
    }
    true: list[bool] = [times[call.id] <= ATTEMPTS_MAX[call.tool] for call in run]
    for entry in record:
        match entry.event:
            case ToolReturned(id, how="refused"):
                true.append(times[id] == 0)
            case ToolReturned(id, how="ran") if tools[id] != "plan_update":
                true.append(times[id] >= 1)
    return all(true) and set(times) <= set(tools)
