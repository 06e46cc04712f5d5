"""The text that the local model reads."""

from __future__ import annotations

from tests.models.toolset import TOOLS, head
from workhand.core.canonical import encode
from workhand.core.events import ToolCall
from workhand.models.chatml import Words, opaque_tokens, read_answer, system_words, turn_words

CALL = {"arguments": '{"path":"a.txt"}', "id": "c1", "tool": "file_read"}


def test_the_system_turn_has_one_line_for_each_tool() -> None:
    words = system_words(*head("Be careful.", TOOLS[:1] + TOOLS[7:8]))
    assert words.text.splitlines() == [
        "system",
        "Be careful.",
        "",
        "Tools:",
        "- file_read(path: string, limit?: integer, offset?: integer): Read a text file.",
        "- plan_update(goal: string, phases: [object], done: integer): Set the goal, its phases and how many are done.",
        "",
        'Call a tool with <tool_call>{"name": NAME, "arguments": {...}}</tool_call>.',
    ]


def test_an_answer_is_the_tokens_it_was_said_with_or_else_its_text() -> None:
    block = {"calls": [CALL], "role": "assistant", "text": "Hm."}
    mine = encode(block | {"opaque": opaque_tokens("mine", [5, 6])})
    assert turn_words(mine, "mine") == Words("assistant\n", (5, 6))
    text = 'assistant\nHm.<tool_call>\n{"name": "file_read", "arguments": {"path":"a.txt"}}\n</tool_call>'
    assert turn_words(mine, "another") == turn_words(encode(block), "mine") == Words(text)


def test_an_answer_is_read_and_a_call_that_breaks_off_is_none() -> None:
    whole = '<tool_call>\n{"name": "file_read", "arguments": {"path": "a.txt"}}\n</tool_call>'
    assert read_answer(whole) == ("", (ToolCall("", "file_read", '{"path":"a.txt"}'),))
    assert read_answer(whole[:40]) is None
    assert read_answer("Hello.") == ("Hello.", ())
