"""The Responses API, as a server speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workhand.core.canonical import Json, encode
from workhand.testing.chat_format import REFUSAL, described, failed
from workhand.testing.exchange import THOUGHT_TOKENS, Answer, Asked, Block, events, pieces, without
from workhand.testing.responses_rules import allowed, encrypted, is_models, kind
from workhand.testing.responses_rules import violation as broken

__all__ = ["asked", "described", "failed", "streamed", "violation", "whole"]

LOOK_BACK = 1 << 20  # blocks: as far as there are any
MARK = "prompt_cache_breakpoint"


def violation(request: Any, headers: Mapping[str, str]) -> str:
    return broken(request)


def asked(request: Any, target: str) -> Asked:
    items = request["input"]
    must_call, schemas = allowed(request)
    marked = request.get("prompt_cache_options", {}).get("mode") == "explicit"
    head = [Block(encode(each)) for each in request.get("tools", ())]
    if "instructions" in request:
        head.append(Block(encode(request["instructions"])))
    before = [None, *items]
    return Asked(
        model=request["model"],
        stream=bool(request.get("stream")),
        blocks=(*head, *map(_block, items)),
        spoken=sum(
            is_models(item) and not (last and is_models(last)) for last, item in zip(before, items, strict=False)
        ),
        tools=schemas,
        must_call=must_call,
        question=_text(items[-1]),
        schema=request.get("text", {}).get("format", {}).get("schema"),
        tokens_max=request.get("max_output_tokens"),
        look_back=LOOK_BACK if marked else None,
    )


def whole(asked: Asked, answer: Answer) -> dict[str, Json]:
    status = "incomplete" if answer.ends == "limit" else "completed"
    used, made = answer.used, answer.output_tokens
    ended: dict[str, Json] = {
        "incomplete_details": {"reason": "max_output_tokens"} if answer.ends == "limit" else None,
        "output": list[Json](_items(answer)),
        "usage": {
            "input_tokens": used.input,
            "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.written},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": THOUGHT_TOKENS},
            "total_tokens": used.input + made,
        },
    }
    return _response(asked, answer, status) | ended


def streamed(asked: Asked, answer: Answer) -> bytes:
    begun = {"response": _response(asked, answer, "in_progress") | {"output": []}}
    named: list[dict[str, Any]] = [{"type": f"response.{kind}"} | begun for kind in ("created", "in_progress")]
    for index, item in enumerate(_items(answer)):
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        started = item | {"status": "in_progress"} | ({"arguments": ""} if "arguments" in item else {})
        if "content" in item:
            started["content"] = []
        named.append({"type": "response.output_item.added", "item": started, "output_index": index})
        named += [place | {"type": f"response.{kind}.delta", "delta": piece} for kind, piece in _deltas(item)]
        named.append({"type": "response.output_item.done", "item": item, "output_index": index})
    last = whole(asked, answer)
    named.append({"type": f"response.{last['status']}", "response": last})
    return events(each | {"sequence_number": number} for number, each in enumerate(named))


def _response(asked: Asked, answer: Answer, status: str) -> dict[str, Json]:
    named: dict[str, Json] = {
        "id": f"resp_{answer.number}",
        "object": "response",
        "created_at": 0,
        "model": asked.model,
    }
    return named | {"status": status, "error": None}


def _items(answer: Answer) -> list[dict[str, Any]]:
    if answer.ends == "malformed":
        return []
    number = answer.number
    thought: dict[str, Any] = {"type": "reasoning", "id": f"rs_{number}", "summary": []}
    items = [thought | {"encrypted_content": encrypted(thought)}]
    parts: list[Json] = [{"type": "output_text", "text": answer.text, "annotations": []}] if answer.text else []
    if answer.ends == "refused":
        parts.append({"type": "refusal", "refusal": REFUSAL})
    done = "incomplete" if answer.ends == "limit" else "completed"
    if parts:
        items.append({"type": "message", "id": f"msg_{number}", "role": "assistant", "status": done, "content": parts})
    if answer.tool:
        named = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": answer.tool}
        items.append(named | {"arguments": encode(answer.arguments).decode(), "status": done})
    return items


def _deltas(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give what is streamed of an item, by the kind of its events."""
    said = [(part["type"], part.get("text") or part.get("refusal")) for part in item.get("content", ())]
    if "arguments" in item:
        said.append(("function_call_arguments", item["arguments"]))
    return [(kind, piece) for kind, text in said for piece in pieces(text)]


def _block(item: Any) -> Block:
    """Give an item as a model reads it: where the cache may end is no part of it."""
    name = "output" if kind(item) == "function_call_output" else "content"
    parts = item.get(name)
    if not isinstance(parts, list):
        return Block(encode(item))
    marks = [part[MARK].get("ttl", "30m") for part in parts if MARK in part]
    content = encode(item | {name: [without(part, MARK) for part in parts]})
    return Block(content, "" if not marks else "long" if marks[-1] == "12h" else "short")


def _text(item: Any) -> str:
    content = item.get("content")
    if isinstance(content, list):
        return str(content[-1].get("text", ""))
    return content if isinstance(content, str) else ""
