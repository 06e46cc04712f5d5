"""OpenAI's messages and items, alone and as logged requests, become sessions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.formats.lines import jsonl
from workhand.core.events import Usage
from workhand.lab.formats import openai
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

SYSTEM = {"role": "system", "content": "Be brief."}
ASKED = {"role": "user", "content": [{"type": "text", "text": "Which files?"}]}
CALLED = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "I had better look.",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "ls", "arguments": '{"path":"."}'}}],
}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "notes.md"}
SAID = {"role": "assistant", "content": "One: notes.md."}
MESSAGES = [SYSTEM, ASKED, CALLED, RESULT, SAID]
PARTS = (
    Said("system", "Be brief."),
    Said("user", "Which files?"),
    Answer("", (Call("a", "ls", '{"path":"."}'),)),
    Returned("a", "notes.md"),
    Answer("One: notes.md."),
)
TOOLS = [{"type": "function", "function": {"name": "ls"}}, {"type": "function", "name": "cat"}]


def logged(messages: list[Any], response: dict[str, Any]) -> dict[str, Any]:
    return {"request": {"model": "m", "messages": messages}, "response": response}


@pytest.mark.parametrize(
    "text",
    [json.dumps(MESSAGES), json.dumps(MESSAGES, indent=2), jsonl(*MESSAGES), jsonl(*MESSAGES).replace("\n", "\r\n")],
)
def test_messages_are_one_session_in_any_layout(text: str) -> None:
    assert openai.read(text, "x") == Read((Trace("x", "openai", PARTS),))


def test_a_conversation_brings_its_model_its_tools_and_its_id() -> None:
    text = jsonl({"messages": MESSAGES, "model": "m", "tools": TOOLS, "id": "one"}, {"messages": MESSAGES[1:]})
    assert openai.read(text, "x") == Read(
        (Trace("one", "openai", PARTS, "m", ("ls", "cat")), Trace("x-2", "openai", PARTS[1:])),
    )


def test_a_log_of_requests_is_one_session_with_the_counts_of_every_call() -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 20}}
    more = {"prompt_tokens": 40, "completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 2}}
    text = jsonl(
        logged(MESSAGES[:2], {"choices": [{"message": CALLED}], "usage": usage}),
        logged([{"role": "user", "content": "Something else."}], {"error": "busy"}),
        logged(MESSAGES[:4], {"choices": [{"message": SAID}], "usage": more}),
    )
    first, second = (Usage(30, 20, 0, 5), Usage(40, 0, 0, 6, 2))
    parts = (
        *PARTS[:2],
        Answer("", (Call("a", "ls", '{"path":"."}'),), first),
        PARTS[3],
        Answer("One: notes.md.", (), second),
    )
    assert openai.read(text, "x") == Read(
        (Trace("x-1", "openai", parts, "m"), Trace("x-2", "openai", (Said("user", "Something else."),), "m")),
    )


def test_items_between_two_outputs_are_one_answer() -> None:
    text = json.dumps(
        [
            {"role": "user", "content": "Which files?"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "call_id": "a", "name": "ls", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": "*** Begin"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "notes.md"}]},
            {"type": "custom_tool_call_output", "call_id": "b", "output": '{"output":"no","metadata":{"exit_code":1}}'},
            {"type": "web_search_call", "id": "w", "action": {"query": "notes"}},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
        ]
    )
    parts = (
        Said("user", "Which files?"),
        Answer("I look.", (Call("a", "ls", "{}"), Call("b", "patch", "*** Begin"))),
        Returned("a", "notes.md"),
        Returned("b", '{"output":"no","metadata":{"exit_code":1}}', ok=False),
        Answer("One.", (Call("w", "web_search", '{"query": "notes"}'),)),
    )
    assert openai.read(text, "x") == Read((Trace("x", "openai", parts),))


def test_a_logged_response_of_items_has_its_instructions_and_its_counts() -> None:
    record = {
        "model": "m",
        "instructions": "Be brief.",
        "input": "Which files?",
        "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "None."}]},
            {"type": "function_call", "call_id": "a", "name": "ls", "arguments": "{}"},
        ],
        "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3},
    }
    answer = Answer("None.", (Call("a", "ls", "{}"),), Usage(9, 4, 0, 3))
    parts = (Said("system", "Be brief."), Said("user", "Which files?"), answer)
    assert openai.read(json.dumps(record), "x") == Read((Trace("x", "openai", parts, "m"),))


def test_the_older_function_calls_need_no_ids() -> None:
    text = jsonl(
        {"role": "assistant", "content": "", "function_call": {"name": "ls", "arguments": "{}"}},
        {"role": "function", "name": "ls", "content": "notes.md"},
    )
    parts = (Answer("", (Call("~1", "ls", "{}"),)), Returned("~1", "notes.md"))
    assert openai.read(text, "x").traces == (Trace("x", "openai", parts),)


def test_a_repeated_id_means_the_latest_open_call_and_every_call_has_an_id_of_its_own() -> None:
    twice = {"role": "assistant", "content": "Again.", "tool_calls": CALLED["tool_calls"] * 2}  # type: ignore[operator]
    text = jsonl(CALLED, twice, RESULT, {**RESULT, "content": "second"}, {**RESULT, "content": "first of all"})
    read = openai.read(text, "x").traces[0].parts
    assert read[2:] == (Returned("a~2", "notes.md"), Returned("a~3", "second"), Returned("a", "first of all"))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"role": "tool", "tool_call_id": "z", "content": "late"}, "no open call has the id 'z'"),
        ({"role": "tool", "content": "late"}, "it names no call, and none is open"),
        ({"role": "wizard", "content": "hm"}, "there is no role 'wizard'"),
        ({"content": "hm"}, "it has no 'role'"),
        ({"role": 5}, "its 'role' is 5, not text"),
        ({"role": "assistant", "tool_calls": "none"}, "its 'tool_calls' is 'none', not an array"),
        ({"role": "assistant", "tool_calls": [3]}, "a call is 3, not an object"),
        ({"role": "assistant", "tool_calls": [{"id": "q", "function": {}}]}, "it has no 'name'"),
        ({"type": "novelty"}, "there is no item type 'novelty'"),
        (7, "it is 7, not an object"),
    ],
)
def test_a_bad_message_is_named_and_the_others_stay(bad: Any, why: str) -> None:
    read = openai.read(jsonl(*MESSAGES[:4], bad, SAID), "x")
    assert read.faults == (Fault(5, why),)
    assert (read.traces[0].parts[:4], read.traces[0].parts[-1]) == (PARTS[:4], PARTS[4])


def test_a_bad_message_of_a_conversation_is_named_by_its_place() -> None:
    read = openai.read(jsonl({"messages": [*MESSAGES[:2], None, SAID]}), "x")
    assert read.faults == (Fault(1, "message 3: it is None, not an object"),)
    assert read.traces[0].parts == (*PARTS[:2], PARTS[4])


def test_lone_surrogates_are_replaced() -> None:
    read = openai.read('{"role": "user", "content": "a\\ud800b \\ud83d\\ude00"}', "x")
    assert read.traces[0].parts == (Said("user", "a\ufffdb \U0001f600"),)
