"""The daemon: its start, its loop, and the requests that it answers."""

from __future__ import annotations

import collections
import ctypes
import errno
import json
import os
import resource
import selectors
import signal
import struct
import sys
import time

from .command import Command
from .files import describe, digest_file, read_file, write_file
from .program import Program
from .shell import Shell
from .streams import CHUNK_BYTES, NEVER, refuse
from .terminal import TerminalEnd
from .tunnel import Tunnels

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Header = dict[str, Any]

LENGTHS = struct.Struct(">II")
FRAME_BYTES_MAX = 272 << 20
RECEIVE_BYTES = 1 << 20
SHELLS_MAX = 16
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36


def main() -> None:
    settings = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for name, wanted in settings["rlimits"].items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}"):  # Keep what came along open, but to ourselves.
            os.set_inheritable(fd, False)
    os.umask(0o022)
    os.environ.update({"TERM": "dumb", "PAGER": "cat", **settings["environment"]})
    os.environ["PATH"] += f":{os.path.expanduser('~/.local/bin')}"  # where pip puts programs when asked by a user
    try:
        Daemon().serve(settings["ports"])
    finally:
        if os.getpid() != 1:  # The kernel ends what PID 1 leaves behind.
            kill_children()


def kill_children() -> None:
    """Kill every descendant; orphans come to us, so it is enough to repeat until there are none."""
    while True:
        with open("/proc/thread-self/children") as children:
            pids = [int(pid) for pid in children.read().split()]
        if not pids:
            return
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


