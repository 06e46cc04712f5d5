"""Which state of the workspace belongs to which position of a log.

A snapshot is taken while the model is asked: nothing of the agent's runs then that could change a file, but for
what it has left in the background.
"""

from __future__ import annotations

from collections.abc import Iterable

from workhand.core.events import FilesNotSaved, FilesSaved, GivenBack, Rewound, ToolStarted
from workhand.core.log import Entry, Log


def is_due(log: Log) -> bool:
    """Say whether files may have changed since they were last saved, or were never saved."""
    tried = log.index(FilesSaved, FilesNotSaved)
    return tried < 0 or tried < log.index(ToolStarted, GivenBack)


def is_known(log: Log, done: FilesSaved | FilesNotSaved) -> bool:
    """Say whether the log says so already."""
    tried = log.index(FilesSaved, FilesNotSaved)
    match done, log.entries[tried].event if tried >= 0 else None:
        case FilesSaved(snapshot), FilesSaved(known):
            return snapshot == known
        case FilesNotSaved(reason), FilesNotSaved(told):
            return reason == told
    return False


def snapshots(log: Log) -> tuple[str, ...]:
    """Give the snapshots of a log, the latest last."""
    return tuple(event.snapshot for event in log.events if isinstance(event, FilesSaved))


def snapshot_at(record: Iterable[Entry], position: int) -> str | None:
    """Give the snapshot that holds the files as they were before the entry at ``position``; none if there is none.

    One that was taken later will do if nothing could change a file in between.
    """
    entries = tuple(record)
    later = (entry.event for entry in entries if entry.position >= position)
    for event in later:
        match event:
            case FilesSaved(snapshot):
                return snapshot
            case FilesNotSaved():
                return None
            case ToolStarted() | GivenBack() | Rewound():
                break
    before = Log.of(entry for entry in entries if entry.position < position)
    if before.index(FilesNotSaved) > before.index(FilesSaved):
        return None
    return next(reversed(snapshots(before)), None)
