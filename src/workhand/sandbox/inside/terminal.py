"""Give a person a terminal in the machine: an interactive shell whose other side is a tunnel."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

from .streams import spawn

SHELL = ["bash", "-i"]
PROMPT = r"\u@\h:\w\$ "


class TerminalEnd:
    """The master of a terminal as the end of a tunnel."""

    def __init__(self, rows: int, columns: int) -> None:
        self.master, slave = os.openpty()
        os.set_blocking(self.master, False)
        self.resize(rows, columns)
        actions = [  # opening the terminal as the leader of a session makes it the controlling one
            (os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        try:
            self.pid = spawn(SHELL, actions, TERM="xterm-256color", PS1=PROMPT)
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
        return os.write(self.master, content)

    def finish(self) -> None:
        """Type the end of input, as a person does who leaves."""
        os.write(self.master, b"\x04")

    def close(self) -> None:
        os.close(self.master)
