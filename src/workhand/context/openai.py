"""Chat Completions: the messages of a prompt, and an agent's own messages into a context.

The way out is the wire half that Workhand's own client uses.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from workhand.context.context import Context
from workhand.context.turns import Answered, Placed, Returned, Said, Told, call, check_system, record
from workhand.core.canonical import encode
from workhand.core.events import Usage
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import PROVIDER, OpenAIChat
from workhand.models.wire.openai_chat_answer import usage_of

__all__ = ["ANYTHING", "SYSTEM", "latest_used", "messages", "record_messages", "request", "text_of", "usage_of"]

ANYTHING = Mask("auto", ())
SYSTEM = ("system", "developer")


def request(
    prompt: Prompt,
    mask: Mask = ANYTHING,
    *,
    tail_role: Literal["system", "user"] = "system",
    allowed_tools: bool = True,
) -> dict[str, Any]:
    """Give the fields of a request that the context decides: ``messages``, ``tools`` and, under a mask, a choice.

    ``allowed_tools`` says whether the server can be told a subset of the tools.
    """
    dialect = OpenAIChat(Server(PROVIDER, "", ""), "native", allowed_tools=allowed_tools, tail_role=tail_role)
    asked = json.loads(dialect.request(prompt, mask, session="").body)
    wanted = ("messages", "tools") if mask == ANYTHING else ("messages", "tools", "tool_choice")
    return {key: asked[key] for key in wanted if key in asked}


def messages(prompt: Prompt) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = request(prompt)["messages"]
    return given


def record_messages(
    context: Context,
    messages: Sequence[Mapping[str, Any]],
    *,
    usage: Usage | None = None,
    model: str = "",
    whole: Collection[str] = (),
) -> int:
    """Record what is new in an agent's list of messages, and give the number of turns that were.

    ``usage`` and ``model`` are those of the latest answer; ``whole`` names tools whose results enter
    whole.  Raises ``HistoryEdited`` if the list does not begin with what is on record.
    """
    for message in messages[:1]:
        if message.get("role") in SYSTEM:
            check_system(context, text_of(message.get("content"), 0))
    return record(context, latest_used(list(_turns(messages)), usage, model), whole)


def latest_used(placed: list[Placed], usage: Usage | None, model: str) -> list[Placed]:
    """Put what the latest answer used beside it; what is on record already keeps what it has."""
    for at in range(len(placed) - 1, -1, -1):
        index, turn = placed[at]
        if isinstance(turn, Answered):
            placed[at] = (index, Answered(turn.text, turn.calls, turn.opaque, usage, model))
            break
    return placed


def text_of(content: object, index: int) -> str:
    """Give the text of a message's content."""
    match content:
        case None:
            return ""
        case str():
            return content
        case [*parts]:
            return "".join(_part(part, index) for part in parts)
    raise ConfigError(f"The content of message {index} is {type(content).__name__!r}; give text or a list of parts.")


def _part(part: object, index: int) -> str:
    match part:
        case str():
            return part
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return text
        case {"type": "refusal", "refusal": str(text)}:
            return text
        case {"type": kind}:
            raise ConfigError(
                f"Message {index} has a part of type {kind!r}; a context keeps text, so put it in a file."
            )
    raise ConfigError(f"Message {index} has a part that is no text: {type(part).__name__!r}.")


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[Placed]:
    for index, message in enumerate(messages):
        text = text_of(message.get("content"), index)
        match message.get("role"):
            case "system" | "developer":
                if index:
                    yield index, Told(text)
            case "user":
                yield index, Said(text)
            case "assistant":
                yield index, _answered(message, text or message.get("refusal") or "")
            case "tool":
                yield index, Returned(str(message.get("tool_call_id")), text.encode(errors="replace"))
            case role:
                raise ConfigError(f"Message {index} has the role {role!r}; roles are system, user, assistant and tool.")


def _answered(message: Mapping[str, Any], text: str) -> Answered:
    calls = tuple(
        call(each["id"], each["function"]["name"], each["function"].get("arguments") or "")
        for each in message.get("tool_calls") or ()
    )
    thought = message.get("reasoning_content")
    opaque = encode({PROVIDER: {"reasoning_content": thought}}).decode() if thought else None
    return Answered(text, calls, opaque)
