"""How a recorded trace becomes the steps and results that packages are replayed with."""

from __future__ import annotations

from pathlib import Path

from bench.peers.session import (
    GO_ON,
    LAST_WORDS,
    NO_RESULT,
    SPEAK,
    Call,
    Results,
    Session,
    Step,
    Turn,
    from_traces,
    read,
    write,
)
from workhand.lab import trace as lab
from workhand.lab.trace import Answer, Returned, Said, Trace

BUY = Trace(
    "a",
    "s",
    (
        Said("system", "Be brief."),
        Said("user", "Buy milk."),
        Answer("I look.", (lab.Call("1", "shop-list", '{"shop":"a"}'),)),
        Returned("1", "milk 2"),
        Answer("Good."),
        Answer("", (lab.Call("2", "pay", "[2]"), lab.Call("3", "9th", "{}"))),
        Returned("3", "ninth"),
    ),
)
ASK = Trace("b", "s", (Said("user", "And bread?"), Answer("There is none.")))


def test_a_trace_becomes_steps_that_a_package_can_take() -> None:
    assert from_traces("a+1", (BUY, ASK)) == Session(
        "a+1",
        "Be brief.",
        (
            Turn(
                "Buy milk.",
                (
                    Step("I look.", (Call("shop_list", {"shop": "a"}, "milk 2"),)),
                    Step("Good.", (Call(SPEAK, {}, GO_ON),)),
                    Step("", (Call("pay", {"input": "[2]"}, NO_RESULT), Call("t_9th", {}, "ninth"))),
                    Step(LAST_WORDS, ()),
                ),
            ),
            Turn("And bread?", (Step("There is none.", ()),)),
        ),
    )


def test_what_the_user_said_while_a_turn_went_on_stands_behind_the_last_result() -> None:
    parts = (*BUY.parts[:4], Said("user", "Hurry."), Answer("Yes."))
    (turn,) = from_traces("a", (Trace("a", "s", parts),)).turns
    assert [call.result for step in turn.steps for call in step.calls] == ["milk 2\n\nHurry."]


def test_a_session_is_read_as_it_was_written(tmp_path: Path) -> None:
    session = from_traces("a", (BUY, ASK))
    write(session, tmp_path / "sessions" / "a.json")
    assert read(tmp_path / "sessions" / "a.json") == session


def test_a_result_goes_to_the_call_with_its_arguments_and_else_to_the_next_of_its_tool() -> None:
    calls = tuple(Call("look", {"at": at}, at) for at in ("x", "y", "z"))
    results = Results(Session("a", "", (Turn("Look.", (Step("", calls),)),)))
    given = [results.give("look", {"at": at}) for at in ("y", "elsewhere", "z", "x")]
    assert given == ["y", "x", "z", NO_RESULT]


def test_the_schema_of_a_tool_holds_what_its_calls_held() -> None:
    calls = (Call("look", {"at": "x", "often": 2, "all": [1]}, ""), Call("look", {"at": None}, ""))
    assert Session("a", "", (Turn("Look.", (Step("", calls),)),)).tools == {
        "look": {
            "type": "object",
            "properties": {"all": {"type": "array", "items": {}}, "at": {}, "often": {"type": "number"}},
            "additionalProperties": True,
        }
    }
