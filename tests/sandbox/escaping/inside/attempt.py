"""What every attempt to get out shares: where the host's things are, and what counts as refused.

All of this package runs inside a machine, on the standard library of whatever Python is there.  Attempts only
open and close, or ask: nothing is ever written outside, even when an attempt succeeds.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any

Attempts = dict[str, Callable[[], object]]

LIBC = ctypes.CDLL(None, use_errno=True)
HOST: dict[str, Any] = {}


class Refused(OSError):
    """The attempt did not get through, though no system call failed."""


def ask(name: str, *arguments: Any) -> int:
    """Make a system call that the table of the filter names; any failure of it is a refusal."""
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    ctypes.set_errno(0)
    result: int = LIBC.syscall(ctypes.c_long(HOST["numbers"][name]), *wide, *[ctypes.c_long(0)] * (6 - len(wide)))
    if result < 0:
        raise Refused(ctypes.get_errno(), name)
    return result


def reach_the_kernel(name: str) -> None:
    """Make a system call without arguments that must not reach the kernel proper: another failure counts as through."""
    try:
        ask(name)
    except Refused as error:
        if error.errno in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT):
            raise


def open_for_writing(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def open_for_reading(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def find_in(path: str, wanted: bytes) -> None:
    """Look for something of the host's in a file that everybody may read."""
    with open(path, "rb") as file:
        if wanted not in file.read():
            raise Refused(errno.ENOENT, path)


def make_file_in(directory: str) -> None:
    path = os.path.join(directory, "workhand-escape")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)
