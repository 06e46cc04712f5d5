"""Anthropic's messages, alone and as logged requests, become sessions."""

from __future__ import annotations

import json

from tests.lab.formats.lines import jsonl
from workhand.core.events import Usage
from workhand.lab.formats import anthropic
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

ASKED = {"role": "user", "content": "Which files?"}
THOUGHT = {"type": "thinking", "thinking": "I had better look.", "signature": "abc"}
USE = {"type": "tool_use", "id": "t1", "name": "ls", "input": {"path": "."}}
CALLED = {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "I look."}, USE]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "gone"}], "is_error": True}
RETURNED = {"role": "user", "content": [RESULT, {"type": "text", "text": "Go on."}]}
SAID = {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "None."}]}
PARTS = (
    Said("user", "Which files?"),
    Answer("I had better look.\nI look.", (Call("t1", "ls", '{"path": "."}'),)),
    Returned("t1", "gone", ok=False),
    Said("user", "Go on."),
    Answer("None."),
)


def test_a_request_is_a_session_and_thinking_stays_where_it_is_sent_again() -> None:
    request = {
        "model": "m",
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        "tools": [{"name": "ls", "input_schema": {}}],
        "messages": [ASKED, CALLED, RETURNED, SAID],
    }
    parts = (Said("system", "Be brief.\nBe kind."), *PARTS)
    assert anthropic.read(json.dumps(request), "x") == Read((Trace("x", "anthropic", parts, "m", ("ls",)),))


def test_logged_responses_give_counts_that_include_what_was_cached() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 7}
    text = jsonl(
        {"request": {"messages": [ASKED]}, "response": {**CALLED, "type": "message", "model": "m", "usage": usage}},
        {"request": {"messages": [ASKED, CALLED, RETURNED]}, "response": {**SAID, "usage": {"input_tokens": 9}}},
    )
    called = Answer("I had better look.\nI look.", (Call("t1", "ls", '{"path": "."}'),), Usage(125, 100, 20, 7))
    parts = (PARTS[0], called, *PARTS[2:4], Answer("None.", (), Usage(9)))
    read = anthropic.read(text, "x")
    assert (read.traces[0].parts, len(read.traces), read.faults) == (parts, 1, ())


def test_a_tool_that_ran_at_the_provider_returns_inside_the_answer() -> None:
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "files"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "text", "text": "a page"}]}
    read = anthropic.read(jsonl({"role": "assistant", "content": [use, found, {"type": "text", "text": "So."}]}), "x")
    call = Call("s1", "web_search", '{"query": "files"}')
    assert read.traces[0].parts == (Answer("So.", (call,)), Returned("s1", "a page"))


def test_a_result_without_a_call_is_named_and_the_rest_of_its_message_stays() -> None:
    read = anthropic.read(jsonl(ASKED, RETURNED, SAID), "x")
    assert read.faults == (Fault(2, "no open call has the id 't1'"),)
    assert read.traces[0].parts == (PARTS[0], *PARTS[3:])
