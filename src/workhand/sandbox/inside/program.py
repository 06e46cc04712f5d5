"""A program whose pipes stay open: each is a tunnel, and so bounded, until the program closes it."""

from __future__ import annotations

import errno
import os

from .streams import exit_code, refuse, spawn

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import Any

    from .daemon import Daemon


class InputEnd:
    """The pipe that a program reads.  Nothing ever comes from it."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd: int = fd

    def fileno(self) -> int:
        return self.fd

    def receive(self, size: int) -> bytes:
        return b""

    def send(self, content: bytes | bytearray) -> int:
        return os.write(self.fd, content)

    def finish(self) -> None:
        """Do nothing: it is closed next, and that says it."""

    def close(self) -> None:
        os.close(self.fd)


class OutputEnd(InputEnd):
    """A pipe that a program writes.  What would be sent to it is thrown away."""

    def receive(self, size: int) -> bytes:
        return os.read(self.fd, size)

    def send(self, content: bytes | bytearray) -> int:
        return len(content)


class Program:
    """One ``start``: what is known of a program until it has ended and somebody was told."""

    def __init__(self, daemon: Daemon, request: dict[str, Any]) -> None:
        self.daemon = daemon
        self.status: int | None = None
        self.waiter: int | None = None
        inner, outer = _pipes()
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(inner)]
        try:
            self.pid = _spawn_in(request["directory"], request["argv"], actions, request["environment"])
        except (OSError, ValueError) as error:
            for number, fd in zip(request["tunnels"], outer):
                os.close(fd)
                daemon.tunnels.post(number, "reset", 0, b"")
            if isinstance(error, ValueError):  # an empty name, or a NUL byte
                raise refuse(errno.EINVAL, request["argv"][0]) from error
            raise
        finally:
            for fd in inner:
                os.close(fd)
        ends = (InputEnd(outer[0]), OutputEnd(outer[1]), OutputEnd(outer[2]))
        stdin, _, _ = [daemon.tunnels.enter(number, end) for number, end in zip(request["tunnels"], ends)]
        stdin.ended(0)  # in the direction in which nothing comes

    def kill(self, number: int) -> None:
        """Send a signal to the program, and to what it has started and left in its group."""
        os.killpg(self.pid, number)

    def ended(self, status: int) -> None:
        self.status = exit_code(status)
        self.tell()

    def wait(self, request: int) -> None:
        self.waiter = request
        self.tell()

    def tell(self) -> None:
        """Answer whoever waits, once there is something to say."""
        if self.waiter is not None and self.status is not None:
            self.daemon.send({"id": self.waiter, "exit": self.status})
            self.waiter = None


def _pipes() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Make three pipes: the ends of the program, and ours."""
    stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
    return (stdin[0], stdout[1], stderr[1]), (stdin[1], stdout[0], stderr[0])


def _spawn_in(directory: str, argv: list[str], actions: list[tuple[Any, ...]], environment: dict[str, str]) -> int:
    """Start a program in a directory: ours for the moment, since ``posix_spawn`` has no word for it."""
    before = os.getcwd()
    os.chdir(directory or before)
    try:
        return spawn(argv, actions, environment)
    finally:
        os.chdir(before)
