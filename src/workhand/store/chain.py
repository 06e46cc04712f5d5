"""The entries of a session as rows, chained by their hashes.

Every entry has the SHA-256 of the hash before it, its time and its body.  So a
log that was changed, cut or mixed up behind our back is found when it is read.
A fork begins with the hash of its parent's entry, and the chain runs through.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from workhand.core.log import Entry
from workhand.errors import SessionUnknown, StoreError
from workhand.store.codec import decode
from workhand.store.packing import pack, unpack

if TYPE_CHECKING:
    from apsw import Connection

ROOT = bytes(32)
"""The hash before the first entry."""

FORKS_DEEP_MAX = 64

# A session's ancestors, oldest first, and itself; each with the position where its entries end for this reader.
_LINEAGE = """
WITH RECURSIVE lineage (id, parent, parent_head, until, depth) AS (
    SELECT id, parent, parent_head, head, 0 FROM session WHERE id = ?
    UNION ALL
    SELECT session.id, session.parent, session.parent_head, min(lineage.parent_head, lineage.until), depth + 1
    FROM lineage JOIN session ON session.id = lineage.parent WHERE depth < ?
)
SELECT id, until FROM lineage ORDER BY depth DESC
"""


def write(
    db: Connection, session: str, after: int, previous: bytes, entries: Iterable[tuple[float, bytes]]
) -> tuple[int, bytes]:
    """Insert entries, each a time and a body, at position ``after``; give the new head and its hash."""
    for at, body in entries:
        previous = _link(previous, at, body)
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", (session, after, at, *pack(body), previous))
        after += 1
    return after, previous


def read(db: Connection, session: str) -> tuple[Entry, ...]:
    """Give all entries of a session, those of its ancestors first, and verify the chain."""
    ends = db.execute("SELECT head, hash FROM session WHERE id = ?", (session,)).fetchone()
    if ends is None:
        raise SessionUnknown(session)
    previous = ROOT
    entries: list[Entry] = []
    for row in _rows(db, session):
        match row:
            case (int() as position, float() as at, str() as codec, bytes() as packed, bytes() as stored):
                body = unpack(codec, packed)
                previous = _link(previous, at, body)
                if position != len(entries) or previous != stored:
                    raise _broken(session, len(entries))
                entries.append(Entry(position, at, decode(body, session, position)))
            case _:
                raise _broken(session, len(entries))
    if ends != (len(entries), previous):
        raise _broken(session, len(entries))
    return tuple(entries)


def hash_before(db: Connection, session: str, position: int) -> bytes:
    """Give the hash that an entry at ``position`` is chained to."""
    if position == 0:
        return ROOT
    for id, until in _lineage(db, session):
        if position <= until:
            statement = "SELECT hash FROM event WHERE session = ? AND position = ?"
            row = db.execute(statement, (id, position - 1)).fetchone()
            if row is not None:
                return bytes(row[0])
    raise _broken(session, position - 1)


def ancestors(db: Connection, session: str) -> int:
    """Count the sessions that this one is a fork of, directly or not."""
    return len(_lineage(db, session)) - 1


def _rows(db: Connection, session: str) -> Iterator[object]:
    columns = "SELECT position, at, codec, body, hash FROM event"
    for id, until in _lineage(db, session):
        yield from db.execute(f"{columns} WHERE session = ? AND position < ? ORDER BY position", (id, until))


def _lineage(db: Connection, session: str) -> list[tuple[str, int]]:
    return [(str(id), int(until or 0)) for id, until in db.execute(_LINEAGE, (session, FORKS_DEEP_MAX))]


def _link(previous: bytes, at: float, body: bytes) -> bytes:
    return sha256(previous + struct.pack(">d", at) + body).digest()


def _broken(session: str, position: int) -> StoreError:
    return StoreError(
        f"The log of session {session!r} is damaged at position {position}; restore the database from a backup."
    )
