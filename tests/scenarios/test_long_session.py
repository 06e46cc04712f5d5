"""One long session, and everything that can be done to it: killed, resumed, exported, imported, forked, rewound.

Two hundred commands print 50 kB each.  None of it may be lost, little of it may stand in the context.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import anyio
import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from workhand.cli.session import wiring
from workhand.cli.settings import Settings
from workhand.core.events import HistorySummarized, ModelAnswered, ResultsCompacted, ToolReturned
from workhand.core.log import Entry, Log

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

STEPS = 200
LAST = 10_240
COMMAND = f"echo {{i}} >> effects.log; seq {{i}} {LAST}"
WINDOW = "[openai-chat]\nwindow_tokens = 60000\n"  # so small that it has to be compacted on the way


@pytest.mark.machines
def test_a_long_session_survives_all_that_is_done_to_it(workhand: Workhand) -> None:
    workhand.settings(WINDOW)
    model = workhand.script(PLAN, BEGIN, shell(COMMAND, repeat=STEPS), DELIVER)
    running = workhand.start("run", "--model", model, "Print very much")
    running.until("ToolReturned", STEPS // 2)
    running.send(signal.SIGKILL)
    acknowledged = running.ended().lines
    session = workhand.session()
    assert workhand("resume", session, "--json").code == 0
    assert workhand.events(session)[: len(acknowledged)] == acknowledged

    assert workhand("export", session, "session.workhand").code == 0
    assert workhand("import", "session.workhand").code == 0
    imported = workhand.session()
    assert imported != session
    assert workhand("fork", imported).code == 0
    fork = workhand.session()
    back = next(line["position"] for line in workhand.events(fork) if answered(line, STEPS - 10))
    assert workhand("rewind", fork, "--to", str(back)).code == 0
    assert workhand("resume", fork, "--json").code == 0

    records = {each: anyio.run(read, workhand.home, each) for each in (session, imported, fork)}
    assert {each: anyio.run(originals, workhand.home, record) for each, record in records.items()} == {
        session: expected(records[session]),
        imported: expected(records[session]),
        fork: expected(records[fork]),
    }
    assert all(len(expected(record)) >= STEPS - 2 for record in records.values())
    last = max(expected(records[fork]))
    assert workhand("restore", fork, f"c{last}").out == printed(STEPS).decode()
    for record in records.values():
        assert_stays_small(record)
    done = effects(workhand, session)
    assert len(done) == len(set(done)) >= STEPS - 1
    assert effects(workhand, imported) == done
    went_back = [step for step in done if step < STEPS - 10]  # the files did, too
    assert effects(workhand, fork) == [*went_back, *range(STEPS - 10, STEPS + 1)]
    assert [row["status"] for row in workhand("sessions", "--json").lines] == ["ended"] * 3


def answered(line: dict[str, dict[str, object]], step: int) -> bool:
    return line["event"]["kind"] == "ModelAnswered" and f"echo {step} >>" in json.dumps(line)


async def read(home: Path, session: str) -> tuple[Entry, ...]:
    async with wiring.open_store(Settings(home=home)) as store:
        return await store.read(session)


async def originals(home: Path, record: tuple[Entry, ...]) -> dict[int, bytes]:
    """Give what is kept of every result that was offloaded, by the position of its call."""
    async with wiring.open_store(Settings(home=home)) as store:
        return {
            int(entry.event.call_id[1:]): await store.get(entry.event.observation.blob)
            for entry in record
            if isinstance(entry.event, ToolReturned) and entry.event.observation.blob
        }


def expected(record: tuple[Entry, ...]) -> dict[int, bytes]:
    """Give what the commands that ran have really printed, by the position of their calls."""
    ran = {each.event.call_id for each in record if isinstance(each.event, ToolReturned) and each.event.how == "ran"}
    return {
        entry.position: printed(int(json.loads(call.arguments)["command"].split()[1]))
        for entry in record
        if isinstance(entry.event, ModelAnswered)
        for call in entry.event.calls
        if call.tool == "shell_run" and call.id in ran
    }


def printed(first: int) -> bytes:
    return "".join(f"{number}\n" for number in range(first, LAST + 1)).encode()


def assert_stays_small(record: tuple[Entry, ...]) -> None:
    """The context stays under the trigger, but for what came with the last observation."""
    policy = Log.of(record).policy
    asked = [entry.event.usage.input_tokens for entry in record if isinstance(entry.event, ModelAnswered)]
    assert max(asked) <= policy.window.trigger + policy.observation_tokens_max
    assert any(isinstance(entry.event, ResultsCompacted | HistorySummarized) for entry in record)


def effects(workhand: Workhand, session: str) -> list[int]:
    file = workhand.home / "sessions" / session / "workspace" / "effects.log"
    return [int(line) for line in file.read_text().split()]
