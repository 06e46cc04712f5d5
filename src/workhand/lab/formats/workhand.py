"""Our own sessions: the file that ``workhand export`` writes, or the entries of a log, one a line.

The layout is that of ``store/archive.py``, the lines that of ``store/codec.py``.
What a fork took from its parent and what a rewind took out of view is seen as
``Log.of`` gives it.  A result is what entered the context; that it was shown in
short later is a policy's choice, and a replay makes its own.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

from workhand.core.events import ModelAnswered, NoticeGiven, SessionEnded, SessionStarted, ToolReturned, UserSaid
from workhand.core.log import Entry, Log
from workhand.errors import StoreError
from workhand.lab.formats.faults import Fault, Read, Unfit
from workhand.lab.formats.parts import Parts, clean
from workhand.lab.formats.records import inner, parse
from workhand.store.archive import EVENTS, HEADER, UNPACKING_ERRORS
from workhand.store.codec import decode_line


def knows(values: Iterable[object]) -> bool:
    return any(isinstance(each, dict) and {"at", "event", "position"} == each.keys() for each in values)


def read(text: str, name: str) -> Read:
    """Read the entries of one log; ``name`` is the trace's id."""
    entries: list[Entry] = []

    def take(fields: dict[str, Any]) -> None:
        position = fields.get("position")
        line = json.dumps(fields).encode()
        try:
            entries.append(decode_line(line, name, position if isinstance(position, int) else -1))
        except StoreError as error:
            raise Unfit(f"it is no entry of a log ({error})") from error

    faults = parse(text).each(take)
    log = Log.of(sorted(entries, key=lambda entry: entry.position))
    parts = Parts()
    more = [fault for entry in log.entries if (fault := _take(parts, entry))]
    started, ended = log.latest(SessionStarted), log.latest(SessionEnded)
    policy = started.policy if started else None
    traces = parts.trace(
        name,
        "workhand",
        model=policy.model if policy else "",
        tools=tuple(tool.name for tool in policy.tools) if policy else (),
        outcome=ended.reason if ended else "",
    )
    return Read(traces, (*faults, *more))


def read_archive(content: bytes, name: str, *, bytes_max: int) -> Read | None:
    """Read what ``workhand export`` wrote, or give nothing if these bytes are another kind of zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if EVENTS not in archive.namelist():
                return None
            header = json.loads(_member(archive, HEADER, bytes_max) or b"{}") if HEADER in archive.namelist() else {}
            events = _member(archive, EVENTS, bytes_max)
    except (*UNPACKING_ERRORS, ValueError) as error:  # and a header that is no JSON
        return Read((), (Fault(1, f"the archive cannot be unpacked ({error})"),))
    if events is None:
        return Read((), (Fault(1, f"its {EVENTS} has more than {bytes_max:,} bytes"),))
    id = inner({"header": header}, "header").get("session")
    return read(events.decode(errors="replace"), clean(id) if isinstance(id, str) and id else name)


def _member(archive: zipfile.ZipFile, name: str, bytes_max: int) -> bytes | None:
    with archive.open(name) as member:
        content = member.read(bytes_max + 1)
    return content if len(content) <= bytes_max else None


def _take(parts: Parts, entry: Entry) -> Fault | None:
    match entry.event:
        case SessionStarted(policy):
            parts.said("system", policy.system_prompt)
        case UserSaid(text) | NoticeGiven(text):
            parts.said("user", text)
        case ModelAnswered(text, calls, usage):
            parts.answered(text, usage=usage, at=entry.at)
            for call in calls:
                parts.called(call.id, call.tool, call.arguments)
        case ToolReturned(id, observation):
            try:
                parts.returned(id, observation.full, ok=observation.ok, at=entry.at)
            except Unfit as unfit:
                return Fault(entry.position + 1, str(unfit))
        case _:
            pass
    return None
