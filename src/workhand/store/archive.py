"""A whole session in one file, to keep, to move or to show to somebody.

A zip that any tool opens, with

    format.json          {"archive":1,"format":2,"session":...,"title":...}
    events.jsonl         one entry a line, a fork's parent's first: nothing else is needed to read it
    blobs/DIGEST         the originals that the events name
    workspace/PATH       the files the session worked on, if they were given

The same session gives the same members, in the same order and with the same
times; only how well they are deflated is the zlib's of the machine.

Nothing in a file from elsewhere is believed.  Everything is verified before
anything is kept, blobs are stored before the session that needs them, and the
session appears in one transaction as the last step.
"""

from __future__ import annotations

import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from anyio import to_thread

from workhand.core import canonical
from workhand.core.events import FORMAT, SessionEnded, SessionStarted
from workhand.core.log import Entry
from workhand.core.ports import SessionRow
from workhand.errors import StoreError
from workhand.store.codec import decode_line, encode_line, named_blobs

ARCHIVE_VERSION = 1
MEMBERS_MAX = 100_000
MEMBER_BYTES_MAX = 1 << 30
TOTAL_BYTES_MAX = 8 << 30
HEADER, EVENTS = "format.json", "events.jsonl"  # the two members that every archive has
# What `zipfile` raises for what it cannot unpack: damaged, cut, encrypted, or packed in a way that it has no code for.
UNPACKING_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)

WorkspaceFile: TypeAlias = tuple[str, bytes, int]  # path in the workspace, content, permissions

_FLAGS = 0x080E  # how it was deflated, sizes after the content, names in UTF-8; not: encrypted, patched
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PERMISSIONS = 0o777
_BLOB = re.compile(r"blobs/([0-9a-f]{64})")
_WORKSPACE = "workspace/"
_UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")  # what a name in a zip cannot have


class ArchiveStore(Protocol):
    """What is needed of a store: five of its methods."""

    async def read(self, session: str) -> tuple[Entry, ...]: ...

    async def sessions(self) -> tuple[SessionRow, ...]: ...

    async def put(self, content: bytes) -> str: ...

    async def get(self, digest: str) -> bytes: ...

    async def adopt(self, session: str, entries: tuple[Entry, ...], *, title: str, at: float, status: str) -> None:
        """Make a session with all its entries at once, or raise ``Conflict`` if the id is taken."""
        ...


async def export_session(
    store: ArchiveStore, session: str, target: Path, *, workspace: Iterable[WorkspaceFile] = ()
) -> None:
    """Write a session to the file ``target``; what is there is replaced once all is written."""
    entries = await store.read(session)
    title = next((row.title for row in await store.sessions() if row.id == session), "")
    started = (entry.event.format for entry in entries if isinstance(entry.event, SessionStarted))
    log_format = max(started, default=FORMAT)  # a log keeps the format in which it was begun
    header = {"archive": ARCHIVE_VERSION, "format": log_format, "session": session, "title": title}
    files = sorted(workspace)
    for path, _, _ in files:
        if not _is_inside(path):
            raise StoreError(f"The file {path!r} cannot be in an archive; rename it, or export without the workspace.")
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            await to_thread.run_sync(_write, archive, HEADER, canonical.encode(header))
            lines = b"".join(encode_line(entry) + b"\n" for entry in entries)
            await to_thread.run_sync(_write, archive, EVENTS, lines)
            for digest in _needed(entries):
                await to_thread.run_sync(_write, archive, f"blobs/{digest}", await store.get(digest))
            for path, content, mode in files:
                await to_thread.run_sync(_write, archive, _WORKSPACE + path, content, mode)
        part.replace(target)
    except OSError as error:
        raise StoreError(f"The archive {str(target)!r} cannot be written: {error}; give another path.") from error
    finally:
        part.unlink(missing_ok=True)


async def import_session(
    store: ArchiveStore,
    source: Path,
    *,
    at: float,
    session: str | None = None,
    place: Callable[[str, bytes, int], None] | None = None,
) -> str:
    """Read a session from the file ``source`` into the store, and give its id.

    ``session`` is the id to give it, by default the one it had; ``Conflict`` is
    raised if that is taken.  ``place`` is called in a thread with path, content
    and permissions of every workspace file; the session is only made after all
    of them, so what a failed import has placed can be removed.
    """
    with _reading(source):
        archive = zipfile.ZipFile(source)
    with archive:
        contents = await to_thread.run_sync(_verify, archive, source)
        for member in contents.blobs:
            await store.put(await to_thread.run_sync(_content, archive, source, member))
        if place is not None:
            for member, mode in contents.workspace:
                content = await to_thread.run_sync(_content, archive, source, member)
                await to_thread.run_sync(place, member.removeprefix(_WORKSPACE), content, mode)
    id = session or contents.session
    ended = bool(contents.entries) and isinstance(contents.entries[-1].event, SessionEnded)
    status = "ended" if ended else "waiting"
    await store.adopt(id, contents.entries, title=contents.title, at=at, status=status)
    return id


