"""Realistic tool definitions and the pieces of prompts, for tests and benchmarks of models."""

from __future__ import annotations

from collections.abc import Sequence

from workhand.core.canonical import Json, encode
from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask, everything
from workhand.core.prompt import Prompt

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0, "maximum": 100_000}
PHASE: Json = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 60}, "weight": {"type": "integer", "minimum": 1}},
    "required": ["title"],
    "additionalProperties": False,
}


def tool(name: str, description: str, optional: Sequence[str] = (), **properties: Json) -> dict[str, Json]:
    """Define a tool; all properties are required but the ``optional`` ones."""
    parameters: Json = {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }
    return {"name": name, "description": description, "parameters": parameters}


TOOLS = (
    tool("file_read", "Read a text file.", ("offset", "limit"), path=TEXT, offset=COUNT, limit=COUNT),
    tool("file_write", "Replace a file's content.", path=TEXT, content=TEXT),
    tool("file_edit", "Replace one passage of a file.", path=TEXT, old=TEXT, new=TEXT),
    tool("file_find", "Find files by a glob pattern.", ("under",), pattern=TEXT, under=TEXT),
    tool("shell_run", "Run a shell command.", ("shell", "timeout_s"), command=TEXT, shell=TEXT, timeout_s=COUNT),
    tool("shell_view", "Show what a shell has printed.", ("shell",), shell=TEXT),
    tool("shell_input", "Type text into a shell.", ("shell",), text=TEXT, shell=TEXT),
    tool(
        "plan_update",
        "Set the goal, its phases and how many are done.",
        goal=TEXT,
        phases={"type": "array", "items": PHASE, "minItems": 1, "maxItems": 3},
        done={"type": "integer", "minimum": 0, "maximum": 20},
    ),
    tool("message_info", "Tell the user something; work goes on.", text=TEXT),
    tool("message_ask", "Ask the user and wait for the answer.", text=TEXT),
    tool(
        "message_result",
        "Give the result and end the work.",
        ("attachments",),
        text=TEXT,
        attachments={"type": "array", "items": TEXT, "maxItems": 3},
    ),
)
NAMES = tuple(str(each["name"]) for each in TOOLS)
ALL = everything(NAMES)


def head(system: str = "You are a careful agent.", tools: Sequence[dict[str, Json]] = TOOLS) -> tuple[bytes, ...]:
    """Give the first two pieces of a body."""
    return encode({"tools": list(tools)}), encode({"role": "system", "text": system})


def said(text: str) -> bytes:
    return encode({"role": "user", "text": text})


def answered(answer: ModelAnswered, call_id: str) -> bytes:
    """Give an answer as the piece that later prompts show."""
    calls = [{"arguments": call.arguments, "id": call_id, "tool": call.tool} for call in answer.calls]
    block: dict[str, object] = {"calls": calls, "role": "assistant", "text": answer.text}
    return encode(block if answer.opaque is None else block | {"opaque": answer.opaque})


def returned(call_id: str, text: str) -> bytes:
    return encode({"call": call_id, "ok": True, "role": "tool", "text": text})


def prompt(*body: bytes, tail: str = "", answer_tokens_max: int = 200) -> Prompt:
    return Prompt(body, tail, (1, len(body) - 1), answer_tokens_max)


def only(*names: str) -> Mask:
    return Mask("specified", tuple(sorted(names)))


def unwatched(_: object) -> None:
    """Watch nothing."""
