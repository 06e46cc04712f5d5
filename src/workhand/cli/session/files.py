"""Keep a session's files while it works, and put them back when its conversation goes back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from workhand.cli.session.place import Place
from workhand.cli.settings import Settings
from workhand.core.events import FilesNotSaved, FilesSaved
from workhand.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workhand.core.ports import EventStore
    from workhand.tools.toolbox import Save


def saver(settings: Settings, place: Place) -> Save | None:
    """Give what keeps the workspace of a session as it is; none if the person wants nothing kept, or it is not here."""
    here = settings.snapshot_bytes_max > 0 and not settings.elsewhere
    return partial(save, settings, place) if here else None


async def save(settings: Settings, place: Place, snapshots: tuple[str, ...]) -> FilesSaved | FilesNotSaved:
    """Keep a workspace as it is, on top of the latest of the session's snapshots that is there."""
    return await to_thread.run_sync(_save, settings, place, snapshots)


def _save(settings: Settings, place: Place, snapshots: tuple[str, ...]) -> FilesSaved | FilesNotSaved:
    from workhand.sandbox.snapshots.store import Refused, SnapshotLimits, Store

    try:
        store = Store(settings.snapshots)
        parent = next(filter(store.has, reversed(snapshots)), None)
        limits = SnapshotLimits(quota_bytes=settings.snapshot_bytes_max)
        done = store.take(place.workspace, parent, held=snapshots, limits=limits)
    except SandboxError as error:  # A full disk is no reason to stop working.
        return FilesNotSaved(str(error))
    if isinstance(done, Refused):
        return FilesNotSaved(done.reason)
    return FilesSaved(done.id, done.changed_files, done.changed_bytes, done.notes)


@asynccontextmanager
async def within_disk(settings: Settings, place: Place, end: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold what is written to a workspace to its limit, for as long as the context lasts."""
    from workhand.sandbox.meter import watch_disk

    if settings.machine.disk_bytes is None:
        yield
        return
    async with anyio.create_task_group() as group:
        group.start_soon(watch_disk, place.workspace, settings.machine.disk_bytes, end)
        yield
        group.cancel_scope.cancel()


def restore(settings: Settings, place: Place, snapshot: str) -> int:
    """Make a workspace hold what it did then, owned by whom it is now; give how much had to change."""
    from workhand.sandbox.snapshots.store import Store

    found = place.workspace.stat()
    owner = (found.st_uid, found.st_gid) if os.geteuid() == 0 else None
    return Store(settings.snapshots).restore(place.workspace, snapshot, owner=owner)


def is_there(settings: Settings, snapshot: str | None) -> bool:
    from workhand.sandbox.snapshots.store import Store

    return snapshot is not None and settings.snapshots.is_dir() and Store(settings.snapshots).has(snapshot)


def hand_over(settings: Settings, place: Place) -> Callable[[Path, int], None]:
    """Give what makes a workspace another user's: what is mounted is mounted anew, and no file is touched."""
    from workhand.sandbox.slots import give
    from workhand.sandbox.snapshots.store import Store

    if not place.forked:
        return give
    return lambda workspace, uid: Store(settings.snapshots).remount(workspace, uid=uid)


async def collect(settings: Settings, store: EventStore) -> None:
    """Remove the snapshots that no log points to, and forks whose session is gone."""
    if settings.snapshots.is_dir():
        records = [await store.read(row.id) for row in await store.sessions()]
        keep = {entry.event.snapshot for record in records for entry in record if isinstance(entry.event, FilesSaved)}
        await to_thread.run_sync(_collect, settings, keep)


def _collect(settings: Settings, keep: set[str]) -> None:
    from workhand.sandbox.snapshots.store import Store

    kept = Store(settings.snapshots)
    for fork in kept.forks():
        if not Path(fork.target).is_dir():
            kept.discard(Path(fork.target))
    kept.collect(keep)
