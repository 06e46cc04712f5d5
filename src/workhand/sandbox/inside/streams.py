"""What commands and shells share: bounded output, live output, starting a program."""

from __future__ import annotations

import errno
import os
import signal

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import Any

    from .daemon import Daemon

CHUNK_BYTES = 1 << 16
DRAIN_BYTES_MAX = 1 << 20  # the largest pipe an unprivileged process can make
LIVE_BYTES_MAX = 1 << 15  # of live output, per interval and request
LIVE_INTERVAL_S = 0.05
NEVER = float("inf")
RESET_SIGNALS = (  # Python ignores the first two; a host in the background of a script, or of nohup, ignores the last
    *(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD),
    *(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP),
)


class Clip:
    """Keep the head and the tail of a stream within a limit and count what fell out between them."""

    def __init__(self, limit: int) -> None:
        self.half = limit // 2
        self.limit = limit
        self.head = bytearray()
        self.tail = bytearray()
        self.dropped = 0

    def add(self, chunk: bytes) -> None:
        room = self.half - len(self.head)
        self.head += chunk[:room]
        self.tail += chunk[room:]
        excess = len(self.tail) - (self.limit - self.half)
        if excess > 0:
            del self.tail[:excess]
            self.dropped += excess

    def content(self) -> bytes:
        return bytes(self.head + self.tail)


class Live:
    """Pass output on while it is made, at a bounded rate; what comes faster is left out."""

    def __init__(self, daemon: Daemon, request: int, *, wanted: bool) -> None:
        self.daemon = daemon
        self.request = request
        self.wanted = wanted
        self.pending = bytearray()
        self.due = 0.0

    def add(self, chunk: bytes) -> None:
        if self.wanted:
            self.pending += chunk[-LIVE_BYTES_MAX:]
            del self.pending[:-LIVE_BYTES_MAX]

    def deadline(self) -> float:
        return self.due if self.pending else NEVER

    def flush(self, now: float) -> None:
        if self.pending:
            self.daemon.send({"id": self.request, "live": True}, bytes(self.pending))
            self.pending.clear()
            self.due = now + LIVE_INTERVAL_S


def refuse(code: int, path: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), path)


def spawn(
    argv: list[str], file_actions: list[tuple[Any, ...]], environment: dict[str, str] | None = None, leads: bool = True
) -> int:
    """Start a program as the leader of a session, and so of a process group, of its own, unless it is not to lead."""
    return os.posix_spawnp(
        argv[0],
        argv,
        {**os.environ, **(environment or {})},
        file_actions=file_actions,
        setsid=leads,
        setsigdef=RESET_SIGNALS,
        setsigmask=(),
    )


def exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def read_available(fd: int) -> bytes | None:
    """Read once from a descriptor that does not block: ``None`` if nothing is there, empty at the end."""
    try:
        return os.read(fd, CHUNK_BYTES)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno != errno.EIO:  # so says a terminal that nobody holds any longer
            raise
        return b""


def write_available(fd: int, content: bytes) -> int:
    """Write what a terminal takes at once; one that is gone takes everything."""
    try:
        return os.write(fd, content)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return len(content)