@dataclass(frozen=True, slots=True)
class _Contents:
    session: str
    title: str
    entries: tuple[Entry, ...]
    blobs: tuple[str, ...]  # names of members
    workspace: tuple[tuple[str, int], ...]  # names of members, and permissions


def _needed(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    return tuple(sorted({digest for entry in entries for digest in named_blobs(entry.event)}))


def _write(archive: zipfile.ZipFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3  # Unix, wherever this runs: it is what gives the mode its meaning
    member.external_attr = (stat.S_IFREG | mode & _PERMISSIONS) << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, content)


def _verify(archive: zipfile.ZipFile, source: Path) -> _Contents:
    """Read every byte of an archive once, and refuse what is not as it should be."""
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(names) < len(members) or len(names) > MEMBERS_MAX:
        raise _refused(source, f"it has {len(members)} members, of which {len(names)} differ in name")
    if sum(member.file_size for member in members) > TOTAL_BYTES_MAX:
        raise _refused(source, f"it unpacks to more than {TOTAL_BYTES_MAX} bytes")
    for member in members:
        _verify_member(member, source)
        content = _content(archive, source, member.filename)
        blob = _BLOB.fullmatch(member.filename)
        if blob and canonical.digest(content) != blob[1]:
            raise _refused(source, f"the content of {member.filename!r} has another digest")
    session, title = _header(archive, source)
    entries = _entries(archive, source, session)
    blobs = tuple(f"blobs/{digest}" for digest in _needed(entries))
    missing = sorted(set(blobs) - names)
    if missing:
        raise _refused(source, f"its events name {len(missing)} blobs that it does not have, like {missing[0]!r}")
    workspace = tuple(
        (member.filename, member.external_attr >> 16 & _PERMISSIONS)
        for member in members
        if member.filename.startswith(_WORKSPACE)
    )
    return _Contents(session, title, entries, blobs, workspace)


def _verify_member(member: zipfile.ZipInfo, source: Path) -> None:
    name = member.filename
    if member.file_size > MEMBER_BYTES_MAX:
        raise _refused(source, f"its member {name!r} has more than {MEMBER_BYTES_MAX} bytes")
    known = name in (HEADER, EVENTS) or _BLOB.fullmatch(name)
    if not known and not (name.startswith(_WORKSPACE) and _is_inside(name.removeprefix(_WORKSPACE))):
        raise _refused(source, f"its member {name!r} has no place in an archive")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _refused(source, f"its member {name!r} is not a file")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & ~_FLAGS:
        raise _refused(source, f"its member {name!r} is packed in an unusual way")


def _is_inside(path: str) -> bool:
    """Tell whether a path stays below the folder it is taken from, and is the only spelling of itself."""
    return not {"", ".", ".."}.intersection(path.split("/")) and not _UNSPEAKABLE.search(path)


def _header(archive: zipfile.ZipFile, source: Path) -> tuple[str, str]:
    try:
        header = json.loads(_content(archive, source, HEADER))
    except (ValueError, RecursionError) as error:
        raise _refused(source, "its format.json is not JSON") from error
    match header:
        case {"archive": int() as archive_version, "format": int() as log_format, **others}:
            if archive_version > ARCHIVE_VERSION or log_format > FORMAT:
                raise StoreError(
                    f"The archive {str(source)!r} has version {archive_version!r} and log format {log_format!r}, "
                    f"and this version reads up to {ARCHIVE_VERSION} and {FORMAT}: upgrade workhand to import it."
                )
            match others:
                case {"session": str() as session, "title": str() as title} if session:
                    return session, title
    raise _refused(source, "its format.json does not say what it is")


def _entries(archive: zipfile.ZipFile, source: Path, session: str) -> tuple[Entry, ...]:
    lines = _content(archive, source, EVENTS).split(b"\n")
    if lines.pop() != b"":
        raise _refused(source, "the last line of its events.jsonl is cut")
    return tuple(decode_line(line, session, position) for position, line in enumerate(lines))


def _content(archive: zipfile.ZipFile, source: Path, member: str) -> bytes:
    with _reading(source):
        try:
            return archive.read(member)
        except KeyError:
            raise _refused(source, f"it has no {member!r}") from None


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"The archive {str(source)!r} cannot be read: {error}; give another path.") from error
    except UNPACKING_ERRORS as error:
        raise _refused(source, f"it cannot be unpacked ({error})") from error


def _refused(source: Path, why: str) -> StoreError:
    return StoreError(f"The archive {str(source)!r} cannot be imported: {why}; export it again or get another copy.")
