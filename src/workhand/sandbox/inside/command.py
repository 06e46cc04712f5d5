"""Run one program with pipes, a time limit and bounded output."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import time

from .streams import CHUNK_BYTES, DRAIN_BYTES_MAX, NEVER, Clip, Live, exit_code, read_available, refuse, spawn

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import Any

    from .daemon import Daemon


class Command:
    """One ``execute``: a program, its pipes, its time limit."""

    def __init__(self, daemon: Daemon, request: dict[str, Any], stdin: bytes) -> None:
        self.daemon = daemon
        self.request = request["id"]
        self.stdin = memoryview(stdin)
        self.clips = (Clip(request["output_bytes_max"]), Clip(request["output_bytes_max"]))
        self.live = Live(daemon, self.request, wanted=request["watch"])
        self.due = time.monotonic() + request["timeout_s"]
        self.late = False
        self._start(request["argv"])

    def _start(self, argv: list[str]) -> None:
        pairs = [os.pipe(), os.pipe(), os.pipe()]
        inner = (pairs[0][0], pairs[1][1], pairs[2][1])
        outer = (pairs[0][1], pairs[1][0], pairs[2][0])
        try:
            self.pid = spawn(argv, [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(inner)])
        except (OSError, ValueError) as error:
            for fd in outer:
                os.close(fd)
            if isinstance(error, ValueError):  # an empty name, or a NUL byte
                raise refuse(errno.EINVAL, argv[0]) from error
            raise
        finally:
            for fd in inner:
                os.close(fd)
        for fd in outer:
            os.set_blocking(fd, False)
        self.input, stdout, stderr = outer
        self.pipes = {stdout: self.clips[0], stderr: self.clips[1]}
        self.daemon.watch(self.input, self._feed, selectors.EVENT_WRITE)
        self.daemon.watch(stdout, lambda: self._take(stdout))
        self.daemon.watch(stderr, lambda: self._take(stderr))

    def _feed(self) -> None:
        try:
            self.stdin = self.stdin[os.write(self.input, self.stdin[:CHUNK_BYTES]) :]
        except BrokenPipeError:
            self.stdin = self.stdin[:0]  # The program does not read any further.
        if not self.stdin:
            self._end_input()

    def _end_input(self) -> None:
        if self.input >= 0:
            self.daemon.unwatch(self.input)
            self.input = -1

    def _take(self, fd: int) -> int:
        chunk = read_available(fd)
        if chunk:
            self.pipes[fd].add(chunk)
            self.live.add(chunk)
        elif chunk is not None:
            del self.pipes[fd]
            self.daemon.unwatch(fd)
        return len(chunk or b"")

    def kill(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)  # It is not reaped yet, so the number is still ours.

    def deadline(self) -> float:
        return min(self.live.deadline(), NEVER if self.late else self.due)

    def tick(self, now: float) -> None:
        if now >= self.live.deadline():
            self.live.flush(now)
        if now >= self.due and not self.late:
            self.late = True
            self.kill()

    def ended(self, status: int) -> None:
        """Answer with what is in the pipes by now: a background child may hold them open for ever."""
        self._end_input()
        for fd in list(self.pipes):
            taken = 0
            while fd in self.pipes and taken < DRAIN_BYTES_MAX:
                count = self._take(fd)
                if not count:
                    break
                taken += count
            if fd in self.pipes:
                self.daemon.unwatch(fd)
        self.live.flush(time.monotonic())
        stdout, stderr = (clip.content() for clip in self.clips)
        header = {
            "id": self.request,
            "exit": None if self.late else exit_code(status),
            "split": len(stdout),
            "dropped": sum(clip.dropped for clip in self.clips),
        }
        self.daemon.send(header, stdout + stderr)
