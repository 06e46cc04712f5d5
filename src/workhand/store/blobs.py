"""Content named by its digest: rows, and files for what is large.

A blob is durable before the event that names it is written, so a crash leaves
at most a blob that nothing names.  Those are swept: a sweep only remembers what
it found unnamed, a later one deletes what stayed so, and storing the content
again takes it off that list.  So no clock is needed to store, and a blob
cannot vanish between being stored and being named.

Files are written and flushed under a temporary name before they take the
database's write lock, and renamed or removed only under it.  Everything here
may raise what SQLite and the file system raise; the callers report it.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workhand.core.canonical import digest as digest_of
from workhand.errors import StoreError
from workhand.store.packing import pack, unpack

if TYPE_CHECKING:
    from apsw import Connection

ROW_BYTES_MAX = 8_000_000
"""Packed content that is larger goes into a file."""

_DIGEST = re.compile(rb"[0-9a-f]{64}")
_INCOMING = "incoming-"


@dataclass(frozen=True, slots=True)
class Blob:
    """Content on its way into the store: packed bytes, or the flushed file that has them."""

    digest: str
    codec: str
    packed: bytes | None
    staged: Path | None


def prepare(content: bytes, folder: Path) -> Blob:
    """Name and pack content; if it is large, write it where ``write`` only has to rename it."""
    codec, packed = pack(content)
    if len(packed) <= ROW_BYTES_MAX:
        return Blob(digest_of(content), codec, packed, None)
    return Blob(digest_of(content), codec, None, _stage(folder, packed))


def write(db: Connection, blob: Blob, folder: Path) -> str:
    """Insert a blob unless it is there; give its digest."""
    db.execute("DELETE FROM orphan WHERE digest = ?", (blob.digest,))
    if db.execute("SELECT 1 FROM blob WHERE digest = ?", (blob.digest,)).fetchone():
        if blob.staged is not None:
            blob.staged.unlink()
        return blob.digest
    if blob.staged is not None:
        blob.staged.replace(folder / blob.digest)
        _flush(folder)
    db.execute("INSERT INTO blob VALUES (?, ?, ?)", (blob.digest, blob.codec, blob.packed))
    return blob.digest


def read(db: Connection, digest: str, folder: Path) -> bytes:
    row = db.execute("SELECT codec, content FROM blob WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        raise StoreError(f"There is no blob {digest!r} in this store; restore the database from a backup.")
    codec, packed = row
    if packed is None:
        packed = (folder / digest).read_bytes()
    if isinstance(packed, bytes) and digest_of(content := unpack(codec, packed)) == digest:
        return content
    raise StoreError(f"Blob {digest!r} is damaged: its content has another digest; restore it from a backup.")


def unnamed(db: Connection) -> frozenset[str]:
    """Give the blobs that no event names, wherever in it; a mere mention keeps a blob."""
    named: set[bytes] = set()
    for codec, packed in db.execute("SELECT codec, body FROM event UNION ALL SELECT 'raw', body FROM inbox"):
        named.update(_DIGEST.findall(unpack(codec, packed)))
    return frozenset(digest for (digest,) in db.execute("SELECT digest FROM blob") if digest.encode() not in named)


def drop(db: Connection, orphans: frozenset[str], *, at: float, grace_s: float) -> int:
    """Delete what an earlier sweep found unnamed too, and remember the rest; give how many were deleted."""
    since: dict[str, float] = dict(db.execute("SELECT digest, since FROM orphan"))
    ripe = {digest for digest in orphans if digest in since and since[digest] <= at - grace_s}
    db.executemany("DELETE FROM blob WHERE digest = ?", [(digest,) for digest in ripe])
    db.execute("DELETE FROM orphan")
    db.executemany("INSERT INTO orphan VALUES (?, ?)", [(digest, since.get(digest, at)) for digest in orphans - ripe])
    return len(ripe)


def remove_files(db: Connection, folder: Path, *, at: float, grace_s: float) -> None:
    """Remove the files of deleted blobs, and what a crash left unfinished.  Needs the write lock."""
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.name.startswith(_INCOMING):
            left = file.stat().st_mtime <= at - grace_s
        else:
            left = not db.execute("SELECT 1 FROM blob WHERE digest = ?", (file.name,)).fetchone()
        if left:
            file.unlink()


def _stage(folder: Path, packed: bytes) -> Path:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        _flush(folder.parent)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_INCOMING, delete=False) as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)


def _flush(folder: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
