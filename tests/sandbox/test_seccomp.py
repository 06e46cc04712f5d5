"""The filter decides as its table says, on every architecture it is made for.

The program is run here by a small interpreter of classic BPF; that the kernel
reads it the same way is what the escape suite shows, on this architecture only.
"""

from __future__ import annotations

import errno
import struct

import pytest

from workhand.errors import SandboxUnavailable
from workhand.sandbox import seccomp

ARCHITECTURES = sorted(seccomp.AUDIT_ARCHITECTURES)


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run the program over one system call, as the kernel would."""
    architecture = seccomp.AUDIT_ARCHITECTURES[machine] if architecture is None else architecture
    words = struct.pack("<IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    accumulator = position = 0
    while True:
        operation, if_true, if_false, value = code[position]
        position += 1
        match operation:
            case seccomp.LOAD:
                (accumulator,) = struct.unpack_from("<I", words, value)
            case seccomp.EQUAL:
                position += if_true if accumulator == value else if_false
            case seccomp.GREATER_OR_EQUAL:
                position += if_true if accumulator >= value else if_false
            case seccomp.ANY_BIT:
                position += if_true if accumulator & value else if_false
            case seccomp.RETURN:
                return int(value)
            case _:
                raise AssertionError(operation)


def denied(number_of_error: int) -> int:
    return seccomp.ERRNO | number_of_error


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_call_of_the_table_is_denied(machine: str) -> None:
    column = list(seccomp.AUDIT_ARCHITECTURES).index(machine)
    for table, number_of_error in ((seccomp.DENIED, errno.EPERM), (seccomp.MISSING, errno.ENOSYS)):
        numbers = [row[column] for row in table.values()]
        assert {verdict(machine, number) for number in numbers if number is not None} == {denied(number_of_error)}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_other_call_is_allowed(machine: str) -> None:
    column = list(seccomp.AUDIT_ARCHITECTURES).index(machine)
    named = {row[column] for row in (seccomp.DENIED | seccomp.MISSING).values()}
    named |= {check.numbers[column] for check in seccomp.CHECKS}
    others = [number for number in range(460) if number not in named]
    assert {verdict(machine, number) for number in others} == {seccomp.ALLOW}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_no_number_is_in_the_table_twice(machine: str) -> None:
    column = list(seccomp.AUDIT_ARCHITECTURES).index(machine)
    rows = [*seccomp.DENIED.values(), *seccomp.MISSING.values(), *(check.numbers for check in seccomp.CHECKS)]
    numbers = [row[column] for row in rows if row[column] is not None]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("numbers", "arguments", "wanted"),
    [
        ((56, 220), (0x01200011,), seccomp.ALLOW),  # clone, as fork
        ((56, 220), (0x003D0F00,), seccomp.ALLOW),  # clone, as a thread
        ((56, 220), (0x10000011,), denied(errno.EPERM)),  # clone, with a user namespace
        ((56, 220), (0x00020011,), denied(errno.EPERM)),  # clone, with a mount namespace
        ((16, 29), (0, 0x5401), seccomp.ALLOW),  # ioctl TCGETS
        ((16, 29), (0, 0x5412), denied(errno.EPERM)),  # ioctl TIOCSTI
        ((16, 29), (0, (1 << 32) | 0x5412), denied(errno.EPERM)),  # the kernel ignores the upper half
        ((16, 29), (0, 0x541C), denied(errno.EPERM)),  # ioctl TIOCLINUX
        ((41, 198), (1, 1), seccomp.ALLOW),  # socket AF_UNIX
        ((41, 198), (10, 1), seccomp.ALLOW),  # socket AF_INET6
        ((41, 198), (16, 3), seccomp.ALLOW),  # socket AF_NETLINK
        ((41, 198), (40, 1), denied(errno.EAFNOSUPPORT)),  # socket AF_VSOCK
        ((41, 198), (17, 3), denied(errno.EAFNOSUPPORT)),  # socket AF_PACKET
        ((53, 199), (1, 1), seccomp.ALLOW),  # socketpair AF_UNIX
        ((53, 199), (30, 1), denied(errno.EAFNOSUPPORT)),  # socketpair AF_TIPC
        ((91, 52), (3, 0o755), seccomp.ALLOW),  # fchmod
        ((91, 52), (3, 0o4755), denied(errno.EPERM)),  # fchmod, set-user-id
        ((268, 53), (3, 0, 0o2755), denied(errno.EPERM)),  # fchmodat, set-group-id
        ((257, 56), (3, 0, 0, 0o644), seccomp.ALLOW),  # openat
        ((257, 56), (3, 0, 0, 0o4644), denied(errno.EPERM)),  # openat, set-user-id
    ],
)
def test_a_call_is_judged_by_its_arguments(
    machine: str, numbers: tuple[int, int], arguments: tuple[int, ...], wanted: int
) -> None:
    column = list(seccomp.AUDIT_ARCHITECTURES).index(machine)
    assert verdict(machine, numbers[column], *arguments) == wanted


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_foreign_calls_kill(machine: str) -> None:
    i386 = 0x40000003
    assert verdict(machine, 1, architecture=i386) == seccomp.KILL


def test_x32_calls_kill() -> None:
    assert verdict("x86_64", 0x40000000 | 1) == seccomp.KILL


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        seccomp.program("riscv64")
