"""Keep what the model is promised by a path, and make it again wherever it is missing.

A prompt says where the rest is: the original of a result, the arguments of a
compacted call, the history behind a summary.  All of that follows from the log
and its originals, so the folder that has it is a cache: after a crash, on another
machine and in a fork it is completed before anything else is done, and what
leaves the context is looked at first.  The views of the log are written beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workhand.core.canonical import digest
from workhand.core.events import HistorySummarized, ResultsCompacted, ToolReturned
from workhand.core.log import Log
from workhand.core.ports import BlobStore, Toolbox
from workhand.core.reducing import history, written
from workhand.core.views import PROGRESS, VIEWS, Views, views_of

PROGRESS_STEPS = 8  # actions between two writings of the one view that every action changes


@dataclass(frozen=True, slots=True)
class Promise:
    """A file that the model may be told to read."""

    path: str
    digest: str
    content: bytes | None = None  # None: the original with that digest


def promises(log: Log) -> tuple[Promise, ...]:
    """Give every file that the log in view names: each exists, or can be made from the log and its originals."""
    since = 0
    found: list[Promise] = []
    for event in log.events:
        match event:
            case ToolReturned():
                found += _result(event)
            case ResultsCompacted():
                found += _arguments(log, event)
            case HistorySummarized(until, _, path):
                found.append(_written(path, history(log, since, until)))
                since = until
    return tuple(found)


def promised_by(reduction: ResultsCompacted, log: Log) -> tuple[Promise, ...]:
    """Give the files that a compaction would send the model to."""
    results = (event for event in log.events if isinstance(event, ToolReturned) and event.call_id in reduction.call_ids)
    return (*(promise for result in results for promise in _result(result)), *_arguments(log, reduction))


async def broken(promised: Iterable[Promise], toolbox: Toolbox) -> tuple[Promise, ...]:
    """Give those of the promises whose files are missing or hold something else."""
    wanted = tuple(promised)
    there = await toolbox.kept(tuple(each.path for each in wanted))
    return tuple(each for each in wanted if there.get(each.path) != each.digest)


async def fulfil(promised: Iterable[Promise], toolbox: Toolbox, blobs: BlobStore) -> None:
    """Write the files again.  Raises ``StoreError`` if an original is lost."""
    for each in promised:
        await toolbox.keep(each.path, await blobs.get(each.digest) if each.content is None else each.content)


async def restore(log: Log, toolbox: Toolbox, blobs: BlobStore) -> None:
    """Make the folder complete; where nothing is missing, nothing is read but the digests of what is there."""
    await fulfil(await broken(promises(log), toolbox), toolbox, blobs)


class Shown:
    """Which state of each view is in the folder."""

    def __init__(self) -> None:
        self.states: dict[str, tuple[Views, int]] = {}

    async def restore(self, log: Log, toolbox: Toolbox) -> None:
        """Bring all views up to date, whoever has written them before."""
        views = views_of(log)
        there = await toolbox.kept(VIEWS)
        for path in VIEWS:
            self.states[path] = views, views.changes[path]
            content = views.text(path).encode(errors="replace")
            if (views.changes[path] or path in there) and there.get(path) != digest(content):
                await toolbox.keep(path, content)

    async def update(self, log: Log, toolbox: Toolbox, *, resting: bool = False) -> None:
        """Write the views that have changed; the one that every action changes only now and then, and at rest."""
        views = views_of(log)
        for path in self._changed(views, resting):
            self.states[path] = views, views.changes[path]
            await toolbox.keep(path, views.text(path).encode(errors="replace"))

    def _changed(self, views: Views, resting: bool) -> Iterator[str]:
        for path in VIEWS:
            known, count = self.states.get(path, (views, 0))
            behind = views.changes[path] - count if known is views else PROGRESS_STEPS
            if behind >= (PROGRESS_STEPS if path == PROGRESS and not resting else 1):
                yield path


def _result(returned: ToolReturned) -> list[Promise]:
    seen = returned.observation
    return [Promise(seen.path, seen.blob)] if seen.path is not None and seen.blob is not None else []


def _arguments(log: Log, reduction: ResultsCompacted) -> list[Promise]:
    return [_written(path, content) for path, content in written(log, reduction.arguments)]


def _written(path: str, content: bytes) -> Promise:
    return Promise(path, digest(content), content)
