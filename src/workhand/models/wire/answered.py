"""Make one answer of what a provider sent: the checks are the same for all."""

from __future__ import annotations

from dataclasses import dataclass

from workhand.core.canonical import digest, encode
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.errors import MalformedAnswer, ModelUnavailable, WorkhandError
from workhand.models.wire.arguments import arguments_text, well_formed
from workhand.models.wire.dialect import Server

BYTES_PER_TOKEN = 4  # roughly, of any text


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a provider sent, in the words of all of them."""

    text: str
    calls: list[tuple[str, str]]  # names, and the text of their arguments
    usage: Usage | None  # None: it sent none
    cut: bool = False  # the answer ended at its limit
    opaque: object = None  # what the provider wants to see again
    missed: str = ""  # why it says that its cache did not serve


def answered(server: Server, prompt: Prompt, mask: Mask, parts: Parts) -> ModelAnswered:
    """Give the answer of what was sent.  Where no usage was it is estimated, so that limits still hold."""
    text, calls = parts.text, parts.calls
    if parts.cut and (calls or mask.mode != "auto"):
        raise MalformedAnswer(f"The answer was cut off at {prompt.answer_tokens_max} tokens; allow longer answers.")
    if not calls and not text.strip():
        raise MalformedAnswer(f"The model {server.model!r} answered with neither text nor a call; ask again.")
    written = len(text) + sum(len(raw) for _, raw in calls)
    estimated = Usage(prompt.size // BYTES_PER_TOKEN, output_tokens=written // BYTES_PER_TOKEN)
    return ModelAnswered(
        text=well_formed(text),
        calls=tuple(ToolCall("", well_formed(name), arguments_text(raw)) for name, raw in calls[:1]),
        usage=parts.usage or estimated,
        model=f"{server.provider}:{server.model}",
        prompt_bytes=prompt.size,
        prompt_digest=digest(b"".join(prompt.body)),
        dropped_calls=max(0, len(calls) - 1),
        opaque=encode({server.provider: parts.opaque}).decode() if parts.opaque else None,
        missed=parts.missed,
    )


def broken_off(server: Server, *, begun: bool) -> WorkhandError:
    """Say that a stream ended before its answer did."""
    if begun:
        return MalformedAnswer(f"The answer of {server.base_url!r} broke off; ask again.")
    return ModelUnavailable(f"The server at {server.base_url!r} ended the stream before any answer.")
