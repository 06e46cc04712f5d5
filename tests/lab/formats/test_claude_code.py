"""Sessions of Claude Code: split answers, side chains, what was taken back, what was compacted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.formats.lines import jsonl
from workhand.core.events import Usage
from workhand.lab.formats import claude_code
from workhand.lab.formats.faults import Fault, Read
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

USAGE = {"input_tokens": 3, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7, "output_tokens": 1}


def line(kind: str, id: str, parent: str | None, content: Any, **others: Any) -> dict[str, Any]:
    message = {"role": kind, "content": content, **others.pop("message", {})}
    place = {"uuid": id, "parentUuid": parent, "sessionId": "s", "timestamp": "1970-01-01T00:01:00Z"}
    return {"type": kind, "message": message, "isSidechain": False, **place, **others}


def answer(id: str, parent: str, message: str, block: dict[str, Any], output: int = 1) -> dict[str, Any]:
    usage = {**USAGE, "output_tokens": output}
    return line("assistant", id, parent, [block], message={"id": message, "model": "m", "usage": usage})


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "Bash", "input": {"command": id}}


def result(id: str, parent: str, call: str) -> dict[str, Any]:
    return line("user", id, parent, [{"type": "tool_result", "tool_use_id": call, "content": f"did {call}"}])


def called(id: str) -> Call:
    return Call(id, "Bash", f'{{"command": "{id}"}}')


ASKED = line("user", "u1", None, "Do it.")
SPLIT = [
    answer("a1", "u1", "msg1", text("I begin.")),
    answer("a2", "a1", "msg1", use("c1")),
    result("r1", "a2", "c1"),  # of calls side by side: it comes before the answer's next line, and leads nowhere
    answer("a3", "a2", "msg1", use("c2"), output=40),
    result("r2", "a3", "c2"),
    answer("a4", "r2", "msg2", text("Done.")),
]
USED = Usage(100, 90, 7, 40)
PARTS = (
    Said("user", "Do it."),
    Answer("I begin.", (called("c1"), called("c2")), USED, 60.0),
    Returned("c1", "did c1", at=60.0),
    Returned("c2", "did c2", at=60.0),
    Answer("Done.", (), Usage(100, 90, 7, 1), 60.0),
)


def test_lines_of_one_message_are_one_answer_whose_counts_count_once() -> None:
    noise = [{"type": "summary", "summary": "Doing it", "leafUuid": "a4"}, {"type": "system", "content": "hook"}]
    read = claude_code.read(jsonl(noise[0], ASKED, *SPLIT, noise[1]), "x")
    assert read == Read((Trace("s", "claude-code", PARTS, "m"),))


def test_what_was_taken_back_is_left_out() -> None:
    wrong = [line("user", "w1", "a4", "Now break it."), answer("w2", "w1", "msg3", text("Broken."))]
    again = line("user", "u2", "a4", "Now test it.")
    read = claude_code.read(jsonl(ASKED, *SPLIT, *wrong, again), "x")
    assert read == Read((Trace("s", "claude-code", (*PARTS, Said("user", "Now test it.")), "m"),))


def test_a_side_chain_is_a_session_of_its_own() -> None:
    aside = [
        {**line("user", "s1", None, "Look it up."), "isSidechain": True},
        {**answer("s2", "s1", "msg9", text("Here.")), "isSidechain": True},
    ]
    read = claude_code.read(jsonl(ASKED, *SPLIT[:2], *aside, *SPLIT[2:]), "x")
    other = (Said("user", "Look it up."), Answer("Here.", (), Usage(100, 90, 7, 1), 60.0))
    assert read == Read((Trace("s", "claude-code", PARTS, "m"), Trace("s-s1", "claude-code", other, "m")))


def test_a_compaction_resets_to_its_summary() -> None:
    boundary = {"type": "system", "subtype": "compact_boundary", "uuid": "b", "parentUuid": None, "sessionId": "s"}
    summary = line("user", "u2", "b", "So far: done.", isCompactSummary=True)
    read = claude_code.read(jsonl(ASKED, *SPLIT, {**boundary, "logicalParentUuid": "a4"}, summary), "x")
    assert read.traces[0].parts == (*PARTS, Said("user", "So far: done.", resets=True))


def test_an_answer_that_the_program_made_up_is_left_out() -> None:
    failed = line("assistant", "f", "a4", [text("API Error")], isApiErrorMessage=True, message={"model": "<synthetic>"})
    assert claude_code.read(jsonl(ASKED, *SPLIT, failed), "x").traces[0].parts == PARTS


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ('{"type": "novelty", "uuid": "n", "parentUuid": "u1"}\n', "there is no line type 'novelty'"),
        ('{"type": "user", "uuid": "n"}\n', "it has no 'message'"),
        ("[1]\n", "it is not an object"),
        ('{"uuid": "n"}\n', "it has no 'type'"),
        ('{"type": "user", "mess\n', "it is not JSON (unterminated string starting at: character 18)"),
    ],
)
def test_a_bad_line_in_the_middle_of_the_tree_costs_only_itself(bad: str, why: str) -> None:
    read = claude_code.read(jsonl(ASKED) + bad + jsonl(*SPLIT), "x")
    assert read == Read((Trace("s", "claude-code", PARTS, "m"),), (Fault(2, why),))


def test_a_lost_line_does_not_lose_what_came_before_it() -> None:
    read = claude_code.read(jsonl(ASKED, *SPLIT[:4], SPLIT[5]), "x")
    assert read.traces[0].parts == (*PARTS[:3], PARTS[4])


def test_a_result_of_a_lost_call_is_named() -> None:
    read = claude_code.read(jsonl(ASKED, result("r", "u1", "lost"), line("user", "u2", "r", "Go on.")), "x")
    assert read.faults == (Fault(2, "no open call has the id 'lost'"),)
    assert read.traces[0].parts == (Said("user", "Do it."), Said("user", "Go on."))
