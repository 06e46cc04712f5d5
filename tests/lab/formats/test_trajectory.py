"""The form that sessions are kept in: what is written reads back equal, and files from elsewhere are read."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.formats.lines import STEADY, jsonl
from workhand.core.events import Usage
from workhand.lab.formats import trajectory
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

TEXT = st.text(max_size=12)
AT = st.none() | st.floats(-1e10, 1e10)
COUNT = st.integers(0, 2**60)
USAGE = st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.none() | st.floats(0, 1e9))


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Give any trace whose results belong to calls before them, each to one."""
    ids = draw(st.lists(TEXT.filter(bool), unique=True, max_size=12))
    parts: list[Part] = []
    open_calls: list[str] = []
    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(["said", "answer", "returned"]))
        if kind == "said":
            parts.append(draw(st.builds(Said, st.sampled_from(["system", "user"]), TEXT, st.booleans())))
        elif kind == "answer" or not open_calls:
            taken = [ids.pop() for _ in range(draw(st.integers(0, min(3, len(ids)))))]
            calls = tuple(draw(st.builds(Call, st.just(id), TEXT, TEXT, st.booleans())) for id in taken)
            parts.append(Answer(draw(TEXT), calls, draw(st.none() | USAGE), draw(AT)))
            open_calls += taken
        else:
            id = open_calls.pop(draw(st.integers(0, len(open_calls) - 1)))
            parts.append(Returned(id, draw(TEXT), draw(st.booleans()), draw(AT)))
    tools = tuple(draw(st.lists(TEXT.filter(bool), unique=True, max_size=3)))
    return Trace(draw(TEXT), draw(TEXT), tuple(parts), draw(TEXT), tools, draw(TEXT))


@STEADY
@given(traces())
def test_what_is_written_reads_back_equal(trace: Trace) -> None:
    lines = gzip.decompress(trajectory.write(trace)).decode().split("\n")
    assert trajectory.read(lines, "other") == Read((trace,))


def test_equal_traces_give_equal_bytes_that_hold_no_time() -> None:
    first = trajectory.write(Trace("a", "b", (Said("user", "Go."),)))
    assert first == trajectory.write(Trace("a", "b", (Said("user", "Go."),)))
    assert first[4:8] == b"\0\0\0\0"


HEADER = {"type": "header", "format": "trajectory-v1", "id": "t", "source": "s", "model": "m", "outcome": {"reward": 1}}
CALL = {"type": "tool_call", "call_id": "a", "name": "ls"}
RESULT = {"type": "tool_result", "call_id": "a", "text": "notes.md", "is_error": True}


def test_a_file_from_elsewhere_keeps_counts_outcome_and_what_was_in_the_text() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
    events = [
        {**HEADER, "tools_observed": [{"name": "ls", "calls": 2}]},
        {"type": "user", "text": "Go on.", "context_reset": True},
        {"type": "assistant", "step": 1, "text": "ls .", "usage": usage},
        {**CALL, "arguments": {"path": "."}, "derived": True},
        {**CALL, "arguments": {"path": "."}, "arguments_raw": ""},
        RESULT,
    ]
    answer = Answer("ls .", (Call("a", "ls", '{"path": "."}', True), Call("a~2", "ls", "")), Usage(9, 5, 0, 4))
    parts = (Said("user", "Go on.", resets=True), answer, Returned("a", "notes.md", ok=False))
    trace = Trace("t", "s", parts, "m", ("ls",), '{"reward": 1}')
    assert trajectory.read(jsonl(*events).split("\n"), "x") == Read((trace,))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"type": "novelty"}, "there is no event type 'novelty'"),
        ({"type": "user"}, "it has no 'text'"),
        ({"type": "user", "text": None}, "its 'text' is None, not text"),
        ({**CALL, "arguments": {}}, "no answer of the model comes before this call"),
        (RESULT, "no open call has the id 'a'"),
        ({}, "it has no 'type'"),
        (3, "it is 3, not an object"),
    ],
)
def test_a_bad_event_costs_only_itself(bad: object, why: str) -> None:
    read = trajectory.read(jsonl(HEADER, bad, {"type": "user", "text": "Go."}).split("\n"), "x")
    assert (read.traces[0].parts, read.faults) == ((Said("user", "Go."),), (Fault(2, why),))
