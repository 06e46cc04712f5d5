"""The server that stands for a model: it gives recorded actions and writes down what it was asked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.peers.server import SUMMARY, serving
from bench.peers.session import Call, Session, Step, Turn

SESSION = Session(
    "tiny",
    "",
    (
        Turn(
            "List the files and give a summary.",
            (Step("I look.", (Call("ls", {"path": "a"}, "b c in summary"),)), Step("b, c", ())),
        ),
        Turn("Then compact them.", (Step("", (Call("zip", {}, "done"),)), Step("Compacted.", ()))),
    ),
)
TASK = {"role": "user", "content": SESSION.turns[0].task}
RESULT = {"role": "tool", "tool_call_id": "call_0_0", "content": "b c in summary"}
WISH = {"role": "user", "content": "Now write a summary of all of it."}


def chat(*messages: dict[str, Any], tools: tuple[str, ...] = ("ls", "zip"), **more: Any) -> dict[str, Any]:
    offered = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in tools]
    return {"model": "m", "messages": list(messages), "tools": offered, **more}


def post(url: str, path: str, body: dict[str, Any]) -> str:
    return httpx2.post(url + path, json=body, timeout=30).text


def said(answer: str) -> tuple[str | None, list[tuple[str, str]]]:
    """Give the text and the calls of an answer of the Chat Completions API."""
    message = json.loads(answer)["choices"][0]["message"]
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
    return message["content"], calls


def asked(recording: Path) -> list[tuple[str, int]]:
    with gzip.open(recording, "rt", encoding="utf-8") as lines:
        return [(line["kind"], line["step"]) for line in map(json.loads, lines)]


def test_every_next_step_gets_the_next_recorded_action(tmp_path: Path) -> None:
    bodies = [chat(TASK), chat(TASK, RESULT), chat(TASK, {"role": "user", "content": "Then compact them."})]
    with serving(SESSION, tmp_path / "r.gz") as url:
        answers = [said(post(url, "/chat/completions", body)) for body in bodies]
    assert answers == [("I look.", [("ls", '{"path": "a"}')]), ("b, c", []), (None, [("zip", "{}")])]
    assert asked(tmp_path / "r.gz") == [("step", 0), ("step", 1), ("step", 2)]


def test_what_is_not_the_next_step_gets_a_stand_in_and_is_marked(tmp_path: Path) -> None:
    with serving(SESSION, tmp_path / "r.gz") as url:
        first = said(post(url, "/chat/completions", chat(TASK)))
        again = said(post(url, "/chat/completions", chat(TASK)))
        untooled = said(post(url, "/chat/completions", chat(TASK, RESULT, tools=())))
        wished = said(post(url, "/chat/completions", chat(TASK, RESULT, WISH)))
        counted = json.loads(post(url, "/messages/count_tokens", chat(TASK)))
        compacted = json.loads(post(url, "/responses/compact", {"model": "m", "input": "x"}))
        after = said(post(url, "/chat/completions", chat(TASK, RESULT)))
    assert (again, untooled, wished, after) == (first, (SUMMARY, []), (SUMMARY, []), ("b, c", []))
    assert counted["input_tokens"] > 0
    assert compacted["output"][0]["encrypted_content"] == SUMMARY
    kinds = [("step", 0), ("repeat", -1), ("summary", -1), ("summary", -1), ("count", -1), ("summary", -1), ("step", 1)]
    assert asked(tmp_path / "r.gz") == kinds


def test_a_turn_ends_with_a_call_where_the_package_has_one_for_it(tmp_path: Path) -> None:
    with serving(SESSION, tmp_path / "r.gz") as url:
        post(url, "/chat/completions", chat(TASK))
        answer = said(post(url, "/chat/completions", chat(TASK, RESULT, tools=("ls", "zip", "final_answer"))))
    assert answer == ("b, c", [("final_answer", '{"answer": "b, c"}')])


def test_the_whole_body_and_the_answer_are_written_down(tmp_path: Path) -> None:
    with serving(SESSION, tmp_path / "r.gz") as url:
        post(url, "/chat/completions", chat(TASK, temperature=0))
    with gzip.open(tmp_path / "r.gz", "rt", encoding="utf-8") as lines:
        (line,) = map(json.loads, lines)
    assert line == {
        "number": 0,
        "kind": "step",
        "step": 0,
        "path": "/v1/chat/completions",
        "body": chat(TASK, temperature=0),
        "text": "I look.",
        "calls": [["ls", '{"path": "a"}']],
    }


@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/messages"])
def test_a_stream_says_what_a_whole_answer_says(tmp_path: Path, path: str) -> None:
    body = {"model": "m", "tools": [{"type": "function", "name": "ls"}], "messages": [TASK]}
    with serving(SESSION, tmp_path / "whole.gz") as url:
        whole = json.loads(post(url, path, body))
    with serving(SESSION, tmp_path / "stream.gz") as url:
        streamed = post(url, path, {**body, "stream": True})
    lines = (line.removeprefix("data: ") for line in streamed.splitlines() if line.startswith("data: {"))
    assert strings([json.loads(line) for line in lines]) >= strings(whole) - {"chat.completion", "message"}


def strings(value: Any) -> set[str]:
    """Give every string in a JSON value, the ones inside arguments too."""
    match value:
        case str():
            return strings(json.loads(value)) if value.startswith("{") else {value}
        case dict():
            return {found for held in value.values() for found in strings(held)}
        case list():
            return {found for held in value for found in strings(held)}
        case _:
            return set()
