"""The Chat Completions API, as a server speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workhand.core.canonical import Json, encode
from workhand.testing.chat_rules import allowed
from workhand.testing.chat_rules import violation as broken
from workhand.testing.exchange import (
    THOUGHT_TOKENS,
    Answer,
    Asked,
    Block,
    Failure,
    Reply,
    error_reply,
    pieces,
)

FINISHED = {"done": "stop", "limit": "length", "malformed": "stop", "refused": "stop"}
STATUS = {"rule": 400, "overflow": 400, "key": 401, "model": 404, "path": 404, "unavailable": 503}
CODES = {"overflow": "context_length_exceeded", "key": "invalid_api_key", "model": "model_not_found"}
REFUSAL = "I cannot help with that."


def violation(request: Any, headers: Mapping[str, str]) -> str:
    return broken(request)


def asked(request: Any, target: str) -> Asked:
    messages = request["messages"]
    must_call, schemas = allowed(request)
    content = messages[-1].get("content")
    return Asked(
        model=request["model"],
        stream=bool(request.get("stream")),
        blocks=tuple(Block(encode(each)) for each in (*request.get("tools", ()), *messages)),
        spoken=[message["role"] for message in messages].count("assistant"),
        tools=schemas,
        must_call=must_call,
        question=content if isinstance(content, str) else "",
        schema=request.get("response_format", {}).get("json_schema", {}).get("schema"),
        tokens_max=request.get("max_completion_tokens") or request.get("max_tokens"),
    )


def whole(asked: Asked, answer: Answer) -> Json:
    message: dict[str, Json] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.ends == "refused":
        message["refusal"] = REFUSAL
    if answer.tool:
        message["tool_calls"] = [_call(answer, encode(answer.arguments).decode())]
    choice: Json = {"index": 0, "message": message, "finish_reason": _finish(answer)}
    return _named(asked, answer) | {"object": "chat.completion", "choices": [choice], "usage": _usage(answer)}


def streamed(asked: Asked, answer: Answer) -> bytes:
    deltas: list[dict[str, Json]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces(answer.text)]
    if answer.ends == "refused":
        deltas += [{"refusal": piece} for piece in pieces(REFUSAL)]
    if answer.tool:
        deltas.append({"tool_calls": [_call(answer, "") | {"index": 0}]})
        parts = pieces(encode(answer.arguments).decode())
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in parts]
    named = _named(asked, answer) | {"object": "chat.completion.chunk"}
    choices: list[Json] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": _finish(answer)})
    chunks = [named | {"choices": [choice]} for choice in choices] + [named | {"choices": [], "usage": _usage(answer)}]
    return b"".join(b"data: " + encode(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def failed(failure: Failure) -> Reply:
    status = 429 if failure.retry_s else STATUS[failure.kind]
    message = failure.message
    if failure.kind == "overflow":
        message = (
            f"This model's maximum context length is {failure.window} tokens. "
            f"However, your messages resulted in {failure.sent} tokens."
        )
    kind = "server_error" if status == 503 else "rate_limit_error" if status == 429 else "invalid_request_error"
    error: Json = {"code": CODES.get(failure.kind), "message": message, "param": None, "type": kind}
    return error_reply(status, {"error": error}, failure)


def described(model: str, window: int) -> Json:
    return {"id": model, "object": "model", "owned_by": "workhand", "created": 0}


def _call(answer: Answer, arguments: str) -> dict[str, Json]:
    function: Json = {"name": answer.tool, "arguments": arguments}
    return {"id": f"call_{answer.number}", "type": "function", "function": function}


def _finish(answer: Answer) -> str:
    return "tool_calls" if answer.tool else FINISHED[answer.ends]


def _named(asked: Asked, answer: Answer) -> dict[str, Json]:
    return {"id": f"chatcmpl-{answer.number}", "created": 0, "model": asked.model}


def _usage(answer: Answer) -> Json:
    used, made = answer.used, answer.output_tokens
    return {
        "prompt_tokens": used.input,
        "completion_tokens": made,
        "total_tokens": used.input + made,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": THOUGHT_TOKENS},
    }
