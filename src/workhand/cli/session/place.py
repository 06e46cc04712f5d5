"""Where a session's files are on this machine.

The log says what happened; this says where: the workspace, what is kept for the
model, and the folder that results are delivered to.  It is the one thing about a
session that belongs to a machine and not to its log.

    HOME/sessions/ID/place.json     what is described here
    HOME/sessions/ID/workspace/     the workspace, unless the person gave one
    HOME/sessions/ID/kept/          what is kept for the model: ``.workhand`` in its workspace
    HOME/sessions/ID/results/       delivered files, when the workspace is ours
"""

from __future__ import annotations

import errno
import json
import os
import posixpath
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from workhand.cli.settings import Settings
from workhand.core.policy import Isolation
from workhand.errors import ConfigError

MACHINE_HOME = "/home/agent"  # where a sandbox shows the workspace
KEPT = ".workhand"  # where in it the model finds what is kept
OPEN_ANY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FILE_BYTES_MAX = 1 << 30  # of a file that is copied or exported; an archive takes no larger one
DEPTH_MAX = 100


@dataclass(frozen=True, slots=True)
class Place:
    directory: Path
    workspace: Path
    owned: bool  # we made the workspace, and delete it with the session
    forked: bool = False  # the workspace is mounted: it stands on a snapshot

    def kept(self, isolation: Isolation) -> Path:
        """Where the host keeps what the model sees as ``.workhand``; without a sandbox nothing can be shown there."""
        return self.workspace / KEPT if isolation == "none" else self.directory / "kept"

    def delivered(self, path: str) -> Path:
        """Say where the person finds a file that the agent delivered by its path in the machine.

        In their own workspace a file stays where it is; everything else is copied to the results.
        """
        inside = PurePosixPath(posixpath.normpath(path))
        for home in (MACHINE_HOME, str(self.workspace)):
            if inside.is_relative_to(home):
                inside = inside.relative_to(home)
        if inside.parts[:1] == (KEPT,):
            return self.directory / "results" / "kept" / inside.relative_to(KEPT)
        elsewhere = inside.is_absolute() or ".." in inside.parts
        named = PurePosixPath(*(part for part in inside.parts if part not in ("/", "//", "..")))
        if elsewhere:
            return self.directory / "results" / "outside" / named
        return (self.directory / "results" if self.owned else self.workspace) / named


def make(settings: Settings, session: str, *, workspace: Path | None) -> Place:
    """Make the folders of a new session."""
    if workspace is not None and not workspace.is_dir():
        raise ConfigError(f"The workspace {str(workspace)!r} is not a directory; make it, or leave --workspace out.")
    directory = settings.session_directory(session)
    directory.mkdir(parents=True, exist_ok=True)
    own = directory / "workspace"
    if workspace is None:
        own.mkdir(exist_ok=True)
    return _stated(Place(directory, (workspace or own).absolute(), workspace is None))


def _stated(place: Place) -> Place:
    stated = {"workspace": None if place.owned else str(place.workspace), "forked": place.forked}
    (place.directory / "place.json").write_text(json.dumps(stated), "utf-8")
    return place


def fork(settings: Settings, session: str, snapshot: str) -> Place:
    """Make the folders of a new session whose workspace begins as a snapshot."""
    from workhand.sandbox.slots import preferred_uid
    from workhand.sandbox.snapshots.store import Store

    place = make(settings, session, workspace=None)
    uid = preferred_uid(session) if os.geteuid() == 0 else None
    made = Store(settings.snapshots).fork(snapshot, place.workspace, uid=uid)
    return _stated(replace(place, forked=made.way == "overlay"))


def find(settings: Settings, session: str) -> Place:
    """Give the place of a session, mounted if need be.  Raises ``ConfigError`` if its folder or workspace is gone."""
    directory = settings.session_directory(session)
    file = directory / "place.json"
    if not file.is_file():
        raise ConfigError(f"The folder {str(directory)!r} of session {session!r} is gone; import it from an export.")
    stated = json.loads(file.read_text("utf-8"))
    owned = stated["workspace"] is None
    workspace = directory / "workspace" if owned else Path(stated["workspace"])
    if not workspace.is_dir():
        raise ConfigError(f"The workspace {str(workspace)!r} of session {session!r} is gone; put it back.")
    place = Place(directory, workspace, owned, bool(stated.get("forked")))
    if place.forked:
        from workhand.sandbox.snapshots.store import Store

        Store(settings.snapshots).remount(workspace)
    return place


def remove(settings: Settings, session: str) -> None:
    """Delete a session's folder, never a workspace that a person gave."""
    workspace = settings.session_directory(session) / "workspace"
    if settings.snapshots.is_dir() and workspace.is_dir():
        from workhand.sandbox.snapshots.store import Store

        Store(settings.snapshots).discard(workspace)  # or what is mounted there would be emptied, and stay
    shutil.rmtree(settings.session_directory(session), ignore_errors=True)


def walk(workspace: Path) -> Iterator[tuple[str, bytes, int]]:
    """Give the regular files of a workspace as (path, content, permissions), following no link.

    The agent may have put anything anywhere, and do so meanwhile: every step is taken relative to an open directory,
    and what was opened is looked at, not what was there before.
    What is kept for the model is left out: the log has it, and wherever it is woken it is made again.
    Raises ``ConfigError`` for what cannot be read, and for more than can be.
    """
    top = os.open(workspace, OPEN_ANY | os.O_DIRECTORY)
    try:
        yield from _files(top, ())
    finally:
        os.close(top)


def _files(directory: int, parents: tuple[str, ...]) -> Iterator[tuple[str, bytes, int]]:
    for name in sorted(os.listdir(directory)):
        parts = (*parents, name)
        if parts == (KEPT,) or (opened := _opened(directory, parts)) is None:
            continue
        try:
            found = os.fstat(opened)
            if stat.S_ISDIR(found.st_mode):
                yield from _files(opened, parts)
            elif stat.S_ISREG(found.st_mode):
                yield "/".join(parts), _content(opened, parts, found.st_size), stat.S_IMODE(found.st_mode)
        finally:
            os.close(opened)


def _opened(directory: int, parts: tuple[str, ...]) -> int | None:
    """Open a file or directory that is there, without waiting for it; ``None`` for what is neither, or has gone."""
    if len(parts) > DEPTH_MAX:
        raise ConfigError(f"{'/'.join(parts[:3])!r} has more than {DEPTH_MAX} directories in each other; delete it.")
    try:
        mode = os.stat(parts[-1], dir_fd=directory, follow_symlinks=False).st_mode
        return os.open(parts[-1], OPEN_ANY, dir_fd=directory) if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return None
        remedy = "change its mode, or leave the workspace out"
        raise ConfigError(
            f"{'/'.join(parts)!r} in the workspace cannot be read: {error.strerror}; {remedy}."
        ) from error


def _content(opened: int, parts: tuple[str, ...], size: int) -> bytes:
    """Read what a file had when it was opened; one that has more by now would never end."""
    if size > FILE_BYTES_MAX:
        limit = f"of {size:,} bytes is larger than {FILE_BYTES_MAX:,}"
        raise ConfigError(f"{'/'.join(parts)!r} in the workspace {limit}; delete it, or leave the workspace out.")
    with open(opened, "rb", closefd=False) as file:
        return file.read(size)


def put(workspace: Path, path: str, content: bytes, mode: int) -> None:
    """Write one file into a fresh workspace that nobody else writes to, unless it is in what is kept."""
    if PurePosixPath(path).parts[0] == KEPT:
        return
    target = workspace / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(mode & 0o777)
