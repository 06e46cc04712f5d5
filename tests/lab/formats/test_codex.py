"""Rollouts of Codex: items in envelopes, counts after the answers, compactions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.formats.lines import jsonl
from workhand.core.events import Usage
from workhand.lab.formats import codex
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Returned, Said, Trace


def line(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": "1970-01-01T00:01:00.000Z", "type": kind, "payload": payload}


def message(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def said(role: str, text: str) -> dict[str, Any]:
    return line("response_item", **message(role, text))


def counts(total: int, last: int) -> dict[str, Any]:
    used = {"input_tokens": last, "cached_input_tokens": last // 2, "output_tokens": 8, "reasoning_output_tokens": 3}
    info = {"total_token_usage": {"input_tokens": total}, "last_token_usage": used}
    return line("event_msg", type="token_count", info=info)


META = line("session_meta", id="r1", base_instructions={"text": "You code."}, dynamic_tools=[{"name": "look"}])
LINES = [
    META,
    line("turn_context", model="m", cwd="."),
    said("developer", "Be brief."),
    said("user", "Which files?"),
    line("event_msg", type="user_message", message="Which files?"),
    line("response_item", type="reasoning", summary=[], encrypted_content="x"),
    said("assistant", "I look."),
    line("response_item", type="function_call", call_id="a", name="exec_command", arguments='{"cmd":"ls"}'),
    counts(100, 100),
    line("response_item", type="function_call_output", call_id="a", output="Exit code: 2\nOutput:\nno"),
    counts(100, 100),  # the same ones written again
    line("response_item", type="local_shell_call", call_id="b", action={"type": "exec", "command": ["ls"]}),
    line("response_item", type="function_call_output", call_id="b", output={"content": "notes.md", "success": True}),
    said("assistant", "One."),
    counts(260, 160),
]
PARTS = (
    Said("system", "You code."),
    Said("system", "Be brief."),
    Said("user", "Which files?"),
    Answer("I look.", (Call("a", "exec_command", '{"cmd":"ls"}'),), Usage(100, 50, 0, 8, 3), 60.0),
    Returned("a", "Exit code: 2\nOutput:\nno", ok=False, at=60.0),
    Answer("", (Call("b", "local_shell", '{"type": "exec", "command": ["ls"]}'),), None, 60.0),
    Returned("b", "notes.md", at=60.0),
    Answer("One.", (), Usage(160, 80, 0, 8, 3), 60.0),
)


def test_a_rollout_is_a_session_whose_counts_count_once() -> None:
    assert codex.read(jsonl(*LINES), "x") == Read((Trace("r1", "codex", PARTS, "m", ("look",)),))


def test_counts_end_an_answer_even_if_no_tool_was_called() -> None:
    read = codex.read(jsonl(META, said("assistant", "One."), counts(5, 5), said("assistant", "Two.")), "x")
    answers = [part for part in read.traces[0].parts if isinstance(part, Answer)]
    assert [(each.text, each.usage is None) for each in answers] == [("One.", False), ("Two.", True)]


def test_counts_that_are_written_again_neither_count_nor_end_an_answer() -> None:
    call = line("response_item", type="function_call", call_id="a", name="look", arguments="{}")
    lines = [
        META,
        said("assistant", "One."),
        counts(5, 5),
        said("assistant", "Two."),
        counts(5, 5),
        call,
        counts(12, 7),
    ]
    answers = [part for part in codex.read(jsonl(*lines), "x").traces[0].parts if isinstance(part, Answer)]
    assert [(each.text, len(each.calls), each.usage and each.usage.input_tokens) for each in answers] == [
        ("One.", 0, 5),
        ("Two.", 1, 7),
    ]


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"message": "So far: one file."}, "So far: one file."),
        (
            {
                "message": "",
                "replacement_history": [message("user", "Which files?"), message("assistant", "So far: one.")],
            },
            "Which files?\n\nSo far: one.",
        ),
    ],
)
def test_a_compaction_resets_to_what_replaces_the_context(payload: dict[str, Any], text: str) -> None:
    read = codex.read(jsonl(*LINES, line("compacted", **payload)), "x")
    assert read.traces[0].parts == (*PARTS, Said("user", text, resets=True))


def test_bare_items_of_old_files_are_read() -> None:
    header = {"id": "r0", "timestamp": "1970-01-01T00:01:00Z", "instructions": None}
    output = {"type": "function_call_output", "call_id": "a", "output": '{"output":"x","metadata":{"exit_code":1}}'}
    call = {"type": "function_call", "call_id": "a", "name": "shell", "arguments": "{}"}
    lines = [header, {"record_type": "state"}, message("user", "Go."), call, output]
    parts = (
        Said("user", "Go."),
        Answer("", (Call("a", "shell", "{}"),)),
        Returned("a", '{"output":"x","metadata":{"exit_code":1}}', ok=False),
    )
    assert codex.read(jsonl(*lines), "x") == Read((Trace("r0", "codex", parts),))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (line("novelty"), "there is no line type 'novelty'"),
        (line("response_item", type="novelty"), "there is no item type 'novelty'"),
        (line("response_item", type="function_call_output", call_id="z", output=""), "no open call has the id 'z'"),
        ({"payload": {}}, "it has no 'type'"),
        ([], "it is list of 0, not an object"),
    ],
)
def test_a_bad_line_costs_only_itself(bad: Any, why: str) -> None:
    read = codex.read(jsonl(*LINES[:4], bad, *LINES[4:]), "x")
    assert read == Read((Trace("r1", "codex", PARTS, "m", ("look",)),), (Fault(5, why),))
