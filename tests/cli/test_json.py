"""What programs read: one object of JSON a line, with fields that stay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

SESSION = {
    *("id", "title", "status", "created_at", "updated_at", "head", "epoch", "owner", "parent", "parent_head"),
}
SPENT = {
    *("steps", "input_tokens", "cached_tokens", "output_tokens", "cost_usd", "unpriced", "seconds"),
}
USAGE = {
    *("input_tokens", "cached_tokens", "written_tokens", "output_tokens", "reasoning_tokens", "cost_usd"),
}
CALL = {"position", "input_tokens", "cached_tokens", "output_tokens", "cost_usd", "first_token_s"}
ANSWER = {
    *("kind", "text", "calls", "usage", "model", "prompt_bytes", "prompt_digest", "first_token_s", "duration_s"),
    *("dropped_calls", "opaque"),
}
KINDS = [
    *("SessionStarted", "UserSaid", "FilesSaved", "ModelAnswered", "PlanChanged", "ToolReturned"),
    *("ModelAnswered", "ToolStarted", "ToolReturned"),
    *("ModelAnswered", "ToolStarted", "SandboxOpened", "ToolReturned"),
    *("ModelAnswered", "ToolStarted", "ToolReturned", "SessionEnded"),
]


def test_a_run_prints_its_entries_exactly_as_the_log_has_them(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, shell("seq 1 2000"), DELIVER)
    ran = workhand("run", "--isolation", "none", "--model", model, "--json", "Count")
    assert ran.code == 0
    assert ran.kinds == KINDS
    assert [line["position"] for line in ran.lines] == list(range(len(KINDS)))
    assert ran.out == workhand("show", workhand.session(), "--events", "--json").out


def test_what_is_for_people_goes_to_standard_error(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, shell("seq 1 2000"), DELIVER)
    ran = workhand("run", "--isolation", "none", "--model", model, "--json", "Count")
    assert "WARNING" in ran.err and workhand.session() in ran.err and "answered" in ran.err


def test_the_fields_of_events_stay(ended: Workhand) -> None:
    lines = ended.events(ended.session())
    assert {frozenset(line) for line in lines} == {frozenset({"position", "at", "event"})}
    events: dict[str, dict[str, Any]] = {line["event"]["kind"]: line["event"] for line in lines}
    assert {kind: set(events[kind]) for kind in events} == {
        "SessionStarted": {"kind", "format", "policy"},
        "UserSaid": {"kind", "text", "attachments"},
        "ModelAnswered": ANSWER,
        "PlanChanged": {"kind", "plan"},
        "ToolStarted": {"kind", "call_id", "attempt"},
        "ToolReturned": {"kind", "call_id", "observation", "how"},
        "SandboxOpened": {"kind", "backend", "isolation", "limits"},
        "FilesSaved": {"kind", "snapshot", "changed_files", "changed_bytes", "notes"},
        "SessionEnded": {"kind", "reason", "detail"},
    }
    assert set(events["ModelAnswered"]["usage"]) == USAGE
    assert set(events["ModelAnswered"]["calls"][0]) == {"id", "tool", "arguments"}
    assert set(events["ToolReturned"]["observation"]) == {"full", "compact", "ok", "blob", "path"}


def test_sessions_are_one_object_a_line(ended: Workhand) -> None:
    (row,) = ended("sessions", "--json").lines
    assert set(row) == SESSION
    assert (row["status"], row["title"], row["head"], row["parent"]) == ("ended", "Count to two thousand", 17, None)


@pytest.mark.parametrize(
    ("option", "fields"),
    [
        ([], {"session", "spent", "files", "published", "workspace"}),
        (["--plan"], {"goal", "phases", "done"}),
        (["--context"], {"tokens", "window", "bytes_by_kind", "calls", "compactions", "spent", "report"}),
    ],
)
def test_a_side_of_a_session_is_one_object(ended: Workhand, option: list[str], fields: set[str]) -> None:
    (side,) = ended("show", ended.session(), *option, "--json").lines
    assert set(side) == fields
    assert set(side.get("spent", SPENT)) == SPENT
    assert set(side.get("session", SESSION)) == SESSION
    assert {frozenset(call) for call in side.get("calls", [])} <= {frozenset(CALL)}


def test_a_prompt_is_shown_byte_for_byte_as_the_model_read_it(ended: Workhand) -> None:
    answer = next(line for line in reversed(ended.events(ended.session())) if line["event"]["kind"] == "ModelAnswered")
    body = [piece for piece in prompt(ended, answer["position"]) if "tail" not in piece]
    assert [piece.get("role", "tools") for piece in body] == [
        *("tools", "system", "user"),
        *("assistant", "tool") * 3,
    ]


def test_the_machine_commands_speak_json_too(workhand: Workhand) -> None:
    assert {frozenset(line) for line in workhand("models", "--json").lines} == {frozenset({"name", "state", "remedy"})}
    assert {frozenset(line) for line in workhand("doctor", "--json").lines} == {frozenset({"check", "ok", "finding"})}


def test_what_a_call_brought_is_restored_byte_for_byte(ended: Workhand) -> None:
    returned = [line for line in ended.events(ended.session()) if line["event"]["kind"] == "ToolReturned"]
    call = next(line["event"]["call_id"] for line in returned if line["event"]["observation"]["path"])
    assert ended("restore", ended.session(), call).out == "".join(f"{number}\n" for number in range(1, 2001))


@pytest.mark.parametrize("named", ["id", "position of the answer", "position of the result"])
def test_what_a_call_was_called_with_is_restored_byte_for_byte(ended: Workhand, named: str) -> None:
    events = ended.events(ended.session())
    answer = next(line for line in events if "seq 1 2000" in str(line["event"].get("calls")))
    (call,) = answer["event"]["calls"]
    result = next(
        line for line in events if line["event"].get("observation") and line["event"]["call_id"] == call["id"]
    )
    name = {"id": call["id"], "position of the answer": answer["position"]}.get(named, result["position"])
    assert ended("restore", ended.session(), str(name), "--arguments").out == call["arguments"]


def prompt(workhand: Workhand, position: int) -> list[dict[str, Any]]:
    return workhand("show", workhand.session(), "--prompt", str(position)).lines
