"""The rules that a request of the Messages API has to keep, as sentences that name the one it breaks.

A signature is good on the thought that it was given out with, and on no other.  Models from 5.1 on also
hold what stands before a thought to be what stood there (Anthropic, "Preserved thinking").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from workhand.core.canonical import Json, digest, encode
from workhand.testing.exchange import Block, sign, without

MARKS_MAX = 4
TOOL_CHANGES = "mid-conversation-tool-changes-2026-07-01"
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ID = re.compile(r"[a-zA-Z0-9_-]+")
CHECKED = re.compile(r"claude-[a-z]+-5-\d(?!\d)")  # models that hold to what stood before their thoughts
REQUEST = (
    *("messages", "model", "max_tokens", "system", "tools", "tool_choice", "stream", "thinking", "output_config"),
    *("metadata", "stop_sequences", "service_tier", "diagnostics", "speed"),
)
FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "request": frozenset(REQUEST),
        "tool": frozenset({"type", "name", "description", "input_schema", "cache_control", "strict"}),
        "text": frozenset({"type", "text", "cache_control", "citations"}),
        "image": frozenset({"type", "source", "cache_control"}),
        "document": frozenset({"type", "source", "cache_control", "title", "context", "citations"}),
        "thinking": frozenset({"type", "thinking", "signature"}),
        "redacted_thinking": frozenset({"type", "data"}),
        "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller"}),
        "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
        "tool_removal": frozenset({"type", "tool"}),
        "tool_addition": frozenset({"type", "tool"}),
    }
)
"""The fields that are known, of those that make sense for an agent's request."""

KINDS = MappingProxyType(
    {
        "user": ("text", "image", "document", "tool_result"),
        "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
        "system": ("text", "tool_removal", "tool_addition"),
        "result": ("text", "image", "document"),
    }
)


def violation(request: Any, headers: Mapping[str, str]) -> str:
    """Say which rule a request breaks first; nothing if it keeps all of them."""
    return next(_violations(request, headers), "")


def content_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the content of a message as blocks: a string stands for one."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def allowed(request: Any) -> tuple[bool, dict[str, Json]]:
    """Say whether a tool has to be called, and give the schemas of those that may be, by name."""
    schemas = {each["name"]: each["input_schema"] for each in request.get("tools", ())}
    may = dict.fromkeys(schemas, True)
    for message in request["messages"]:
        for block in content_of(message):
            if block["type"] in ("tool_removal", "tool_addition"):
                may[block["tool"]["name"]] = block["type"] == "tool_addition"
    left = {name: schema for name, schema in schemas.items() if may[name]}
    match request.get("tool_choice", {"type": "auto"}):
        case {"type": "none"}:
            return False, {}
        case {"type": "tool", "name": name}:
            return True, {name: schemas[name]}
        case choice:
            return choice["type"] == "any", left


def blocks_of(request: Any) -> tuple[Block, ...]:
    """Give what a model reads; a change of the choice of tools loses what the cache holds of the messages."""
    head = [*request.get("tools", ()), *_system(request)]
    chosen = [{"tool_choice": request["tool_choice"]}] if "tool_choice" in request else []
    spoken = [(message["role"], block) for message in request["messages"] for block in content_of(message)]
    return (*(_block("", each) for each in [*head, *chosen]), *(_block(role, block) for role, block in spoken))


def signature(thought: Mapping[str, Any], model: str, before: tuple[Block, ...]) -> str:
    """Sign a thought, for models that hold to it together with what stands before."""
    read = digest(b"\n".join(block.content for block in before)) if CHECKED.search(model) else ""
    return sign([without(thought, "signature"), read])


def _system(request: Any) -> list[dict[str, Any]]:
    return content_of({"content": request.get("system", [])})


def _block(role: str, block: Mapping[str, Any]) -> Block:
    mark = block.get("cache_control")
    content = encode([role, without(block, "cache_control")])
    return Block(content, "" if mark is None else "long" if mark.get("ttl") == "1h" else "short")


def _violations(request: Any, headers: Mapping[str, str]) -> Iterator[str]:
    """Check rule by rule: what is checked later relies on what was checked before."""
    if not isinstance(request, dict):
        yield "The request body is not valid JSON: an object is wanted."
    yield from _unknown("", request, "request")
    yield from (f"{name}: Field required" for name in ("model", "max_tokens", "messages") if not request.get(name))
    for i, message in enumerate(request["messages"]):
        yield from _message(f"messages.{i}", message)
    for i, block in enumerate(_system(request)):
        yield from _content_block(f"system.{i}", block, ("text",))
    yield from _turns(request["messages"], headers)
    yield from _pairs(request["messages"])
    yield from _tools(request)
    yield from _marks(request)
    yield from _thoughts(request)


def _unknown(where: str, value: Mapping[str, Any], kind: str) -> Iterator[str]:
    place = f"{where}." if where else ""
    yield from (f"{place}{name}: Extra inputs are not permitted" for name in sorted(value.keys() - FIELDS[kind]))


def _message(where: str, message: Any) -> Iterator[str]:
    role = str(message.get("role")) if isinstance(message, dict) else ""
    if role not in ("user", "assistant", "system"):
        yield f"{where}.role: Unexpected role {role!r}. Allowed roles are user, assistant and system."
    if message.keys() != {"role", "content"}:
        yield f"{where}: Extra inputs are not permitted, or the content is missing"
    if not message["content"]:
        yield f"{where}: all messages must have non-empty content"
    for i, block in enumerate(content_of(message)):
        yield from _content_block(f"{where}.content.{i}", block, KINDS[role])


