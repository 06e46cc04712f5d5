"""Other processes and what they hold: tracing, memory, descriptors, and the kernel's keyrings."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

from tests.sandbox.escaping.inside.attempt import (
    HOST,
    LIBC,
    Attempts,
    Refused,
    ask,
    find_in,
    open_for_reading,
    open_for_writing,
)

PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE = 0, 16, 0x4206
SESSION_KEYRING, USER_KEYRING = -3, -4
GET_KEYRING, JOIN_SESSION, DESCRIBE, SEARCH, GET_PERSISTENT = 0, 1, 6, 10, 22


class Span(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("size", ctypes.c_size_t))


def read_memory_of_the_daemon() -> None:
    buffer = ctypes.create_string_buffer(8)
    here, there = Span(ctypes.addressof(buffer), 8), Span(0x400000, 8)
    ask("process_vm_readv", 1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def take_a_descriptor_of_the_daemon() -> None:
    fd = os.pidfd_open(1)
    try:
        os.close(ask("pidfd_getfd", fd, 0, 0))
    finally:
        os.close(fd)


def list_daemon_descriptors() -> None:
    for name in os.listdir("/proc/1/fd"):
        open_for_reading("/proc/1/fd/" + name)


def inherit_descriptors() -> None:
    extra = [fd for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")]
    if not extra:
        raise Refused(errno.EBADF, "descriptors")


def use_a_foreign_call_table() -> None:
    """Make an x32 call: the filter must kill who does."""
    if HOST["machine"] != "x86_64":
        raise Refused(errno.ENOSYS, "x32")
    LIBC.syscall(ctypes.c_long(0x40000000 + 39))


def see_keys() -> None:
    with open("/proc/keys") as keys:
        if not keys.read():
            raise Refused(errno.ENOENT, "keys")


def trace_a_sibling() -> None:
    """Attach to a process of the same user that did not ask for it."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        ask("ptrace", PTRACE_ATTACH, pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


PTRACE: Attempts = {
    "be traced": lambda: ask("ptrace", PTRACE_TRACEME),
    "trace a sibling": trace_a_sibling,
    "trace the daemon": lambda: ask("ptrace", PTRACE_SEIZE, 1),
    "read the daemon's memory": lambda: open_for_reading("/proc/1/mem"),
    "write the daemon's memory": lambda: open_for_writing("/proc/1/mem"),
    "read the daemon's memory by a call": read_memory_of_the_daemon,
    "read the daemon's environment": lambda: open_for_reading("/proc/1/environ"),
    "read where the daemon's memory is": lambda: find_in("/proc/1/maps", b"-"),
    "take a descriptor of the daemon": take_a_descriptor_of_the_daemon,
    "open the daemon's descriptors": list_daemon_descriptors,
    "inherit descriptors": inherit_descriptors,
    "use a foreign call table": use_a_foreign_call_table,
}

KEYRINGS: Attempts = {
    "see keys": see_keys,
    "find the session's keyring": lambda: ask("keyctl", GET_KEYRING, SESSION_KEYRING, 0),
    "find the user's keyring": lambda: ask("keyctl", GET_KEYRING, USER_KEYRING, 0),
    "make a session keyring": lambda: ask("keyctl", JOIN_SESSION, None),
    "describe the user's keyring": lambda: ask("keyctl", DESCRIBE, USER_KEYRING, None, 0),
    "search the user's keyring": lambda: ask("keyctl", SEARCH, USER_KEYRING, b"user", b"workhand", 0),
    "take the persistent keyring": lambda: ask("keyctl", GET_PERSISTENT, -1, USER_KEYRING),
    "add a key": lambda: ask("add_key", b"user", b"workhand-escape", b"x", 1, SESSION_KEYRING),
    "request a key": lambda: ask("request_key", b"user", b"workhand-escape", None, SESSION_KEYRING),
}
