"""The Messages API of Anthropic, as a server speaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workhand.core.canonical import Json, encode
from workhand.testing.anthropic_rules import allowed, blocks_of, content_of, signature
from workhand.testing.anthropic_rules import violation as broken
from workhand.testing.exchange import THOUGHT_TOKENS, Answer, Asked, Failure, Reply, error_reply, events, pieces

LOOK_BACK = 20  # blocks, with the marked one
STOPPED = {"done": "end_turn", "limit": "max_tokens", "malformed": "end_turn", "refused": "refusal"}
STATUS = {
    "rule": (400, "invalid_request_error"),
    "overflow": (400, "invalid_request_error"),
    "key": (401, "authentication_error"),
    "model": (404, "not_found_error"),
    "path": (404, "not_found_error"),
    "unavailable": (529, "overloaded_error"),
}
LIMITED = (429, "rate_limit_error")


def violation(request: Any, headers: Mapping[str, str]) -> str:
    return broken(request, headers)


def asked(request: Any, target: str) -> Asked:
    must_call, schemas = allowed(request)
    messages = request["messages"]
    spoken = [message for message in messages if message["role"] == "user"]
    return Asked(
        model=request["model"],
        stream=bool(request.get("stream")),
        blocks=blocks_of(request),
        spoken=[message["role"] for message in messages].count("assistant"),
        tools=schemas,
        must_call=must_call,
        question=str(content_of(spoken[-1])[-1].get("text", "")),
        schema=((request.get("output_config") or {}).get("format") or {}).get("schema"),
        tokens_max=request["max_tokens"],
        look_back=LOOK_BACK,
    )


def whole(asked: Asked, answer: Answer) -> Json:
    stopped = {"stop_reason": _stop_reason(answer), "stop_details": _stop_details(answer)}
    usage = _usage(answer) | _output(answer)
    return _message(asked, answer) | stopped | {"content": list[Json](_content(asked, answer)), "usage": usage}


def streamed(asked: Asked, answer: Answer) -> bytes:
    start = _message(asked, answer) | {
        "content": [],
        "stop_reason": None,
        "usage": _usage(answer) | {"output_tokens": 1},
    }
    named: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(_content(asked, answer)):
        empty = {
            key: type(value)() for key, value in block.items() if key in ("text", "thinking", "signature", "input")
        }
        named.append({"type": "content_block_start", "index": index, "content_block": block | empty})
        named += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in _deltas(block)]
        named.append({"type": "content_block_stop", "index": index})
    stopped = {"stop_reason": _stop_reason(answer), "stop_details": _stop_details(answer), "stop_sequence": None}
    named.append({"type": "message_delta", "delta": stopped, "usage": _output(answer)})
    return events([*named, {"type": "message_stop"}])


def failed(failure: Failure) -> Reply:
    status, kind = LIMITED if failure.retry_s else STATUS[failure.kind]
    message = failure.message
    if failure.kind == "overflow":
        message = f"prompt is too long: {failure.sent} tokens > {failure.window} maximum"
    return error_reply(status, {"type": "error", "error": {"type": kind, "message": message}}, failure)


def described(model: str, window: int) -> Json:
    return {"id": model, "type": "model", "display_name": model, "max_input_tokens": window}


def _message(asked: Asked, answer: Answer) -> dict[str, Json]:
    named = {"id": f"msg_{answer.number}", "type": "message", "role": "assistant", "model": asked.model}
    return named | {"stop_sequence": None}


def _content(asked: Asked, answer: Answer) -> list[dict[str, Any]]:
    if answer.ends in ("malformed", "refused"):
        return []
    thought = {"type": "thinking", "thinking": f"This is answer {answer.number}."}
    content: list[dict[str, Any]] = [thought | {"signature": signature(thought, asked.model, asked.blocks)}]
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    if answer.tool:
        id = f"toolu_{answer.number}"
        content.append({"type": "tool_use", "id": id, "name": answer.tool, "input": answer.arguments})
    return content


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for kind in ("thinking", "text"):
        yield from ({"type": f"{kind}_delta", kind: piece} for piece in pieces(block.get(kind, "")))
    if "signature" in block:
        yield {"type": "signature_delta", "signature": block["signature"]}
    if "input" in block:
        parts = ["", *pieces(encode(block["input"]).decode())]
        yield from ({"type": "input_json_delta", "partial_json": part} for part in parts)


def _stop_reason(answer: Answer) -> str:
    return "tool_use" if answer.tool else STOPPED[answer.ends]


def _stop_details(answer: Answer) -> Json:
    if answer.ends != "refused":
        return None
    return {"type": "refusal", "category": "cyber", "explanation": "It could do harm."}


def _usage(answer: Answer) -> dict[str, Json]:
    used = answer.used
    lifetimes: Json = {
        "ephemeral_5m_input_tokens": used.written - used.written_long,
        "ephemeral_1h_input_tokens": used.written_long,
    }
    return {
        "input_tokens": used.input - used.cached - used.written,
        "cache_read_input_tokens": used.cached,
        "cache_creation_input_tokens": used.written,
        "cache_creation": lifetimes,
    }


def _output(answer: Answer) -> dict[str, Json]:
    thought: Json = {"thinking_tokens": THOUGHT_TOKENS}
    return {"output_tokens": answer.output_tokens, "output_tokens_details": thought}
