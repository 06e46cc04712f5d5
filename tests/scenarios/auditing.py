"""Was every request of a session what its log says, and did each begin with the one before it?

A log holds the digest of each body that was sent.  So the bodies are rendered anew from the log, and found to be those;
then what must hold between them is checked on the bytes: one header with one list of functions, and a body that only
grows, except where a reduction or a rewind is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio

from workhand.cli.session import wiring
from workhand.cli.settings import Settings
from workhand.core.audit import Audit, rewound_since_asked
from workhand.core.body import HEADER_END
from workhand.core.events import ModelAnswered, PrefixBroken, SessionStarted
from workhand.core.log import Entry, Log
from workhand.core.render import first_changed, render


def faults_of(home: Path) -> list[str]:
    """Give what is wrong with the sessions that a home has, a sentence each."""
    if not Settings(home=home).database.is_file():
        return []
    records = anyio.run(records_of, home)
    return [f"{session}: {fault}" for session, record in records.items() for fault in faults(record)]


def faults(record: tuple[Entry, ...]) -> Iterator[str]:
    """Give what is wrong with the requests of one session."""
    started = [entry.position for entry in record if isinstance(entry.event, SessionStarted)]
    if len(started) != 1:
        yield f"it starts at {started}"
    sent = Audit()
    before: tuple[bytes, ...] = ()
    for seen, entry in _walked(record):
        if isinstance(entry.event, PrefixBroken):
            yield f"{entry.position}: an unplanned break, {entry.event.reason}"
        if not isinstance(entry.event, ModelAnswered):
            continue
        body = render(seen, seen.policy).body
        if entry.event.prompt_digest != sent.sent(body):
            yield f"{entry.position}: what was sent is not what the log renders to"
        if before:
            header = HEADER_END + 1
            kept = header if rewound_since_asked(seen) else min(len(before), first_changed(seen, seen.policy))
            if kept < header or body[:kept] != before[:kept]:
                yield f"{entry.position}: the request does not begin as the one before"
        before = body


def requests(record: tuple[Entry, ...]) -> list[tuple[bytes, ...]]:
    """Give the bodies that were sent, one after the other."""
    return [render(seen, seen.policy).body for seen, entry in _walked(record) if isinstance(entry.event, ModelAnswered)]


def _walked(record: tuple[Entry, ...]) -> Iterator[tuple[Log, Entry]]:
    """Give each entry with the log as it was before it."""
    seen = Log()
    for entry in record:
        yield seen, entry
        seen = seen.followed_by(entry)


async def records_of(home: Path) -> dict[str, tuple[Entry, ...]]:
    """Give the records of all sessions of a home, by their ids."""
    async with wiring.open_store(Settings(home=home)) as store:
        return {row.id: await store.read(row.id) for row in await store.sessions()}
