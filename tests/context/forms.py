"""The three APIs as an agent of each would use them: its own messages, its recording, and what it sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workhand.context import Context, Prompt, anthropic, openai, responses
from workhand.core.canonical import encode

Message = dict[str, Any]
Made = tuple[str, str, str]  # a call: id, tool, arguments


@dataclass(frozen=True, slots=True)
class Form:
    user: Callable[[str], list[Message]]
    answer: Callable[[str, tuple[Made, ...]], list[Message]]
    results: Callable[[tuple[tuple[str, str], ...]], list[Message]]  # id and content
    record: Callable[[Context, list[Message]], int]
    sent: Callable[[Prompt], list[Message]]

    def bytes_of(self, prompt: Prompt) -> list[bytes]:
        """Give what is sent, a message (or block) each, without marks of the cache and without the recital."""
        messages = [encode(_unmarked(message)) for message in self.sent(prompt)]
        return messages[:-1] if prompt.tail else messages


def _unmarked(value: Any) -> Any:
    match value:
        case dict():
            return {key: _unmarked(each) for key, each in value.items() if key != "cache_control"}
        case list():
            return [_unmarked(each) for each in value]
    return value


def _chat_answer(text: str, calls: tuple[Made, ...]) -> list[Message]:
    made = [{"id": id, "type": "function", "function": {"name": tool, "arguments": raw}} for id, tool, raw in calls]
    return [{"role": "assistant", "content": text} | ({"tool_calls": made} if made else {})]


def _messages_answer(text: str, calls: tuple[Made, ...]) -> list[Message]:
    blocks: list[Message] = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
    blocks += [{"type": "text", "text": text}] if text else []
    blocks += [{"type": "tool_use", "id": id, "name": tool, "input": json.loads(raw)} for id, tool, raw in calls]
    return [{"role": "assistant", "content": blocks}]


def _responses_answer(text: str, calls: tuple[Made, ...]) -> list[Message]:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    made = [{"type": "function_call", "call_id": id, "name": tool, "arguments": raw} for id, tool, raw in calls]
    return [{"type": "reasoning", "id": "r", "encrypted_content": "e", "summary": []}, *([said] if text else []), *made]


FORMS = {
    "chat": Form(
        lambda text: [{"role": "user", "content": text}],
        _chat_answer,
        lambda brought: [{"role": "tool", "tool_call_id": id, "content": content} for id, content in brought],
        openai.record_messages,
        openai.messages,
    ),
    "anthropic": Form(
        lambda text: [{"role": "user", "content": [{"type": "text", "text": text}]}],
        _messages_answer,
        lambda brought: [
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": id, "content": content} for id, content in brought],
            }
        ],
        anthropic.record_messages,
        lambda prompt: [
            {"role": message["role"], "block": block}  # what follows in the same role joins the message
            for message in anthropic.request(prompt)["messages"]
            for block in message["content"]
        ],
    ),
    "responses": Form(
        lambda text: [{"role": "user", "content": text}],
        _responses_answer,
        lambda brought: [{"type": "function_call_output", "call_id": id, "output": content} for id, content in brought],
        responses.record_items,
        responses.items,
    ),
}
