"""What the model is promised by a path is there: after crashes, on other machines, and before anything is reduced."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from tests.core.playbook import POLICY
from tests.runtime.worlds import World
from workhand.core.canonical import Json, digest
from workhand.core.consent.rules import Answer
from workhand.core.events import (
    ActForeseen,
    HistorySummarized,
    ModelAnswered,
    Paused,
    ResultsCompacted,
    Rewound,
    SummaryRejected,
    ToolCall,
    ToolReturned,
)
from workhand.core.log import Log
from workhand.core.policy import Policy, Window
from workhand.core.ports import Outcome, Watch
from workhand.core.views import ERRORS, FINDINGS, GOALS, PLAN, PROGRESS, VIEWS, views_of
from workhand.errors import SandboxLost, StoreError
from workhand.runtime.kept import PROGRESS_STEPS, promises
from workhand.runtime.wake import NOT_CHECKED
from workhand.store.memory import MemoryStore
from workhand.testing.model import Say, ScriptedModel, script
from workhand.testing.toolbox import LedgerToolbox, brought

pytestmark = pytest.mark.anyio

PLANNED = Say("plan_update", {"goal": "a report", "phases": ["look", "write"], "done": 0})
BEGUN, DELIVERED = Say("message_info", {"text": "I begin."}), Say("message_result", {"text": "Done."})
SMALL = replace(POLICY, window=Window(12_000, 12_000, 5_000), answer_tokens_max=200, keep_full_results=1)


def step(number: int) -> Say:
    """Write a long file, or read one."""
    long: Json = "x" * 1_000
    if number % 2:
        return Say("file_write", {"path": f"{number}.txt", "content": long})
    return Say("file_read", {"path": f"{number}.txt"})


def reply(call: ToolCall) -> Outcome:
    return brought(f"{call.id} {call.tool}\n" * 80) if call.tool == "file_read" else brought("done")


def world(*, steps: int = 40, policy: Policy = SMALL, store: MemoryStore | None = None) -> World:
    model = ScriptedModel(script(PLANNED, BEGUN, *map(step, range(steps)), DELIVERED))
    return World(policy, model, LedgerToolbox(reply), store or MemoryStore())


async def ended() -> tuple[World, Log]:
    """Run a session in which results and calls were compacted and a history was summarised."""
    here = world()
    await here.begin()
    log = await here.wake()
    kinds = {type(event) for event in log.events}
    assert {ResultsCompacted, HistorySummarized} <= kinds
    assert any(event.arguments for event in log.events if isinstance(event, ResultsCompacted))
    return here, log


def files(here: World) -> dict[str, bytes]:
    assert isinstance(here.toolbox, LedgerToolbox)
    return here.toolbox.files


async def test_every_path_that_a_prompt_has_named_is_there_with_what_belongs_there() -> None:
    here, log = await ended()
    assert isinstance(here.model, ScriptedModel)
    shown = b"\n".join(piece for prompt, _ in here.model.asked for piece in prompt.body).decode()
    named = set(re.findall(r"\.workhand/[\w./-]+\.(?:txt|json|md)", shown))
    assert {path.split("/")[1] for path in named} == {"results", "calls", "history"}
    assert named <= files(here).keys()
    for event in log.events:
        if isinstance(event, ToolReturned) and (path := event.observation.path) in named and path:
            assert digest(files(here)[path]) == event.observation.blob
        for call in event.calls if isinstance(event, ModelAnswered) else ():
            if f".workhand/calls/{call.id}.json" in named:
                assert files(here)[f".workhand/calls/{call.id}.json"] == call.arguments.encode()


async def test_waking_makes_what_is_missing_and_mends_what_was_changed() -> None:
    here, _ = await ended()
    whole = dict(files(here))
    files(here).clear()
    await here.wake()
    assert files(here) == whole
    for number, path in enumerate(sorted(whole)):
        if number % 2:
            files(here)[path] = files(here)[path][::-1]
    await here.wake()
    assert files(here) == whole


@dataclass
class Unreadable:
    """A blob store from which nothing may be read."""

    async def put(self, content: bytes) -> str:
        return digest(content)

    async def get(self, digest: str) -> bytes:
        raise StoreError(f"There is no blob {digest!r}.")


async def test_where_nothing_is_missing_no_original_is_read_and_nothing_is_written() -> None:
    here, _ = await ended()
    toolbox = Counting(dict(files(here)))
    here.toolbox = toolbox
    await here.wake(blobs=Unreadable())
    assert toolbox.writes == Counter()


async def test_an_original_that_is_lost_is_said_loudly() -> None:
    here, _ = await ended()
    files(here).clear()
    with pytest.raises(StoreError, match="no blob"):
        await here.wake(blobs=Unreadable())


async def test_a_fork_and_a_session_from_elsewhere_get_files_of_their_own() -> None:
    here, log = await ended()
    at = log.entries[log.index(HistorySummarized)].position + 1
    await here.store.fork("s", at, "fork", title="", at=0.0)
    await here.store.adopt("imported", await here.store.read("s"), title="", at=0.0, status="waiting")
    for session in ("fork", "imported"):
        there = World(SMALL, here.model, LedgerToolbox(reply), here.store)
        log = await there.wake(session=session)
        assert {path: digest(content) for path, content in files(there).items() if path not in VIEWS} == {
            each.path: each.digest for each in promises(log)
        }


async def test_what_was_rewound_is_promised_no_more_and_the_views_go_back() -> None:
    here, log = await ended()
    claim = await here.store.claim("s", owner="test")
    await here.store.append(claim, log.head, (Rewound(20),), at=1.0, status="waiting")
    there = World(SMALL, here.model, LedgerToolbox(reply), here.store)
    files(there)[PROGRESS] = files(here)[PROGRESS]
    back = Log.of(await here.store.read("s"))
    assert 0 < len(promises(back)) < len(promises(log))
    await here.store.post("s", Paused())
    await there.wake()
    assert files(there)[PROGRESS] == views_of(back).text(PROGRESS).encode()


@dataclass
class Counting:
    """A toolbox that counts how often each file is written, and loses some of them."""

    files: dict[str, bytes] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    loses: str = "nothing"

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        for path in [path for path in self.files if path.startswith(self.loses)]:
            self.files[path] = b"changed"
        return Outcome("no", "shell_run: no", ok=False) if call.tool == "shell_run" else reply(call)

    def foresee(self, call: ToolCall) -> ActForeseen:
        return ActForeseen(call.id, "look")

    def heed(self, answers: tuple[Answer, ...]) -> None:
        return None

    async def keep(self, path: str, content: bytes) -> None:
        self.files[path] = content
        self.writes[path] += 1

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return {path: digest(self.files[path]) for path in paths if path in self.files}

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        return ()

    async def save(self, snapshots: tuple[str, ...]) -> None:
        return None


async def test_what_leaves_the_context_is_looked_at_and_mended_before() -> None:
    here = world()
    here.toolbox = toolbox = Counting(loses=".workhand/results/")
    await here.begin()
    log = await here.wake()
    compacted = [event for event in log.events if isinstance(event, ResultsCompacted) and event.call_ids]
    results = {event.call_id: event.observation for event in log.events if isinstance(event, ToolReturned)}
    mended = {results[id].path for event in compacted for id in event.call_ids}
    assert mended and all(path and toolbox.writes[path] == 2 for path in mended)


async def test_an_original_that_is_not_in_the_store_yet_is_written_down_before_it_is_needed() -> None:
    @dataclass
    class Forgetful(Counting):
        async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
            return {}

    here = world(policy=replace(SMALL, keep_full_results=0))
    here.toolbox = Forgetful()
    await here.begin()
    log = await here.wake()
    assert log.events[-1].kind == "SessionEnded"


async def test_a_view_is_written_when_it_changes_and_progress_every_few_actions() -> None:
    here = world()
    here.toolbox = toolbox = Counting()
    says = [Say("file_read", {"path": str(number)}) for number in range(3 * PROGRESS_STEPS)]
    here.model = ScriptedModel(script(PLANNED, BEGUN, Say("shell_run", {"command": "make"}), *says, DELIVERED))
    here.policy = POLICY
    await here.begin()
    log = await here.wake()
    assert {view: toolbox.writes[view] for view in VIEWS} == {PLAN: 1, GOALS: 2, PROGRESS: 4, ERRORS: 1, FINDINGS: 2}
    assert {view: toolbox.files[view].decode() for view in VIEWS} == {view: views_of(log).text(view) for view in VIEWS}


async def test_a_summary_whose_paths_cannot_be_looked_at_is_not_used_and_the_session_goes_on() -> None:
    @dataclass
    class Lost(Counting):
        async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
            raise SandboxLost("The sandbox is gone.")

    here = world()
    here.toolbox = Lost()
    await here.begin()
    log = await here.wake()
    rejected = [event for event in log.events if isinstance(event, SummaryRejected)]
    assert {event.reasons for event in rejected} == {(NOT_CHECKED,)}
    assert all(event.usage.input_tokens for event in rejected)
    assert log.latest(HistorySummarized) is None
