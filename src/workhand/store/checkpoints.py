"""Moving committed pages from the write-ahead log into the database.

SQLite does this inside a commit unless told otherwise, and then everybody in
that commit waits for it.  Here a thread of its own does it, on a connection of
its own: beside the writer while the log is small (``PASSIVE``), and holding
the writer back once the log has grown so large that it must be restarted.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING

from workhand.store.database import open_checkpointer

if TYPE_CHECKING:
    from apsw import Connection

PASSIVE_PAGES = 4_000
RESTART_PAGES = 16_000


class Checkpointer:
    """Watches the commits of one connection."""

    def __init__(self, path: Path, writer: Connection) -> None:
        self._path = path
        self._due = PASSIVE_PAGES
        self._queue: Queue[int | None] = Queue(maxsize=1)
        self._thread = Thread(target=self._work, name="workhand-store-checkpointer", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._committed)

    def close(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _committed(self, _connection: Connection, _name: str, pages: int) -> int:
        if pages < PASSIVE_PAGES:
            self._due = PASSIVE_PAGES
        elif pages >= self._due:
            self._due = pages + PASSIVE_PAGES
            with suppress(Full):  # one is under way and another waits: enough
                self._queue.put_nowait(pages)
        return 0

    def _work(self) -> None:
        import apsw

        while (pages := self._queue.get()) is not None:
            with suppress(apsw.Error):  # nothing is lost: what stays in the log is moved the next time
                connection = open_checkpointer(self._path)
                try:
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                    if pages >= RESTART_PAGES:
                        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
                finally:
                    connection.close()
