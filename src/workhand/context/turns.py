"""What the messages of any API come down to, and how a growing list of them is recorded.

Agents hand over their whole list before each call of the model.  What of it is on
record is found by comparing content, not by counting calls: the log itself says
what was said, called and (by digest) returned.  So it does not matter whether
the context was just loaded, and a list that was edited is noticed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from workhand.context.context import Context
from workhand.core.canonical import digest
from workhand.core.events import Event, ModelAnswered, NoticeGiven, ToolCall, ToolReturned, Usage, UserSaid
from workhand.errors import ConfigError, HistoryEdited, StoreError
from workhand.models.wire.arguments import arguments_text, well_formed

READ_TOOL = "original_read"
"""The retrieval tool that the adapters offer; what it brings enters whole."""

READ_DESCRIPTION = "Read lines of a file that a [compacted] result, a preview or a summary names."
READ_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "as shown: .workhand/..."},
        "first": {"type": "integer", "description": "the first line, from 1"},
        "lines": {"type": "integer", "description": "how many, 400 at most"},
    },
    "required": ["path"],
}


@dataclass(frozen=True, slots=True)
class Said:
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody other than the user says in the midst of a conversation."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    text: str
    calls: tuple[ToolCall, ...] = ()
    opaque: str | None = None
    usage: Usage | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    call_id: str
    content: bytes
    ok: bool = True


Turn: TypeAlias = Said | Told | Answered | Returned
Placed: TypeAlias = tuple[int, Turn]
"""A turn, and the index of the message that it came from."""


def call(id: str, tool: str, arguments: str) -> ToolCall:
    """Make a call of what a message holds, its arguments in the one form they have on record."""
    return ToolCall(id, well_formed(tool), arguments_text(arguments))


def record(context: Context, turns: Iterable[Placed], whole: Collection[str] = ()) -> int:
    """Record the turns that are not on record yet, and give their number.

    ``whole`` names tools whose results were asked for as they are: readers of slices.  Raises
    ``HistoryEdited`` where the turns are not those on record.
    """
    placed = list(turns)  # read to the end first: nothing is recorded of messages that cannot all be read
    known: list[Event] = [event for event in context.log.events if isinstance(event, _ON_RECORD)]
    calls: dict[str, ToolCall] = {}  # as on record, by the id that the messages give them
    at = 0
    new = 0
    for index, turn in placed:
        while at < len(known) and isinstance(known[at], NoticeGiven) and not _same(turn, known[at], calls):
            at += 1  # a notice of the harness, which is in no message
        if at < len(known):
            if not _same(turn, known[at], calls):
                raise HistoryEdited(_edited(index, turn, known[at]))
            made = _calls_of(known[at])
            at += 1
        else:
            made = _add(context, turn, calls, {READ_TOOL, *whole})
            at, new = at + 1, new + 1
            known.append(context.log.entries[-1].event)
        if isinstance(turn, Answered):
            calls.update((given.id, kept) for given, kept in zip(turn.calls, made, strict=True))
    if any(not isinstance(event, NoticeGiven) for event in known[at:]):
        raise HistoryEdited(
            f"The messages end with the {at}th of {len(known)} turns on record; begin a new context for a shorter list."
        )
    return new


def check_system(context: Context, text: str) -> None:
    """Refuse another system prompt than the one that every prompt begins with."""
    if text != context.policy.system_prompt:
        raise HistoryEdited(
            f"The system prompt begins with {text[:60]!r} and is not the context's; "
            "say what changes in a message, or begin a new context."
        )


_ON_RECORD = (UserSaid, NoticeGiven, ModelAnswered, ToolReturned)


def _same(turn: Turn, event: Event, calls: Mapping[str, ToolCall]) -> bool:
    match turn, event:
        case Said(text), UserSaid(kept):
            return well_formed(text) == kept
        case Told(text), NoticeGiven(kept):
            return well_formed(text) == kept
        case Answered(text, made), ModelAnswered(kept, recorded):
            asked = [(each.tool, each.arguments) for each in made]
            return well_formed(text) == kept and asked == [(each.tool, each.arguments) for each in recorded]
        case Returned(id, content), ToolReturned(call_id, seen):
            return id in calls and calls[id].id == call_id and seen.blob == (digest(content) if content else None)
    return False


def _calls_of(event: Event) -> tuple[ToolCall, ...]:
    return event.calls if isinstance(event, ModelAnswered) else ()


def _add(context: Context, turn: Turn, calls: Mapping[str, ToolCall], whole: Collection[str]) -> tuple[ToolCall, ...]:
    match turn:
        case Said(text):
            context.user(text)
        case Told(text):
            context.notice(text)
        case Answered(text, made, opaque, usage, model):
            return context.answer(text, made, usage=usage, model=model, opaque=opaque)
        case Returned(id, content, ok):
            if id not in calls:
                raise ConfigError(f"A result is for the call {id!r}, and no message before it makes that call.")
            context.result(calls[id].id, content, ok=ok, whole=calls[id].tool in whole)
    return ()


def _edited(index: int, turn: Turn, event: Event) -> str:
    return (
        f"Message {index} ({type(turn).__name__.lower()}) is not what is on record there ({event.kind}): the list was "
        "edited; only add to its end, or begin a new context."
    )


def read_slice(context: Context, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """Answer a call of the retrieval tool, and say whether it went well."""
    path, first, lines = arguments.get("path"), arguments.get("first", 1), arguments.get("lines", 200)
    if not isinstance(path, str) or not isinstance(first, int) or not isinstance(lines, int):
        return "path must be text; first and lines must be whole numbers.", False
    try:
        return context.read(path, first, lines), True
    except StoreError as error:
        return str(error), False
