"""The SQLite file: its schema, how it is opened, and what can be wrong with it.

apsw brings its own SQLite.  A process must never open the same file through
the standard library too, nor open and close it as a plain file: both would
drop the locks that keep several processes apart.

Durability is ``WAL`` with ``synchronous=FULL``: a commit that was acknowledged
survives a power loss.  ``application_id`` says that a file is ours, and
``user_version`` which schema it has, so that neither another program's file
nor one of a newer version is ever changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

from workhand.errors import StoreError

if TYPE_CHECKING:
    from apsw import Connection

T = TypeVar("T")

APPLICATION_ID = 0x574B4844  # "WKHD"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_MS = 10_000
READERS_MAX = 4
WAL_ATTEMPTS = 200
WAL_PAUSE_S = 0.02

_PAGE_BYTES_MIN = 512

_SCHEMA = """
CREATE TABLE session (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    head INTEGER NOT NULL,
    hash BLOB NOT NULL,        -- of the last entry: the end of the hash chain
    epoch INTEGER NOT NULL,
    owner TEXT,
    parent TEXT,
    parent_head INTEGER        -- entries before this position are the parent's
) STRICT;
CREATE INDEX session_parent ON session (parent) WHERE parent IS NOT NULL;
CREATE TABLE event (
    session TEXT NOT NULL,
    position INTEGER NOT NULL,
    at REAL NOT NULL,
    codec TEXT NOT NULL,
    body BLOB NOT NULL,
    hash BLOB NOT NULL,        -- over the previous entry's hash, ``at`` and the unpacked body
    PRIMARY KEY (session, position)
) STRICT;
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX inbox_session ON inbox (session);
CREATE TABLE blob (
    digest TEXT PRIMARY KEY,
    codec TEXT NOT NULL,
    content BLOB               -- NULL: in a file beside the database
) STRICT;
CREATE TABLE orphan (
    digest TEXT PRIMARY KEY,
    since REAL NOT NULL        -- the sweep that first found the blob named by no event
) STRICT;
"""


def open_writer(path: Path) -> Connection:
    """Open the database for writing, and make it if there is none."""
    with reporting(path):
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        if 0 < path.stat().st_size < _PAGE_BYTES_MIN:  # SQLite would take it for an empty database
            raise _foreign(path)
        connection = _connect(path, read_only=False)
        try:
            empty = _is_empty(connection, path)
            _make_durable(connection)
            if empty:
                _create(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _make_durable(connection: Connection) -> None:
    """Choose the write-ahead log; while another process does so too, SQLite says that it is busy and does not wait."""
    import apsw

    for attempt in range(WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=1")
        except apsw.BusyError:
            if attempt == WAL_ATTEMPTS - 1:
                raise
            time.sleep(WAL_PAUSE_S)
        else:
            return


def open_checkpointer(path: Path) -> Connection:
    """Open a connection that can move the write-ahead log; before its first read it knows of none."""
    connection = _connect(path, read_only=False)
    connection.execute("PRAGMA fullfsync=1; SELECT 1 FROM sqlite_schema").fetchall()
    return connection


class Readers:
    """A few read-only connections, each used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Connection] = []
        self._limiter = CapacityLimiter(READERS_MAX)

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """Run a short read in a thread; it sees one state of the database throughout."""
        return await to_thread.run_sync(self._run, operation, limiter=self._limiter)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _run(self, operation: Callable[[Connection], T]) -> T:
        with reporting(self._path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = _connect(self._path, read_only=True)
            try:
                with connection:
                    value = operation(connection)
            finally:
                self._idle.append(connection)
        return value


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a ``StoreError`` that says what to do."""
    import apsw

    try:
        yield
    except apsw.BusyError as error:
        raise StoreError(f"The database {str(path)!r} is locked by another process; end that one or wait.") from error
    except apsw.FullError as error:
        raise StoreError(f"The disk of the database {str(path)!r} is full; make room and try again.") from error
    except apsw.NotADBError as error:
        raise _foreign(path) from error
    except UnicodeEncodeError as error:
        raise StoreError(f"The text {error.object!r} cannot be stored: it is not Unicode; correct it.") from error
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        raise _damaged(path) from error
    except (apsw.Error, OSError) as error:
        raise StoreError(f"The database {str(path)!r} cannot be used: {error}; see `workhand doctor`.") from error


def _connect(path: Path, *, read_only: bool) -> Connection:
    import apsw

    mode = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    connection = apsw.Connection(str(path), flags=mode)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return connection


def _is_empty(connection: Connection, path: Path) -> bool:
    """Tell a new file from one that is ours; refuse every other."""
    with connection:  # one state of the file: another process may be making it
        has_tables = connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        application = connection.pragma("application_id")
        version = connection.pragma("user_version")
    if application == version == 0 and not has_tables:
        return True
    if application != APPLICATION_ID:
        raise _foreign(path)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"The database {str(path)!r} has schema {version!r}, and this version reads schemas up to "
            f"{SCHEMA_VERSION}; a newer version made it: upgrade workhand to use it."
        )
    if version != SCHEMA_VERSION:
        raise _damaged(path)
    return False


def _create(connection: Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _is_empty(connection, path):  # another process may have been first
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _foreign(path: Path) -> StoreError:
    return StoreError(f"The file {str(path)!r} is not a workhand database; give another path.")


def _damaged(path: Path) -> StoreError:
    return StoreError(
        f"The database {str(path)!r} is damaged; `workhand doctor` says where: move it aside and restore a backup."
    )
