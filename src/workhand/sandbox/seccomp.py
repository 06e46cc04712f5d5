"""Forbid the system calls that a session never needs: a classic BPF program for seccomp.

Namespaces are not enough.  Keyrings and vsock are not namespaced the way one
hopes, a nested user namespace opens most of the kernel's attack surface, and a
set-user-id file made in a workspace would be one outside, too.

The default is to allow.  A whole call is denied with an errno, or one is denied
for what its arguments say.  ``ENOSYS`` is the answer where a library falls back
to an older call (``clone3``, ``openat2``) or must believe that the feature is
missing (``io_uring``).  Foreign architectures and x32 kill the process, since
their numbers mean other calls.

The numbers are the kernel's, fixed for ever per architecture.  The x86_64
program is tested by running it; the aarch64 table is only tested structurally
and was not run on aarch64.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass
from typing import TypeAlias

from workhand.errors import SandboxUnavailable

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, EQUAL, GREATER_OR_EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, ARGUMENTS_OFFSET = 0, 4, 16

CLONE_NAMESPACES = 0x7E020000
SET_ID_BITS = 0o6000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16

# name: (x86_64, aarch64); None where the architecture has no such call.
Table: TypeAlias = dict[str, tuple[int | None, int | None]]
"""The number of a call on x86_64 and on aarch64, by its name."""

DENIED: Table = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}
MISSING: Table = {
    "clone3": (435, 435),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "openat2": (437, 437),
}


@dataclass(frozen=True, slots=True)
class Check:
    """Deny a call when an argument has one of some bits, or a given value, or is none of some values."""

    numbers: tuple[int | None, int | None]
    argument: int
    bits: int = 0
    values: tuple[int, ...] = ()
    only: tuple[int, ...] = ()
    errno: int = errno.EPERM


CHECKS = (
    Check((56, 220), 0, bits=CLONE_NAMESPACES),  # clone
    Check((16, 29), 1, values=(TIOCSTI, TIOCLINUX)),  # ioctl
    Check((41, 198), 0, only=(AF_UNIX, AF_INET, AF_INET6, AF_NETLINK), errno=errno.EAFNOSUPPORT),  # socket
    Check((53, 199), 0, only=(AF_UNIX,), errno=errno.EAFNOSUPPORT),  # socketpair
    Check((90, None), 1, bits=SET_ID_BITS),  # chmod
    Check((91, 52), 1, bits=SET_ID_BITS),  # fchmod
    Check((268, 53), 2, bits=SET_ID_BITS),  # fchmodat
    Check((452, 452), 2, bits=SET_ID_BITS),  # fchmodat2
    Check((85, None), 1, bits=SET_ID_BITS),  # creat
    Check((2, None), 2, bits=SET_ID_BITS),  # open
    Check((257, 56), 3, bits=SET_ID_BITS),  # openat
    Check((133, None), 1, bits=SET_ID_BITS),  # mknod
    Check((259, 33), 2, bits=SET_ID_BITS),  # mknodat
)


def program(machine: str | None = None) -> bytes:
    """Assemble the filter for an architecture, as an array of ``struct sock_filter``."""
    return _program(machine, DENIED, MISSING, CHECKS)


def set_id_program(machine: str | None = None) -> bytes:
    """Assemble a filter that denies nothing but to make files run as their owner."""
    return _program(machine, {}, {}, tuple(check for check in CHECKS if check.bits == SET_ID_BITS))


def _program(machine: str | None, denied: Table, missing: Table, checks: tuple[Check, ...]) -> bytes:
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        known = ", ".join(AUDIT_ARCHITECTURES)
        raise SandboxUnavailable(f"There is no system call filter for the architecture {machine!r}, only for {known}.")
    column = list(AUDIT_ARCHITECTURES).index(machine)
    code = [
        _instruction(LOAD, ARCHITECTURE_OFFSET),
        _instruction(EQUAL, AUDIT_ARCHITECTURES[machine], 1, 0),
        _instruction(RETURN, KILL),
        _instruction(LOAD, NUMBER_OFFSET),
    ]
    if machine == "x86_64":
        code += [_instruction(GREATER_OR_EQUAL, X32_BIT, 0, 1), _instruction(RETURN, KILL)]
    for table, number_of_error in ((denied, errno.EPERM), (missing, errno.ENOSYS)):
        for numbers in table.values():
            code += _deny(numbers[column], number_of_error)
    for check in checks:
        code += _check(check, check.numbers[column])
    return b"".join([*code, _instruction(RETURN, ALLOW)])


def _deny(number: int | None, number_of_error: int) -> list[bytes]:
    if number is None:
        return []
    return [_instruction(EQUAL, number, 0, 1), _instruction(RETURN, ERRNO | number_of_error)]


def _check(check: Check, number: int | None) -> list[bytes]:
    """Test one call's argument.  The block decides: it ends in a denial or in permission."""
    if number is None:
        return []
    tests = [_instruction(LOAD, ARGUMENTS_OFFSET + 8 * check.argument)]  # the low half of a little-endian word
    if check.bits:
        tests.append(_instruction(ANY_BIT, check.bits, 1, 0))
    constants = check.values or check.only
    for position, value in enumerate(constants):
        tests.append(_instruction(EQUAL, value, len(constants) - position, 0))  # to behind the first verdict
    deny, allow = _instruction(RETURN, ERRNO | check.errno), _instruction(RETURN, ALLOW)
    block = tests + ([deny, allow] if check.only else [allow, deny])
    return [_instruction(EQUAL, number, 0, len(block)), *block]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
