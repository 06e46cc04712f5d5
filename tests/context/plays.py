"""Conversations of an agent that is not ours, as short ways to write them down."""

from __future__ import annotations

import json
from collections.abc import Iterator

from workhand.context import Context, ToolCall, Usage, Window, begin, tool
from workhand.context.originals import Keep
from workhand.core.prompt import Prompt
from workhand.core.summary import open_goals

TOOLS = (
    tool("web_search", "Searches.", {"type": "object", "properties": {"query": {"type": "string"}}}),
    tool("file_write", "Writes a file.", {"type": "object", "properties": {"path": {"type": "string"}}}),
)


def clock() -> Iterator[float]:
    at = 1_000.0
    while True:
        yield at
        at += 1.0


def fresh(*, window: int | Window = 128_000, keep: Keep = None) -> Context:
    ticks = clock()
    return begin("You look things up.", TOOLS, window=window, keep=keep, now=lambda: next(ticks))


def turn(context: Context, number: int, content: str | bytes, *, ok: bool = True) -> Prompt:
    """Ask, answer with one search, and record what it brought; give the prompt that was asked."""
    prompt = context.prompt()
    arguments = json.dumps({"query": f"number {number}"})
    usage = Usage(input_tokens=prompt.size // 4, cached_tokens=0, output_tokens=20)
    context.answer("", (ToolCall(f"call_{number}", "web_search", arguments),), usage=usage, model="played")
    context.result(f"call_{number}", content, ok=ok)
    return prompt


def summary_of(context: Context, **fields: object) -> str:
    """Write a summary that can be used."""
    goals = [{"text": text} for text in open_goals(context.log)]
    return json.dumps({"goals": goals, "state": "Halfway.", **fields})


def lines(count: int, word: str = "line") -> str:
    return "\n".join(f"{word} {number} of a long listing that goes on" for number in range(count))
