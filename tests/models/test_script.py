"""Scripted answers: which comes next, what is repeated, and what a bad line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.toolset import ALL, answered, head, prompt, returned, said, unwatched
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.ports import Delta
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable
from workhand.models.script import ScriptModel, read_script

pytestmark = pytest.mark.anyio


def script(directory: Path, *lines: str) -> ScriptModel:
    path = directory / "answers.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_script(path)


async def ask(model: ScriptModel, body: tuple[bytes, ...], session: str = "s") -> ModelAnswered:
    return await model.answer(prompt(*body), ALL, session=session, watch=unwatched)


async def test_answers_come_in_order_of_the_answers_in_the_prompt(tmp_path: Path) -> None:
    model = script(
        tmp_path,
        "# a comment, and an empty line",
        "",
        '{"tool": "file_read", "arguments": {"path": "a.txt"}, "text": "Looking."}',
        '{"text": "Done."}',
    )
    body: tuple[bytes, ...] = (*head(), said("Read."))
    first = await ask(model, body)
    assert (first.text, first.calls) == ("Looking.", (ToolCall("", "file_read", '{"path":"a.txt"}'),))
    assert await ask(model, body) == first or first.usage.cached_tokens == 0
    body = (*body, answered(first, "c0"), returned("c0", "text"))
    assert (await ask(model, body, "a fork")).text == "Done."
    with pytest.raises(ModelRefused, match="ends after 2 answers"):
        await ask(model, (*body, answered(first, "c1")))


async def test_a_repeated_answer_is_numbered(tmp_path: Path) -> None:
    line = '{"tool": "file_write", "arguments": {"path": "{i}.txt", "deep": ["{i}", 1]}, "text": "{i}", "repeat": 200}'
    model = script(tmp_path, line, '{"text": "{i}"}')
    body = (*head(), *(answered(await ask(model, head()), "c"),) * 199)
    last = await ask(model, body)
    assert (last.text, last.calls[0].arguments) == ("200", '{"deep":["200",1],"path":"200.txt"}')
    assert (await ask(model, (*body, body[-1]))).text == "{i}"


async def test_errors_are_raised_once_each_before_the_answer_they_precede(tmp_path: Path) -> None:
    model = script(
        tmp_path,
        '{"error": "unavailable", "repeat": 2}',
        '{"error": "malformed"}',
        '{"text": "Here."}',
        '{"error": "overflow"}',
        '{"error": "refused"}',
    )
    for kind in (ModelUnavailable, ModelUnavailable, MalformedAnswer):
        with pytest.raises(kind):
            await ask(model, head())
    answer = await ask(model, head())
    assert answer.text == "Here."
    with pytest.raises(ContextOverflow):
        await ask(model, (*head(), answered(answer, "c")))
    with pytest.raises(ModelRefused, match="says that the model refuses"):
        await ask(model, (*head(), answered(answer, "c")))
    with pytest.raises(ModelRefused, match="ends after 1 answers"):
        await ask(model, (*head(), answered(answer, "c")))


async def test_usage_counts_what_the_last_prompt_of_the_session_began_with(tmp_path: Path) -> None:
    model = script(tmp_path, '{"text": "four by "}')
    body = (*head(), said("one"))
    size, shared = sum(map(len, body)), sum(map(len, head())) + len(b'{"role":"user","text":"')
    assert (await ask(model, body)).usage == Usage(size // 4, 0, output_tokens=2, cost_usd=0.0)
    assert (await ask(model, body)).usage == Usage(size // 4, size // 4, output_tokens=2, cost_usd=0.0)
    assert (await ask(model, (*head(), said("two")))).usage.cached_tokens == shared // 4
    assert (await ask(model, body, "another")).usage.cached_tokens == 0


async def test_what_is_said_is_shown(tmp_path: Path) -> None:
    shown: list[object] = []
    model = script(tmp_path, '{"tool": "file_read", "arguments": {}, "text": "Hm."}')
    async with model:
        await model.answer(prompt(*head()), ALL, session="s", watch=shown.append)
        assert await model.window() is None
    assert shown == [Delta("call", "file_read {}"), Delta("text", "Hm.")]


BAD = {
    "{oops": "not JSON",
    "[1]": "write an object",
    '{"tools": "x"}': "write an object",
    '{"arguments": {}}': "write an object",
    '{"tool": 1}': "tool and text are strings",
    '{"tool": "x", "arguments": []}': "arguments an object",
    '{"text": "x", "repeat": 0}': "from 1 to",
    '{"error": "tired"}': "malformed, overflow, refused, unavailable",
    '{"text": "\\ud800"}': "not JSON",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=BAD[line]) as caught:
        script(tmp_path, '{"text": "fine"}', line)
    assert "Line 2 of the script" in str(caught.value)


def test_a_missing_script_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_script(tmp_path / "nothing.jsonl")