class Daemon:
    def __init__(self) -> None:
        self.selector = selectors.PollSelector()  # gVisor cannot suspend what waits for a socket by epoll
        self.received = bytearray()
        self.jobs: dict[int, Any] = {}  # commands, shells and terminals, by the pid they wait for
        self.shells: dict[str, Shell] = {}
        self.programs: dict[int, Program] = {}  # by pid, whose end somebody may still ask about
        self.work: collections.deque[Iterator[None]] = collections.deque()  # long file work, done in steps
        self.tunnels = Tunnels(self._post, self.watch)
        self.open = True

    def watch(self, fd: int, ready: Callable[[], Any], events: int = selectors.EVENT_READ) -> None:
        known = self.selector.get_map().get(fd)
        if known is not None and known.events != events:
            self.selector.unregister(fd)
        if events and (known is None or known.events != events):
            self.selector.register(fd, events, ready)

    def unwatch(self, fd: int) -> None:
        if fd in self.selector.get_map():
            self.selector.unregister(fd)
        os.close(fd)

    def _post(self, tunnel: int, event: str, count: int, payload: bytes) -> None:
        self.send({"tunnel": tunnel, "event": event, "count": count}, payload)

    def send(self, header: Header, payload: bytes = b"") -> None:
        text = json.dumps(header).encode()
        rest = memoryview(LENGTHS.pack(len(text), len(payload)) + text + payload)
        while rest:  # A host that does not read stops us too: that is the bound on what waits.
            rest = rest[os.write(1, rest) :]

    def serve(self, ports: list[int]) -> None:
        for port in ports:
            self.tunnels.listen(port)
        woken, wake = os.pipe()
        for fd in (woken, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.watch(woken, lambda: os.read(woken, CHUNK_BYTES))
        self.do_greet({}, b"")
        while self.open:
            now = time.monotonic()
            due = min((job.deadline() for job in self._timed()), default=NEVER)
            timeout = 0.0 if self.work else None if due == NEVER else max(0.0, due - now)
            for key, _ in self.selector.select(timeout):
                if key.fd in self.selector.get_map():  # An earlier one of this round may have ended it.
                    key.data()
            self._reap()
            self._step()
            now = time.monotonic()
            for job in self._timed():
                job.tick(now)

    def _timed(self) -> list[Any]:
        return [*(job for job in self.jobs.values() if isinstance(job, Command)), *self.shells.values()]

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            job = self.jobs.pop(pid, None)
            if job is not None:
                job.ended(status)

    def _step(self) -> None:
        if self.work:
            job = self.work.popleft()
            if next(job, self) is not self:
                self.work.append(job)

    def _receive(self) -> None:
        chunk = os.read(0, RECEIVE_BYTES)
        self.open = bool(chunk)
        self.received += chunk
        while len(self.received) >= LENGTHS.size:
            header_bytes, payload_bytes = LENGTHS.unpack_from(self.received)
            total = LENGTHS.size + header_bytes + payload_bytes
            if total > FRAME_BYTES_MAX:
                raise SystemExit(f"A frame of {total} bytes is larger than the protocol allows.")
            if len(self.received) < total:
                return
            frame = bytes(self.received[LENGTHS.size : total])
            del self.received[:total]
            self._handle(json.loads(frame[:header_bytes]), frame[header_bytes:])

    def _handle(self, request: Header, payload: bytes) -> None:
        try:
            getattr(self, "do_" + request["op"])(request, payload)
        except OSError as error:
            self._fail(request, error)
        except (ValueError, OverflowError, RecursionError):  # a NUL in a path, a number no file has, a path too deep
            self._fail(request, refuse(errno.EINVAL))

    def _fail(self, request: Header, error: OSError) -> None:
        self.send({"id": request["id"], "errno": error.errno, "path": request.get("path") or error.filename})

    def do_greet(self, request: Header, payload: bytes) -> None:
        """Say that requests are heard.  In a machine that goes on, input and connections are another host's."""
        self.tunnels.close()
        self.watch(0, self._receive, 0)
        self.watch(0, self._receive)
        self.send({"ready": True, "python": sys.version.split()[0], "pid": os.getpid()})

    def do_execute(self, request: Header, payload: bytes) -> None:
        command = Command(self, request, payload)
        self.jobs[command.pid] = command

    def do_cancel(self, request: Header, payload: bytes) -> None:
        for job in list(self.jobs.values()):
            if isinstance(job, Command) and job.request == request["id"]:
                job.kill()
        for shell in self.shells.values():
            if shell.waiter and shell.waiter[0] == request["id"]:
                shell.waiter = None  # The command goes on; only nobody waits for it.

    def do_shell_run(self, request: Header, payload: bytes) -> None:
        shell = self.shells.get(request["shell"])
        if shell is None:
            if len(self.shells) >= SHELLS_MAX:
                raise refuse(errno.EMFILE, request["shell"])
            shell = Shell(self)
        shell.run(payload)
        self.shells[request["shell"]] = shell
        self.jobs[shell.pid] = shell
        shell.wait(request["id"], request["timeout_s"], request["output_bytes_max"], request["watch"])

    def do_shell_view(self, request: Header, payload: bytes) -> None:
        self._shell(request).wait(request["id"], request["wait_s"], request["output_bytes_max"], False)

    def do_shell_input(self, request: Header, payload: bytes) -> None:
        self._shell(request).type(payload)
        self.send({"id": request["id"]})

    def _shell(self, request: Header) -> Shell:
        shell = self.shells.get(request["shell"])
        if shell is None:
            raise refuse(errno.ENOENT, request["shell"])
        return shell

    def do_tunnel(self, request: Header, payload: bytes) -> None:
        self.tunnels.take(request["tunnel"], request["event"], request["count"], payload)

    def do_connect(self, request: Header, payload: bytes) -> None:
        self.tunnels.connect(request["tunnel"], request["port"])

    def do_terminal(self, request: Header, payload: bytes) -> None:
        number, rows, columns = request["tunnel"], request["rows"], request["columns"]
        if request["event"] == "size":
            tunnel = self.tunnels.open.get(number)
            if tunnel is not None and not tunnel.closed and isinstance(tunnel.end, TerminalEnd):
                tunnel.end.resize(rows, columns)
            return
        try:
            end = TerminalEnd(rows, columns)
        except OSError:  # There is no bash, or no process may be added.
            return self._post(number, "reset", 0, b"")
        self.jobs[end.pid] = self.tunnels.enter(number, end)

    def do_start(self, request: Header, payload: bytes) -> None:
        program = Program(self, request)
        self.jobs[program.pid] = self.programs[program.pid] = program
        self.send({"id": request["id"], "pid": program.pid})

    def do_wait(self, request: Header, payload: bytes) -> None:
        self._program(request).wait(request["id"])

    def do_signal(self, request: Header, payload: bytes) -> None:
        self._program(request).kill(request["number"])
        self.send({"id": request["id"]})

    def _program(self, request: Header) -> Program:
        program = self.programs.get(request["pid"])
        if program is None:
            raise refuse(errno.ESRCH)
        return program

    def do_read(self, request: Header, payload: bytes) -> None:
        self.send({"id": request["id"]}, read_file(request["path"], request["offset"], request["bytes_max"]))

    def do_write(self, request: Header, payload: bytes) -> None:
        write_file(request["path"], payload)
        self.send({"id": request["id"]})

    def do_status(self, request: Header, payload: bytes) -> None:
        header = {"id": request["id"], **describe(request["path"])}
        if request["digest"] and header["kind"] == "file":
            self.work.append(self._digest(request, header))
        else:
            self.send(header)

    def _digest(self, request: Header, header: Header) -> Iterator[None]:
        try:
            for digest in digest_file(request["path"], header["bytes"]):
                header["digest"] = digest
                yield
        except OSError as error:
            self._fail(request, error)
        else:
            self.send(header)
