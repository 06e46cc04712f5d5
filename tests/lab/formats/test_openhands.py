"""Events of OpenHands, of both its generations, become sessions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.formats.lines import jsonl
from workhand.core.events import Usage
from workhand.lab.formats import openhands
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

RESPONSE = {
    "id": "r1",
    "model": "m",
    "choices": [
        {
            "message": {
                "content": "I look.",
                "tool_calls": [
                    {"id": "a", "function": {"name": "execute_bash", "arguments": '{"command":"ls"}'}},
                    {"id": "b", "function": {"name": "execute_bash", "arguments": '{"command":"id"}'}},
                ],
            }
        }
    ],
    "usage": {"prompt_tokens": 50, "completion_tokens": 6, "cache_read_input_tokens": 40},
}


def act(id: int, action: str, source: str = "agent", call: str = "", **args: Any) -> dict[str, Any]:
    made = {"function_name": "execute_bash", "tool_call_id": call, "model_response": RESPONSE}
    event = {"id": id, "timestamp": "1970-01-01T00:01:00", "source": source, "action": action, "args": args}
    return {**event, "tool_call_metadata": made} if call else event


def seen(cause: int | None, observation: str, content: str, **extras: Any) -> dict[str, Any]:
    return {"id": 99, "observation": observation, "cause": cause, "content": content, "extras": extras}


EVENTS = [
    act(0, "system", content="Be brief.", tools=[{"function": {"name": "execute_bash"}}]),
    act(1, "message", "user", content="Which files?", image_urls=None),
    act(2, "recall", "user", query="Which files?"),
    seen(2, "recall", "Added context"),
    act(3, "run", call="a", command="ls", thought="I look."),
    seen(3, "run", "notes.md", metadata={"exit_code": 0}),
    act(4, "run", call="b", command="id", thought=""),
    seen(4, "run", "no such command", metadata={"exit_code": 127}),
    act(5, "run", command="pwd", thought="Where am I?", hidden=False),
    seen(5, "run", "/home"),
    seen(None, "error", "The last answer had no action."),
    act(6, "finish", final_thought="Done."),
]
PARTS = (
    Said("system", "Be brief."),
    Said("user", "Which files?"),
    Answer(
        "I look.",
        (Call("a", "execute_bash", '{"command":"ls"}'), Call("b", "execute_bash", '{"command":"id"}')),
        Usage(50, 40, 0, 6),
        60.0,
    ),
    Returned("a", "notes.md"),
    Returned("b", "no such command", ok=False),
    Answer("Where am I?", (Call("event 5", "run", '{"command": "pwd"}'),), None, 60.0),
    Returned("event 5", "/home"),
    Said("user", "The last answer had no action."),
    Answer("", (Call("event 6", "finish", '{"final_thought": "Done."}'),), None, 60.0),
)


@pytest.mark.parametrize("text", [json.dumps(EVENTS, indent=1), jsonl(*EVENTS)])
def test_events_are_a_session_in_which_actions_of_one_response_are_one_answer(text: str) -> None:
    assert openhands.read(text, "x") == Read((Trace("x", "openhands", PARTS, "m", ("execute_bash",)),))


def test_records_of_an_evaluation_are_a_session_each() -> None:
    pairs = [[act(1, "message", "user", content="Go."), seen(None, "null", "")]]
    text = jsonl({"instance_id": "one", "history": EVENTS}, {"instance_id": "two", "history": pairs})
    assert openhands.read(text, "x") == Read(
        (
            Trace("one", "openhands", PARTS, "m", ("execute_bash",)),
            Trace("two", "openhands", (Said("user", "Go."),)),
        )
    )


def test_a_condensation_with_a_summary_resets_to_it() -> None:
    dropped = [act(7, "condensation", summary="So far: one file."), act(8, "condensation", forgotten_event_ids=[1])]
    read = openhands.read(jsonl(*EVENTS, *dropped), "x")
    assert read.traces[0].parts == (*PARTS, Said("user", "So far: one file.", resets=True))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (seen(None, "run", "lost"), "this observation of type 'run' names no action"),
        ({**seen(None, "run", ""), "tool_call_metadata": {"tool_call_id": "z"}}, "no open call has the id 'z'"),
        ({"id": 4}, "it is neither an action nor an observation"),
        ("words", "it is not an event"),
        ({"kind": "NoveltyEvent"}, "there is no event kind 'NoveltyEvent'"),
    ],
)
def test_a_bad_event_costs_only_itself(bad: Any, why: str) -> None:
    read = openhands.read(jsonl(*EVENTS[:2], bad, *EVENTS[2:]), "x")
    assert (read.traces[0].parts, read.faults) == (PARTS, (Fault(3, why),))


def test_a_bad_event_of_a_record_is_named_by_its_place() -> None:
    read = openhands.read(jsonl({"history": [EVENTS[1], {"id": 4}]}), "x")
    assert read.faults == (Fault(1, "event 2: it is neither an action nor an observation"),)


def sdk(kind: str, source: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "id": "e", "timestamp": "1970-01-01T00:01:00", "source": source, **fields}


def words(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


def totals(prompt: int, cached: int) -> dict[str, Any]:
    used = {"prompt_tokens": prompt, "cache_read_tokens": cached, "completion_tokens": prompt // 10}
    other = {"accumulated_token_usage": {"prompt_tokens": 7 * prompt}}
    metrics = {"default": {"model_name": "m", "accumulated_token_usage": used}, "condenser": other}
    return sdk("ConversationStateUpdateEvent", "environment", key="stats", value={"usage_to_metrics": metrics})


def tool(id: str, response: str, thought: str) -> dict[str, Any]:
    call = {"id": id, "name": "terminal", "arguments": '{"command":"ls"}'}
    fields = {"tool_name": "terminal", "tool_call_id": id, "tool_call": call, "llm_response_id": response}
    return sdk("ActionEvent", "agent", thought=words(thought), reasoning_content="hm", action={}, **fields)


def test_events_of_the_sdk_are_a_session_whose_running_totals_are_split() -> None:
    events = [
        sdk("SystemPromptEvent", "agent", system_prompt={"text": "Be brief."}, tools=[{"title": "terminal"}]),
        sdk("MessageEvent", "user", llm_message={"role": "user", "content": words("Which files?")}),
        totals(100, 0),
        tool("a", "r1", "I look."),
        tool("b", "r1", ""),
        sdk("ObservationEvent", "environment", tool_call_id="a", observation={"content": words("notes.md")}),
        sdk("AgentErrorEvent", "agent", tool_call_id="b", error="no"),
        totals(250, 90),
        tool("c", "r2", "Again."),
        sdk("UserRejectObservation", "environment", tool_call_id="c", rejection_reason="too long"),
        sdk("Condensation", "environment", summary="So far: one file."),
        sdk("MessageEvent", "agent", llm_message={"role": "assistant", "content": words("One.")}),
        sdk("PauseEvent", "user"),
    ]
    parts = (
        Said("system", "Be brief."),
        Said("user", "Which files?"),
        Answer(
            "I look.",
            (Call("a", "terminal", '{"command":"ls"}'), Call("b", "terminal", '{"command":"ls"}')),
            Usage(100, 0, 0, 10),
            60.0,
        ),
        Returned("a", "notes.md", at=60.0),
        Returned("b", "no", ok=False, at=60.0),
        Answer("Again.", (Call("c", "terminal", '{"command":"ls"}'),), Usage(150, 90, 0, 15), 60.0),
        Returned("c", "Action rejected: too long", ok=False, at=60.0),
        Said("user", "So far: one file.", resets=True),
        Answer("One.", (), None, 60.0),
    )
    assert openhands.read(jsonl(*events), "x") == Read((Trace("x", "openhands", parts, "m", ("terminal",)),))
