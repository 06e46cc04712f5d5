"""Copy the content of one file and name it, without believing that it stands still.

Where a file system can share extents, a copy is a reference, taken in one instant.  Elsewhere it is read
once, and what is all zeros becomes a hole.  Content is named by its SHA-256 while it
passes, so that a copy is known to be what was asked for.
"""

from __future__ import annotations

import errno
import fcntl
import os
from hashlib import sha256

from workhand.errors import LimitReached

FICLONE = 0x40049409
CHUNK_BYTES = 1 << 20
ZEROS = bytes(CHUNK_BYTES)
SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE = 1, 2
NOT_SHARED = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}


def copy(source: int, target: int, *, bytes_max: int) -> tuple[str, int]:
    """Copy one open file into another, which is empty, and give the digest and the size of the copy.

    Raises ``LimitReached`` when it is longer than ``bytes_max``, which it may become while it is read.
    """
    if _shared(source, target):
        named, size = digest(target, bytes_max=bytes_max)
    else:
        named, size = _pass(source, target, bytes_max)
        os.ftruncate(target, size)
    if size > bytes_max:
        raise LimitReached("bytes left for snapshots", size, bytes_max)
    return named, size


def digest(source: int, *, bytes_max: int) -> tuple[str, int]:
    """Give the digest and the size of an open file, read from its first byte until it ends or is too long."""
    return _pass(source, None, bytes_max)


def _pass(source: int, target: int | None, bytes_max: int) -> tuple[str, int]:
    os.lseek(source, 0, os.SEEK_SET)
    summed, size = sha256(), 0
    while size <= bytes_max and (chunk := os.read(source, CHUNK_BYTES)):
        size += len(chunk)
        summed.update(chunk)
        if target is None:
            continue
        if chunk == ZEROS:
            os.lseek(target, len(chunk), os.SEEK_CUR)
        else:
            _write(target, chunk)
    return summed.hexdigest(), size


def settle(source: int) -> None:
    """Make the next write through a mapping of this file show in its times.

    A page that is mapped and dirty takes writes without the kernel's notice; once it is on its way to the disk,
    the next write is noticed again.  File systems without pages of their own, such as a fork's overlay
    or one in memory, cannot: there, a write through an old mapping may miss one snapshot.
    """
    import ctypes

    flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE
    zero = ctypes.c_int64(0)
    ctypes.CDLL(None).sync_file_range(ctypes.c_int(source), zero, zero, ctypes.c_uint(flags))


def _shared(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in NOT_SHARED:
            return False
        raise
    return True


def _write(target: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(target, rest) :]
