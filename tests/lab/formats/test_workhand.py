"""Our own logs become sessions, as they are in view."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import anyio

from workhand.core.events import (
    Event,
    ModelAnswered,
    NoticeGiven,
    Observation,
    Rewound,
    SessionEnded,
    SessionStarted,
    ToolCall,
    ToolReturned,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry
from workhand.core.policy import Policy, ToolSpec
from workhand.lab.formats import workhand
from workhand.lab.formats.faults import Read
from workhand.lab.formats.sources import read_file
from workhand.lab.trace import Answer, Call, Returned, Said, Trace
from workhand.store.archive import export_session
from workhand.store.codec import encode_line
from workhand.store.memory import MemoryStore

POLICY = Policy(model="script:x", system_prompt="Be brief.", tools=(ToolSpec("shell_run", "Run.", "{}"),))
USAGE = Usage(10, 5, 1, 2)
EVENTS: tuple[Event, ...] = (
    SessionStarted(POLICY),
    UserSaid("Which files?"),
    ModelAnswered("I look.", (ToolCall("c2", "shell_run", '{"command":"ls"}'),), USAGE, "x", 1, "d"),
    ToolReturned("c2", Observation("notes.md", "c2: gone", ok=False)),
    UserSaid("Break it."),
    Rewound(4),
    NoticeGiven("Be quick."),
    ModelAnswered("One.", (), USAGE, "x", 1, "d"),
    SessionEnded("answered"),
)
PARTS = (
    Said("system", "Be brief."),
    Said("user", "Which files?"),
    Answer("I look.", (Call("c2", "shell_run", '{"command":"ls"}'),), USAGE, 2.0),
    Returned("c2", "notes.md", ok=False, at=3.0),
    Said("user", "Be quick."),
    Answer("One.", (), USAGE, 7.0),
)
TRACE = Trace("s1", "workhand", PARTS, "script:x", ("shell_run",), "answered")


def lines() -> list[str]:
    return [encode_line(Entry(at, float(at), event)).decode() + "\n" for at, event in enumerate(EVENTS)]


def test_a_log_is_the_session_that_is_in_view() -> None:
    assert workhand.read("".join(lines()), "s1") == Read((TRACE,))


def test_a_bad_entry_costs_only_itself() -> None:
    bad = ['{"at":1,"event":{"kind":"Novelty"},"position":1}\n', "{}\n", '{"at":1.0,"eve']
    read = workhand.read("".join([*lines()[:4], bad[0], bad[1], *lines()[4:], bad[2]]), "s1")
    assert read.traces == (TRACE,)
    assert [fault.line for fault in read.faults] == [5, 6, 12]
    assert "unknown kind 'Novelty'" in read.faults[0].why


def test_a_lost_answer_costs_its_result_too() -> None:
    read = workhand.read("".join([*lines()[:2], *lines()[3:]]), "s1")
    assert read.traces[0].parts == (*PARTS[:2], *PARTS[4:])
    assert [fault.why for fault in read.faults] == ["no open call has the id 'c2'"]


async def exported(target: Path) -> None:
    store = MemoryStore()
    entries = tuple(Entry(at, float(at), event) for at, event in enumerate(EVENTS))
    await store.adopt("s1", entries, title="Files", at=9.0, status="ended")
    await export_session(store, "s1", target)


def test_an_exported_session_is_read_from_its_archive(tmp_path: Path) -> None:
    anyio.run(exported, tmp_path / "any.zip")
    assert read_file(tmp_path / "any.zip") == Read((TRACE,), format="workhand")


def test_another_zip_is_none_of_ours() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("other.txt", "text")
    assert workhand.read_archive(packed.getvalue(), "x", bytes_max=100) is None


def test_what_unpacks_to_too_much_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.jsonl", "x" * 1_000)
    read = workhand.read_archive(packed.getvalue(), "x", bytes_max=100)
    assert read is not None
    assert [fault.why for fault in read.faults] == ["its events.jsonl has more than 100 bytes"]