def _content_block(where: str, block: Any, kinds: tuple[str, ...]) -> Iterator[str]:
    kind = str(block.get("type")) if isinstance(block, dict) else ""
    if kind not in kinds:
        yield f"{where}: Input tag {kind!r} does not match any of the expected tags: {', '.join(kinds)}"
    if kind in ("thinking", "redacted_thinking") and "cache_control" in block:
        yield f"{where}.{kind}.cache_control: cache_control cannot be set on thinking blocks"
    yield from _unknown(f"{where}.{kind}", block, kind)
    match block:
        case {"type": "text", "text": str(text)}:
            marked = "cache_control cannot be set for empty text blocks"
            if not text.strip():
                yield f"{where}.text: {marked if 'cache_control' in block else 'text content blocks must be non-empty'}"
        case {"type": "tool_use", "id": id, "name": name, "input": dict()}:
            if not (ID.fullmatch(str(id)) and NAME.fullmatch(str(name))):
                yield f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$': {id!r} of {name!r}"
        case {"type": "tool_result", "tool_use_id": str()}:
            content = content_of({"content": block.get("content") or []})
            for i, each in enumerate(content if isinstance(block.get("content"), list) else []):
                yield from _content_block(f"{where}.content.{i}", each, KINDS["result"])
            if block.get("is_error") and any(each["type"] != "text" for each in content):
                yield f"{where}.tool_result: all content must be type text if is_error is true"
        case {"type": "tool_use" | "tool_result" | "text"}:
            yield f"{where}.{kind}: Field required"


def _turns(messages: list[Any], headers: Mapping[str, str]) -> Iterator[str]:
    if messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    for i, (before, after) in enumerate(pairwise(messages), 1):
        if before["role"] == after["role"]:
            yield f"messages.{i}: roles must alternate between user and assistant, but found two of {after['role']}"
        if after["role"] == "system" and before["role"] != "user":
            yield f"messages.{i}: a system message must come behind one of the user"
    spoken = [message for message in messages if message["role"] != "system"]
    if spoken[-1]["role"] != "user":
        yield "This model does not support assistant message prefill. The conversation must end with a user message."
    kinds = {block["type"] for message in messages if message["role"] == "system" for block in content_of(message)}
    if kinds - {"text"} and TOOL_CHANGES not in headers.get("anthropic-beta", ""):
        yield f"messages: changes of tools need the beta {TOOL_CHANGES}"


def _pairs(messages: list[Any]) -> Iterator[str]:
    """Hold every call to have its result at the head of the next message, and every result its call before it."""
    spoken = [content_of(message) for message in messages if message["role"] != "system"]
    for i, (before, after) in enumerate(pairwise([[], *spoken])):
        uses = [block["id"] for block in before if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in after if block["type"] == "tool_result"]
        for id in uses:
            if id not in results:
                yield (
                    f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. "
                    "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
                )
        for id in results:
            if id not in uses or results.count(id) > 1:
                yield (
                    f"messages.{i}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` "
                    "block must have a corresponding `tool_use` block in the previous message."
                )
        if any(block["type"] != "tool_result" for block in after[: len(results)]):
            yield f"messages.{i}: tool_result blocks must come first in their message"
    ids = [block["id"] for content in spoken for block in content if block["type"] == "tool_use"]
    if len(ids) != len(set(ids)):
        yield "messages: `tool_use` ids must be unique"


def _tools(request: dict[str, Any]) -> Iterator[str]:
    names: list[str] = []
    for i, tool in enumerate(request.get("tools", ())):
        yield from _unknown(f"tools.{i}", tool, "tool")
        name, schema = str(tool.get("name") or ""), tool.get("input_schema")
        if not NAME.fullmatch(name):
            yield f"tools.{i}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if name in names:
            yield "tools: Tool names must be unique."
        if not isinstance(schema, dict) or schema.get("type") != "object":
            yield f"tools.{i}.input_schema.type: Input should be 'object'"
        names.append(name)
    match request.get("tool_choice"):
        case {"type": "tool", "name": name} if name not in names:
            yield f"tool_choice.name: Tool '{name}' not found in provided tools"
        case {"type": "auto" | "any" | "tool" | "none"} if not names:
            yield "tool_choice: may only be specified while providing tools"
        case None | {"type": "auto" | "any" | "tool" | "none"}:
            pass
        case choice:
            yield f"tool_choice: Input tag {choice!r} does not match any of the expected tags: auto, any, tool, none"


def _marks(request: dict[str, Any]) -> Iterator[str]:
    marks = [block.mark for block in blocks_of(request) if block.mark]
    if len(marks) > MARKS_MAX:
        yield f"A maximum of {MARKS_MAX} blocks with cache_control may be provided. Found {len(marks)}."
    if ("short", "long") in pairwise(marks):
        yield "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."


def _thoughts(request: dict[str, Any]) -> Iterator[str]:
    """Hold thoughts to be as they were given out."""
    spoken = [block for message in request["messages"] for block in content_of(message)]
    blocks = blocks_of(request)
    at = len(blocks) - len(spoken)
    for message in request["messages"]:
        before, at = blocks[:at], at + len(content_of(message))
        for block in content_of(message):
            given = block.get("signature")
            if block["type"] == "thinking" and given != signature(block, request["model"], before):
                yield f"messages: Invalid `signature` in `thinking` block {block['thinking']!r}"
