"""Give a person a terminal in the machine: an interactive shell whose other side is a tunnel."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

from .keeper import press, spawn_on

SHELL = ["bash", "-i"]
PROMPT = r"\u@\h:\w\$ "


class TerminalEnd:
    """The master of a terminal as the end of a tunnel."""

    def __init__(self, rows: int, columns: int) -> None:
        self.master, slave = os.openpty()
        os.set_blocking(self.master, False)
        self.resize(rows, columns)
        try:
            self.pid = spawn_on(self.master, os.ttyname(slave), SHELL, [], {"TERM": "xterm-256color", "PS1": PROMPT})
        except OSError:
            os.close(self.master)
            raise
        finally:
            os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def fileno(self) -> int:
        return self.master

    def receive(self, size: int) -> bytes:
        try:
            return os.read(self.master, size)
        except OSError as error:
            if error.errno != errno.EIO:  # so says a terminal that nobody holds any longer
                raise
            return b""

    def send(self, content: bytes | bytearray) -> int:
        rest = press(self.master, self.pid, bytes(content))
        return len(content) - len(rest) + os.write(self.master, rest)

    def finish(self) -> None:
        """Type the end of input, as a person does who leaves."""
        os.write(self.master, b"\x04")

    def close(self) -> None:
        os.close(self.master)
