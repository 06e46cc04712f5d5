"""Become the daemon, inside a virtual machine: root's last steps, then the session's user, for good.

This is what the machine's first program starts, with the wire as its standard streams.  The filter of system calls
is the one that other sandboxes have: here it keeps the machine's own kernel, and so the emulator behind it,
from what the session has no use for.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

from .daemon import main as serve

DIRECTORY = os.path.dirname(os.path.dirname(__file__))
UID = 1000
LAST_CAPABILITY = "/proc/sys/kernel/cap_last_cap"
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 24, 38, 22, 2
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
LIBC = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """A filter, as the kernel takes it: ``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main() -> None:
    with open(os.path.join(DIRECTORY, "machine.json")) as file:
        machine = json.load(file)
    need(LIBC.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC), None))
    with open(LAST_CAPABILITY) as file:
        last = int(file.read())
    for capability in range(last + 1):
        control(PR_CAPBSET_DROP, capability)
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    os.chdir(machine["home"])
    os.environ.clear()
    os.environ.update(machine["environment"])
    control(PR_SET_NO_NEW_PRIVS, 1)
    with open(os.path.join(DIRECTORY, "seccomp"), "rb") as file:
        content = file.read()
    control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(len(content) // 8, content)))
    sys.argv[1:] = [json.dumps(machine["daemon"])]
    serve()


def control(*arguments: object) -> None:
    """Call ``prctl``; its arguments are as wide as a pointer."""
    wide = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    need(LIBC.prctl(*wide, *[ctypes.c_ulong(0)] * (5 - len(wide))))


def need(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
