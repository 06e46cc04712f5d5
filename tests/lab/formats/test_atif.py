"""Harbor's trajectories become sessions, their subagents' too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workhand.core.events import Usage
from workhand.lab.formats import atif
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

METRICS = {
    "prompt_tokens": 52,
    "completion_tokens": 8,
    "cached_tokens": 20,
    "cost_usd": 0.5,
    "extra": {"reasoning_tokens": 3, "cache_creation_input_tokens": 4},
}
STEPS: list[dict[str, Any]] = [
    {"step_id": 1, "source": "system", "message": "Be brief."},
    {"step_id": 2, "source": "user", "message": [{"type": "text", "text": "Which files?"}]},
    {
        "step_id": 3,
        "timestamp": "1970-01-01T00:01:00Z",
        "source": "agent",
        "message": "I look.",
        "reasoning_content": "I had better look.",
        "tool_calls": [
            {"tool_call_id": "a", "function_name": "ls", "arguments": {"path": "."}},
            {"tool_call_id": "b", "function_name": "ls", "arguments": {}},
        ],
        "observation": {"results": [{"source_call_id": "b", "content": "two"}, {"content": "notes.md"}]},
        "metrics": METRICS,
    },
    {"step_id": 4, "source": "agent", "message": "One.", "observation": {"results": [{"content": "noted"}]}},
]
PARTS = (
    Said("system", "Be brief."),
    Said("user", "Which files?"),
    Answer("I look.", (Call("a", "ls", '{"path": "."}'), Call("b", "ls", "{}")), Usage(52, 20, 4, 8, 3, 0.5), 60.0),
    Returned("b", "two", at=60.0),
    Returned("a", "notes.md", at=60.0),
    Answer("One."),
    Said("user", "noted"),
)


def trajectory(steps: Any, **others: Any) -> dict[str, Any]:
    agent = {"name": "tester", "model_name": "m", "tool_definitions": [{"function": {"name": "ls"}}]}
    return {"schema_version": "ATIF-v1.6", "session_id": "s1", "agent": agent, "steps": steps, **others}


@pytest.mark.parametrize("indent", [None, 2])
def test_steps_are_a_session(indent: int | None) -> None:
    read = atif.read(json.dumps(trajectory(STEPS), indent=indent), "x")
    assert read == Read((Trace("s1", "tester", PARTS, "m", ("ls",)),))


def test_subagents_are_sessions_of_their_own() -> None:
    child = {"steps": STEPS[:2]}
    read = atif.read(json.dumps(trajectory(STEPS, subagent_trajectories=[child])), "x")
    assert read.traces[1] == Trace("s1-1", "atif", PARTS[:2])


@pytest.mark.parametrize("mark", [{"is_copied_context": True}, {"llm_call_count": 0}])
def test_a_step_that_no_model_was_called_for_is_no_answer(mark: dict[str, Any]) -> None:
    read = atif.read(json.dumps(trajectory([STEPS[1], {**STEPS[3], **mark}])), "x")
    assert read.traces[0].parts == (PARTS[1], Said("user", "One."), Said("user", "noted"))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"source": "wizard", "message": ""}, "step 2: there is no source 'wizard'"),
        ({"message": ""}, "step 2: it has no 'source'"),
        (None, "step 2: it is None, not an object"),
    ],
)
def test_a_bad_step_costs_only_itself(bad: Any, why: str) -> None:
    read = atif.read(json.dumps(trajectory([STEPS[0], bad, STEPS[1]])), "x")
    assert (read.traces[0].parts, read.faults) == (PARTS[:2], (Fault(1, why),))


def test_a_result_of_no_call_costs_only_itself() -> None:
    step = {**STEPS[2], "observation": {"results": [{"source_call_id": "z", "content": ""}, {"content": "notes.md"}]}}
    read = atif.read(json.dumps(trajectory([step])), "x")
    assert read.faults == (Fault(1, "step 1: no open call has the id 'z'"),)
    assert read.traces[0].parts == (PARTS[2], PARTS[4])


def test_steps_that_are_none_are_a_fault() -> None:
    assert atif.read(json.dumps(trajectory("none")), "x") == Read(
        (), (Fault(1, "its 'steps' is 'none', not an array"),)
    )
