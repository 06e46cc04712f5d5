"""Read, write and describe files.  What fails is an ``OSError``, which crosses as its errno and path."""

from __future__ import annotations

import errno
import os
import stat

from .streams import refuse

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

BLOCK_BYTES = 1 << 20


def read_file(path: str, offset: int, bytes_max: int) -> bytes:
    fd = open_file(path)
    try:
        content = bytearray()
        while len(content) < bytes_max:
            part = os.pread(fd, bytes_max - len(content), offset + len(content))
            if not part:
                break
            content += part
    finally:
        os.close(fd)
    return bytes(content)


def write_file(path: str, content: bytes) -> None:
    """Replace a file atomically, through symbolic links, keeping its permissions."""
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    os.makedirs(directory, exist_ok=True)
    mode = None
    if os.path.exists(target):
        found = os.stat(target)
        require_file(found)
        mode = stat.S_IMODE(found.st_mode) & 0o777
    temporary = os.path.join(directory, ".workhand-" + os.urandom(8).hex())
    try:
        with open(temporary, "xb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        os.replace(temporary, target)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def describe(path: str) -> dict[str, Any]:
    """Say what a path is, through symbolic links; its kind is ``None`` if there is nothing."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": None}
    kind = "file" if stat.S_ISREG(found.st_mode) else "directory" if stat.S_ISDIR(found.st_mode) else "other"
    return {"kind": kind, "bytes": found.st_size, "path": workspace_path(path), "digest": None}


def digest_file(path: str, size: int) -> Iterator[str | None]:
    """Digest a file in steps, so that others are served between them; the last step gives the digest."""
    import hashlib  # brings a large library along, and few sandboxes are asked

    digest = hashlib.sha256()
    with open(open_file(path), "rb", buffering=0) as file:
        for _ in range(0, size, BLOCK_BYTES):
            digest.update(file.read(BLOCK_BYTES))
            yield None
    yield digest.hexdigest()


def open_file(path: str) -> int:
    """Open a regular file, without waiting for a pipe that a program put in its place since it was described."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        require_file(os.fstat(fd))
    except OSError:
        os.close(fd)
        raise
    return fd


def require_file(found: os.stat_result) -> None:
    """Refuse what is not a regular file: reading a pipe or a device could wait for ever."""
    if stat.S_ISDIR(found.st_mode):
        raise refuse(errno.EISDIR)
    if not stat.S_ISREG(found.st_mode):
        raise refuse(errno.EINVAL)


def workspace_path(path: str) -> str:
    """Name a path relative to the workspace if it is inside, else absolutely."""
    whole = os.path.normpath(os.path.join(os.getcwd(), path))
    inside = os.path.relpath(whole)
    return whole if inside.startswith("../") or inside == ".." else inside
