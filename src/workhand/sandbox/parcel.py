"""A workspace as one archive, for machines that cannot see this host's file system.

What comes back was packed by the machine and is not trusted: it is laid out by walking directories without
following a link, nothing in it reaches past the workspace, and it is bounded in bytes and in number.  Links are made
as they are, as on every machine; that is why nothing on the host follows one.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workhand.errors import SandboxError, SandboxUnavailable
from workhand.sandbox.limits import MIB

BYTES_MAX = 1_024 * MIB
PACKED_BYTES_MAX = 128 * MIB
ENTRIES_MAX = 200_000
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
IN_THE_WAY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True)
class Parcel:
    packed: bytes  # tar, gzip
    names: frozenset[str]


def pack(workspace: Path, left_out: str) -> Parcel:
    """Pack a workspace, but for one name at its top.  Raises ``SandboxUnavailable`` if it is too large."""
    packed, names, held = io.BytesIO(), set[str](), 0

    def counted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal held
        name = entry.name.removeprefix("./")
        if name == left_out:
            return None
        names.add(name)
        held += entry.size
        if held > BYTES_MAX or len(names) > ENTRIES_MAX or packed.tell() > PACKED_BYTES_MAX:
            limits = f"{BYTES_MAX // MIB} MiB ({PACKED_BYTES_MAX // MIB} packed) and {ENTRIES_MAX:,} files"
            raise SandboxUnavailable(
                f"The workspace {str(workspace)!r} is more than the {limits} that are sent to a remote machine; "
                "move what is not needed out of it."
            )
        return entry

    try:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            archive.add(workspace, ".", filter=counted)
    except OSError as error:
        raise SandboxUnavailable(f"The workspace cannot be sent: {error.filename!r}: {error.strerror}.") from error
    return Parcel(packed.getvalue(), frozenset(names - {"."}))


def unpack(archived: IO[bytes], workspace: Path, left_out: str, sent: frozenset[str]) -> None:
    """Make a workspace what an archive says: lay out what is in it, and take away what was sent and is not.

    Raises ``SandboxError`` for an archive that cannot be one of a workspace; what was laid out before stays.
    """
    try:
        with _opened(os.open(workspace, OPEN_DIRECTORY)) as top, tarfile.open(fileobj=archived, mode="r:") as archive:
            names = _lay_all(archive, top, left_out)
            for name in sorted(sent - names, reverse=True):  # what is in a directory before the directory
                _take_away(top, name)
    except (tarfile.TarError, EOFError) as error:
        raise SandboxError(f"The machine sent no archive of its workspace: {error}.") from error


def _lay_all(archive: tarfile.TarFile, top: int, left_out: str) -> set[str]:
    names, held = set[str](), 0
    for entry in archive:
        parts = _parts(entry.name)
        if not parts or parts[0] == left_out:
            continue
        names.add("/".join(parts))
        held += entry.size
        if held > BYTES_MAX or len(names) > ENTRIES_MAX:
            raise SandboxError(f"The machine's workspace has more than {BYTES_MAX:,} bytes or {ENTRIES_MAX:,} files.")
        with _entered(top, parts[:-1]) as folder:
            _lay(archive, entry, folder, parts[-1], top)
    return names


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise SandboxError(f"The machine sent {name!r}, which is no place in a workspace.")
    return parts


def _lay(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: int, name: str, top: int) -> None:
    if entry.isdir():
        with _entered(folder, (name,)) as made:
            os.fchmod(made, entry.mode & 0o777 | 0o700)
        return
    _clear(folder, name)
    if entry.issym():
        os.symlink(entry.linkname, name, dir_fd=folder)
    elif entry.islnk():
        *above, target = _parts(entry.linkname) or (name,)
        with _entered(top, tuple(above)) as other:
            os.link(target, name, src_dir_fd=other, dst_dir_fd=folder, follow_symlinks=False)
        return
    elif (content := archive.extractfile(entry)) is not None:
        with open(os.open(name, MAKE_FILE, 0o600, dir_fd=folder), "wb") as made_file:
            shutil.copyfileobj(content, made_file)
            os.fchmod(made_file.fileno(), entry.mode & 0o777)
    else:
        return  # A pipe or a device: nothing that a file system of another machine could give back.
    _give(folder, name, top)
    os.utime(name, (entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _entered(top: int, parts: tuple[str, ...]) -> Iterator[int]:
    """Open a directory below another, making it in the place of whatever else is there."""
    here = os.dup(top)
    try:
        for name in parts:
            below = _below(here, name, top)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _below(folder: int, name: str, top: int) -> int:
    try:
        return os.open(name, OPEN_DIRECTORY, dir_fd=folder)
    except OSError as error:
        if error.errno not in IN_THE_WAY:
            raise
    _clear(folder, name)
    os.mkdir(name, 0o755, dir_fd=folder)
    _give(folder, name, top)
    return os.open(name, OPEN_DIRECTORY, dir_fd=folder)


def _give(folder: int, name: str, top: int) -> None:
    """Give what was made to the owner of the workspace."""
    if os.geteuid() == 0:
        owner = os.fstat(top)
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder, follow_symlinks=False)


def _clear(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=folder)


def _take_away(top: int, name: str) -> None:
    """Remove what the machine has removed; a directory only if nothing else has come into it."""
    *above, last = name.split("/")
    here = os.dup(top)
    try:
        for part in above:
            below = os.open(part, OPEN_DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        if stat.S_ISDIR(os.stat(last, dir_fd=here, follow_symlinks=False).st_mode):
            os.rmdir(last, dir_fd=here)
        else:
            os.unlink(last, dir_fd=here)
    except OSError as error:
        if error.errno not in (*IN_THE_WAY, errno.ENOTEMPTY):
            raise
    finally:
        os.close(here)
