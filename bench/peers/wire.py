"""Three wire formats, as far as a stand-in model needs them: OpenAI's two and Anthropic's.

``asked`` finds in a request what decides the answer; ``answer`` gives the bytes of
one.  A stream is the same answer cut into the events that its clients wait for,
all of it at once: nobody reads along.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Api: TypeAlias = Literal["chat", "responses", "compact", "messages", "count", "other"]
Json: TypeAlias = dict[str, Any]

PATHS: dict[str, Api] = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/responses/compact": "compact",
    "/messages": "messages",
    "/messages/count_tokens": "count",
}
AT = 1_750_000_000  # when every answer was made


@dataclass(frozen=True, slots=True)
class Asked:
    api: Api
    tools: frozenset[str]
    last_said: str | None  # the text of the last message, unless it gives the result of a call
    stream: bool
    usage_in_stream: bool


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    id: str
    text: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    input: int
    output: int


def asked(path: str, body: Json) -> Asked:
    route = path.partition("?")[0].removeprefix("/v1").rstrip("/")
    messages = body.get("messages", body.get("input", ()))
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return Asked(
        api=PATHS.get(route, "other"),
        tools=frozenset(_tool_names(body.get("tools") or ())),
        last_said=_said(messages[-1]) if messages else None,
        stream=bool(body.get("stream")),
        usage_in_stream=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def _tool_names(tools: Iterable[Json]) -> Iterator[str]:
    for tool in tools:
        name = tool.get("name") or tool.get("function", {}).get("name")
        if name:
            yield name


def _said(message: Json) -> str | None:
    content = message.get("content")
    if message.get("role") == "tool" or message.get("type") == "function_call_output":
        return None
    if isinstance(content, str):
        return content
    parts = content or ()
    if any(part.get("type") == "tool_result" for part in parts):
        return None
    return "\n".join(part.get("text") or "" for part in parts)


def answer(asked: Asked, said: Answer, counted: Counted, model: str) -> tuple[str, bytes]:
    """Give the content type and the bytes of an answer."""
    match asked.api, asked.stream:
        case "chat", False:
            return _json(_chat(said, counted, model))
        case "chat", True:
            return _events(_chat_stream(said, counted, model, asked.usage_in_stream), names=False, done=True)
        case "responses", False:
            return _json(_response(said, counted, model))
        case "responses", True:
            return _events(_response_stream(said, counted, model), names=True, done=False)
        case "messages", False:
            return _json(_message(said, counted, model))
        case "messages", True:
            return _events(_message_stream(said, counted, model), names=True, done=False)
        case "compact", _:
            return _json(_compacted(said, counted))
        case "count", _:
            return _json({"input_tokens": counted.input})
        case _:
            return _json(
                {"object": "list", "data": [{"id": model, "object": "model", "created": AT, "owned_by": "us"}]}
            )


def _json(value: Json) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def _events(events: Iterable[Json], *, names: bool, done: bool) -> tuple[str, bytes]:
    lines = [(f"event: {event['type']}\n" if names else "") + f"data: {json.dumps(event)}\n\n" for event in events]
    return "text/event-stream", ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


# -- OpenAI Chat Completions


def _chat(said: Answer, counted: Counted, model: str) -> Json:
    message: Json = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [_chat_call(call) for call in said.calls]
    choice = {"index": 0, "message": message, "finish_reason": _chat_reason(said), "logprobs": None}
    return _chat_frame("chat.completion", said, model, [choice], counted)


def _chat_stream(said: Answer, counted: Counted, model: str, usage: bool) -> Iterator[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": said.text}]
    deltas += [{"tool_calls": [{"index": index, **_chat_call(call)}]} for index, call in enumerate(said.calls)]
    for delta in deltas:
        yield _chat_frame("chat.completion.chunk", said, model, [{"index": 0, "delta": delta, "finish_reason": None}])
    last = {"index": 0, "delta": {}, "finish_reason": _chat_reason(said)}
    yield _chat_frame("chat.completion.chunk", said, model, [last])
    if usage:
        yield _chat_frame("chat.completion.chunk", said, model, [], counted)


def _chat_frame(kind: str, said: Answer, model: str, choices: list[Json], counted: Counted | None = None) -> Json:
    frame: Json = {"id": said.id, "object": kind, "created": AT, "model": model, "choices": choices}
    if counted:
        frame["usage"] = {
            "prompt_tokens": counted.input,
            "completion_tokens": counted.output,
            "total_tokens": counted.input + counted.output,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
    return frame


def _chat_call(call: Call) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}


def _chat_reason(said: Answer) -> str:
    return "tool_calls" if said.calls else "stop"


# -- OpenAI Responses


def _response(said: Answer, counted: Counted, model: str, status: str = "completed") -> Json:
    finished = status == "completed"
    return {
        "id": said.id,
        "object": "response",
        "created_at": AT,
        "status": status,
        "model": model,
        "output": _response_items(said) if finished else [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "usage": _response_usage(counted) if finished else None,
    }


def _response_items(said: Answer) -> list[Json]:
    items: list[Json] = []
    if said.text or not said.calls:
        part = {"type": "output_text", "text": said.text, "annotations": []}
        items.append(
            {
                "id": f"msg_{said.id}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    return items + [
        {
            "id": f"fc_{call.id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.tool,
            "arguments": call.arguments,
        }
        for call in said.calls
    ]


def _response_usage(counted: Counted) -> Json:
    return {
        "input_tokens": counted.input,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": counted.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted.input + counted.output,
    }


def _response_stream(said: Answer, counted: Counted, model: str) -> Iterator[Json]:
    events: list[Json] = [{"type": "response.created", "response": _response(said, counted, model, "in_progress")}]
    for index, whole in enumerate(_response_items(said)):
        events += _item_events(index, whole)
    events.append({"type": "response.completed", "response": _response(said, counted, model)})
    yield from ({**event, "sequence_number": number} for number, event in enumerate(events))


def _item_events(index: int, whole: Json) -> Iterator[Json]:
    at = {"item_id": whole["id"], "output_index": index}
    if whole["type"] == "message":
        (part,) = whole["content"]
        begun, inside = {**whole, "status": "in_progress", "content": []}, {**at, "content_index": 0}
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        yield {"type": "response.content_part.added", **inside, "part": {**part, "text": ""}}
        yield {"type": "response.output_text.delta", **inside, "delta": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **inside, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **inside, "part": part}
    else:
        arguments = {"arguments": whole["arguments"], "name": whole["name"]}
        begun = {**whole, "status": "in_progress", "arguments": ""}
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        yield {"type": "response.function_call_arguments.delta", **at, "delta": whole["arguments"]}
        yield {"type": "response.function_call_arguments.done", **at, **arguments}
    yield {"type": "response.output_item.done", "output_index": index, "item": whole}


def _compacted(said: Answer, counted: Counted) -> Json:
    """Stand for what OpenAI's server makes of a history: one item that only it can read."""
    made = {"id": f"cmp_{said.id}", "type": "compaction", "encrypted_content": said.text}
    usage = _response_usage(counted)
    return {"id": said.id, "object": "response.compaction", "created_at": AT, "output": [made], "usage": usage}


# -- Anthropic Messages


def _message(said: Answer, counted: Counted, model: str) -> Json:
    return {
        "id": said.id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": _message_blocks(said),
        "stop_reason": "tool_use" if said.calls else "end_turn",
        "stop_sequence": None,
        "usage": _message_usage(counted.input, counted.output),
    }


def _message_blocks(said: Answer) -> list[Json]:
    text: list[Json] = [{"type": "text", "text": said.text}] if said.text else []
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.tool, "input": json.loads(call.arguments)}
        for call in said.calls
    ]
    return text + calls


def _message_usage(given: int, made: int) -> Json:
    return {
        "input_tokens": given,
        "output_tokens": made,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


def _message_stream(said: Answer, counted: Counted, model: str) -> Iterator[Json]:
    whole = _message(said, counted, model)
    begun = {**whole, "content": [], "stop_reason": None, "usage": _message_usage(counted.input, 0)}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty, delta = (
                {**block, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])},
            )
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stopped = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": counted.output}}
    yield {"type": "message_stop"}
