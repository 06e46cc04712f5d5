"""The folder of the host's in which a session's files for the model are kept.

What the context engine takes out of the prompt is promised to the model by a
path, so nothing but this may change it.  The files lie outside of the workspace
and a sandbox shows them read-only as ``.workhand``.  Files are replaced at
once, with modes of their own whatever the umask, and every step of a path is taken
from an open directory, following no link: without a sandbox the folder is in
the workspace itself, where a command may have planted one.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from anyio import to_thread

from workhand.errors import StoreError

NAME = ".workhand"  # of the folder, as the model sees it in its workspace
IGNORE = ".gitignore"
FILE_MODE, DIRECTORY_MODE = 0o444, 0o755
BLOCK_BYTES = 1 << 20
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

State: TypeAlias = tuple[int, int, int]  # what tells one state of a file from another: inode, size, time of change


class Folder:
    """Keep files under names below ``.workhand/`` in one directory of the host's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.known: dict[str, tuple[State, str]] = {}  # digests of files, while they are as they were

    def make(self) -> None:
        """Make the folder if it is missing.  Raises ``StoreError`` where something else has its name."""
        with self._reported(self.directory):
            os.close(self._open(()))

    async def keep(self, path: str, content: bytes) -> None:
        """Put a file there, or replace it at once.

        Raises ``StoreError`` for a path that is not below ``.workhand/``, and if it cannot be written.
        """
        await to_thread.run_sync(self._keep, path, content)

    async def digests(self, paths: tuple[str, ...]) -> dict[str, str]:
        """Give the SHA-256 of those files that are there."""
        return await to_thread.run_sync(self._digests, paths)

    def _keep(self, path: str, content: bytes) -> None:
        *directories, name = parts_of(path)
        with self._reported(path), closing(self._open(tuple(directories))) as directory:
            _replace(directory, name, content)

    def _digests(self, paths: tuple[str, ...]) -> dict[str, str]:
        found = {path: self._digest(path) for path in paths}
        return {path: digest for path, digest in found.items() if digest is not None}

    def _digest(self, path: str) -> str | None:
        *directories, name = parts_of(path)
        try:
            with closing(self._walk(tuple(directories))) as directory:
                seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
                state = seen.st_ino, seen.st_size, seen.st_ctime_ns
                known = self.known.get(path)
                if known is None or known[0] != state:
                    known = self.known[path] = state, _digest_of(name, directory)
                return known[1]
        except OSError:  # whatever is in its way: the file cannot be read there, so it is not there
            return None

    def _walk(self, directories: tuple[str, ...]) -> int:
        here = os.open(self.directory, OPEN_DIRECTORY)
        for name in directories:
            with closing(here):
                here = os.open(name, OPEN_DIRECTORY, dir_fd=here)
        return here

    def _open(self, directories: tuple[str, ...]) -> int:
        """Open a directory of the folder, making what is missing on the way."""
        here = _entered(str(self.directory), None)
        if IGNORE not in os.listdir(here):
            _replace(here, IGNORE, b"*\n")  # a repository that is the workspace must not see what is here
        for name in directories:
            with closing(here):
                here = _entered(name, here)
        return here

    @contextmanager
    def _reported(self, path: str | Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.EISDIR):
                reason = "something else is in its place; move that away"
            else:
                reason = f"{error.strerror}; make room, or give the folder back to this user"
            raise StoreError(f"{str(path)!r} cannot be kept in {str(self.directory)!r}: {reason}.") from error


def parts_of(path: str) -> list[str]:
    """Take a path below ``.workhand/`` apart.  A log from elsewhere may name any path: ``StoreError`` is for others."""
    first, *rest = path.split("/")
    if first != NAME or not rest or any(part in ("", ".", "..") or "\0" in part for part in rest):
        raise StoreError(f"{path!r} is not a path below '{NAME}/', so nothing is kept there; the log was changed.")
    return rest


@contextmanager
def closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _entered(name: str, where: int | None) -> int:
    """Open a directory that others may read, making it if it is missing."""
    with suppress(FileExistsError):  # opening it says whether it is a directory
        os.mkdir(name, DIRECTORY_MODE, dir_fd=where)
        os.chmod(name, DIRECTORY_MODE, dir_fd=where)  # before it is opened: the umask may hide it from us, too
    here = os.open(name, OPEN_DIRECTORY, dir_fd=where)
    if stat.S_IMODE(os.fstat(here).st_mode) != DIRECTORY_MODE:
        os.fchmod(here, DIRECTORY_MODE)
    return here


def _replace(directory: int, name: str, content: bytes) -> None:
    """Write a file beside and put it in place, so that nobody ever reads half of it."""
    part = f".{secrets.token_hex(8)}.part"
    fd = os.open(part, MAKE_FILE, 0o600, dir_fd=directory)
    try:
        with open(fd, "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            os.fchmod(file.fileno(), FILE_MODE)
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(part, dir_fd=directory)
        raise


def _digest_of(name: str, directory: int) -> str:
    with open(os.open(name, OPEN_FILE, dir_fd=directory), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a file", name)
        digest = sha256()
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
