"""One thread that writes, and many writes in one commit.

A durable commit costs one flush of the disk however much is in it.  So while
one group is being flushed the next one gathers, and everybody in it waits for
a single flush: ten times the throughput of a commit per append.

Each write of a group has its own savepoint: what one of them raises (most
often ``Conflict``) undoes that one and concerns nobody else.  Only when SQLite
gives up the whole transaction (disk full, input/output error) do all fail.
A caller that is cancelled while it waits does not know whether its write was
committed, and has to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from workhand.errors import StoreError
from workhand.store.checkpoints import Checkpointer
from workhand.store.database import open_writer, reporting

if TYPE_CHECKING:
    from apsw import Connection

T = TypeVar("T")

GROUP_MAX = 512


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Callable[[Connection], object]
    future: asyncio.Future[Any]  # of what the operation gives; of a loop that may end before the write


@dataclass(frozen=True, slots=True)
class _Outcome:
    future: asyncio.Future[Any]
    value: object = None
    error: StoreError | None = None


class Writer:
    """Runs operations on the one writing connection, in the order in which they were given."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_writer(path)
        self._checkpointer = Checkpointer(path, self._connection)
        self._queue: SimpleQueue[_Write | None] = SimpleQueue()
        self._closed = False
        self._thread = Thread(target=self._work, name="workhand-store-writer", daemon=True)
        self._thread.start()

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """Run a write and give its result once it is durable, or raise what it raised."""
        if self._closed:
            raise _closed(self._path)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(operation, future))
        return await future

    def close(self) -> None:
        """Finish what was given, and close the connection."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._checkpointer.close()
        self._connection.close()

    def _work(self) -> None:
        group: list[_Write] = []
        last = False
        try:
            while not last and (first := self._queue.get()) is not None:
                group, last = self._gather(first)
                _report(self._commit(group))
                group = []
        finally:  # also if an operation has a fault of its own: nobody may wait for ever
            self._closed = True
            _report(_Outcome(left.future, error=_closed(self._path)) for left in (*group, *iter(self._next, None)))

    def _gather(self, first: _Write) -> tuple[list[_Write], bool]:
        """Give what is waiting, and whether the writer is to end after it."""
        group = [first]
        with suppress(Empty):
            while len(group) < GROUP_MAX:
                write = self._queue.get_nowait()
                if write is None:
                    return group, True
                group.append(write)
        return group, False

    def _next(self) -> _Write | None:
        return None if self._queue.empty() else self._queue.get_nowait()

    def _commit(self, group: list[_Write]) -> list[_Outcome]:
        connection = self._connection
        try:
            with reporting(self._path):
                connection.execute("BEGIN IMMEDIATE")
                outcomes = [self._one(write) for write in group]
                connection.execute("COMMIT")
        except StoreError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [_Outcome(write.future, error=StoreError(str(error))) for write in group]
        return outcomes

    def _one(self, write: _Write) -> _Outcome:
        try:
            with reporting(self._path), self._connection:
                value = write.operation(self._connection)
        except StoreError as error:
            if not self._connection.in_transaction:
                raise  # SQLite has undone the whole group
            return _Outcome(write.future, error=error)
        return _Outcome(write.future, value)


def _report(outcomes: Iterable[_Outcome]) -> None:
    """Wake those who wait, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.future.get_loop(), []).append(outcome)
    for loop, those in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed, and those who waited are gone with it
            loop.call_soon_threadsafe(_settle, those)


def _settle(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        if outcome.future.done():  # cancelled
            continue
        if outcome.error is not None:
            outcome.future.set_exception(outcome.error)
        else:
            outcome.future.set_result(outcome.value)


def _closed(path: Path) -> StoreError:
    return StoreError(f"The store {str(path)!r} is closed; open it again to use it.")
