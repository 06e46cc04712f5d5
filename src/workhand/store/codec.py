"""Events as bytes, and back.

The bytes are the canonical JSON of the event, ``kind`` included, and they are
what the hash chain covers.  Reading is strict: an unknown kind, field or value
means that a newer version wrote the log, and to skip it would silently change
what the model is shown, so it is refused with a sentence that says so.
"""

from __future__ import annotations

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Annotated

from workhand.core import canonical
from workhand.core.events import FORMAT, Event, SessionStarted, ToolReturned
from workhand.core.log import Entry
from workhand.errors import StoreError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_NEWER = frozenset({"union_tag_invalid", "unexpected_keyword_argument", "literal_error"})


def encode(event: Event) -> bytes:
    return canonical.encode(event)


def decode(body: bytes, session: str, position: int) -> Event:
    """Give the event back.  ``session`` and ``position`` only say where it stood, should it be unreadable."""
    from pydantic import ValidationError

    try:
        event = _adapter().validate_json(body)
    except ValidationError as error:
        raise _unreadable(error, session, position) from error
    if isinstance(event, SessionStarted) and event.format > FORMAT:
        raise StoreError(
            f"Session {session!r} has log format {event.format!r}, and this version reads formats up to {FORMAT}; "
            "a newer version wrote it: upgrade workhand to read it."
        )
    return event


def encode_line(entry: Entry) -> bytes:
    """Give a whole entry as one line of JSON, without the line's end."""
    return canonical.encode({"at": entry.at, "event": entry.event, "position": entry.position})


def decode_line(line: bytes, session: str, position: int) -> Entry:
    """Give the entry of one line back; it must be the one at ``position``."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(session, position, "it is not JSON") from error
    match fields:
        case {"at": int() | float() as at, "event": dict() as event, "position": int() as found, **others}:
            if found != position or others or not math.isfinite(at):
                raise _damaged(session, position, f"its place or its fields are wrong: {sorted(fields)!r} at {found!r}")
            return Entry(position, float(at), decode(json.dumps(event).encode(), session, position))
        case _:
            raise _damaged(session, position, "it is not an entry of a log")


def named_blobs(event: Event) -> tuple[str, ...]:
    """Give the digests of the blobs that an event needs."""
    if isinstance(event, ToolReturned) and event.observation.blob is not None:
        return (event.observation.blob,)
    return ()


@cache
def _adapter() -> TypeAdapter[Event]:
    from pydantic import ConfigDict, Field, TypeAdapter

    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return TypeAdapter(Annotated[Event, Field(discriminator="kind")], config=strict)


def _unreadable(error: ValidationError, session: str, position: int) -> StoreError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "union_tag_invalid":
        what = f"is of the unknown kind {first['ctx']['tag']!r}"
    elif first["type"] in _NEWER:
        what = f"has something unknown at {where!r}"
    else:
        return _damaged(session, position, f"{first['msg']} at {where!r}" if where else first["msg"])
    return StoreError(
        f"Event {position} of session {session!r} {what}; a newer version wrote it: upgrade workhand to read it."
    )


def _damaged(session: str, position: int, why: str) -> StoreError:
    return StoreError(f"Event {position} of session {session!r} is damaged ({why}); restore the session from a backup.")
