"""Keep a named bash on a terminal, so that directory, variables and jobs last between commands.

The terminal has no echo and no output processing: what is shown is what was
written.  A command is handed over in a memory file that bash evaluates, so its
length and its quoting do not matter, and nothing that reads from the terminal
can swallow it.  (Sourcing the file would do, too, but bash 5.2 corrupts its memory
when a sourced file ends inside a command substitution.)

``PROMPT_COMMAND`` prints a marker with a random number when bash is back at its
prompt.  The number is printed from two halves, so that not even ``set`` shows it
whole; code that looks for it in the shell deceives only itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import selectors
import struct
import termios
import time

from .keeper import press, spawn_on
from .streams import (
    DRAIN_BYTES_MAX,
    NEVER,
    Clip,
    Live,
    exit_code,
    read_available,
    refuse,
    write_available,
)

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from .daemon import Daemon

SHELL_BYTES_MAX = 4 << 20  # kept of what a shell shows while nobody looks
TYPED_BYTES_MAX = 1 << 16
LAST_WORDS_S = 0.03  # a dead shell's last output passes through the kernel's terminal queue
STATUS_BYTES_MAX = 3  # of a marker: the exit status
COMMAND_FD = 199  # far from the numbers that scripts choose
COMMAND_PATH = f"/dev/fd/{COMMAND_FD}"
BASH = ["bash", "--noprofile", "--noediting", "--rcfile", COMMAND_PATH, "-i"]
ROWS_COLUMNS = struct.pack("HHHH", 50, 160, 0, 0)
SETTINGS = rb"""unset HISTFILE; set +H; PS1= PS2=
PROMPT_COMMAND='{ printf "\036%%s%%s %%d\036" %s %s "$?"; PS1= PS2=; } >%s 2>/dev/null'
"""


class Shell:
    """A named bash on a terminal.  Restarted by the next command after it ends."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.clip = Clip(SHELL_BYTES_MAX)
        self.live = Live(self.daemon, 0, wanted=False)
        self.waiter: tuple[int, float, int] | None = None  # request, deadline, output limit
        self.busy = False
        self.alive = False
        self.master = -1
        self.memory = -1
        self.ending = NEVER

    def _start(self) -> None:
        halves = (os.urandom(12).hex(), os.urandom(12).hex())
        self.marker = b"\x1e" + "".join(halves).encode() + b" "
        self.held = b""
        self.typed = b""
        self.queued: bytes | None = None
        self.ready = False
        self.status = 0
        self.memory = os.memfd_create("command")
        self.master, slave = os.openpty()
        terminal = os.ttyname(slave)  # by its own name: gVisor's kernel has no /dev/tty that opens
        self._fill(SETTINGS % tuple(word.encode() for word in (*halves, terminal)))
        self._settle(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, ROWS_COLUMNS)
        actions = [(os.POSIX_SPAWN_DUP2, self.memory, COMMAND_FD)]
        try:
            self.pid = spawn_on(self.master, terminal, BASH, actions, {})
        except OSError:
            os.close(self.master)
            os.close(self.memory)
            raise
        finally:
            os.close(slave)
        self.alive = True
        os.set_blocking(self.master, False)
        self.daemon.watch(self.master, self._exchange)

    def _settle(self, terminal: int) -> None:
        """Give the terminal its modes: no echo, and output stays as it was written."""
        modes = termios.tcgetattr(terminal)
        modes[1] &= ~termios.OPOST
        modes[3] = termios.ISIG | termios.ICANON | termios.IEXTEN
        termios.tcsetattr(terminal, termios.TCSANOW, modes)

    def _fill(self, content: bytes) -> None:
        os.ftruncate(self.memory, 0)
        os.pwrite(self.memory, content, 0)

    def run(self, command: bytes) -> None:
        if self.busy or self.waiter:
            raise refuse(errno.EBUSY)
        if b"\0" in command:
            raise refuse(errno.EINVAL)
        if self.ending < NEVER:
            self._finish()
        if not self.alive:
            self._start()
        self.busy = True
        if self.ready:
            self._begin(command)
        else:
            self.queued = command

    def _begin(self, command: bytes) -> None:
        self._fill(command)
        last = b"(exit %d); " % (self.status & 0xFF) if self.status else b""  # what the command sees as ``$?``
        self._type(b' eval "%s$(<%s)"\n' % (last, COMMAND_PATH.encode()))

    def wait(self, request: int, wait_s: float, limit: int, watch: bool) -> None:
        """Answer when the command ends, or after a time with what there is."""
        if self.waiter:
            raise refuse(errno.EBUSY)
        self.live = Live(self.daemon, request, wanted=watch)
        self.waiter = (request, time.monotonic() + wait_s, limit)
        if not self.busy and self.ending == NEVER:
            self._answer(self.status)

    def type(self, text: bytes) -> None:
        if not self.alive or self.ending < NEVER:
            raise refuse(errno.EPIPE)
        if len(self.typed) + len(text) > TYPED_BYTES_MAX:
            raise refuse(errno.ENOBUFS)
        self.busy = self.busy or b"\n" in text
        self._type(press(self.master, self.pid, text))

    def _type(self, text: bytes) -> None:
        self.typed += text
        self.daemon.watch(self.master, self._exchange, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _exchange(self) -> None:
        if self.typed:
            self.typed = self.typed[write_available(self.master, self.typed) :]
            if not self.typed:
                self.daemon.watch(self.master, self._exchange)
        chunk = read_available(self.master)
        if chunk:
            self._scan(self.held + chunk)
        elif chunk is not None:
            self.daemon.watch(self.master, self._exchange, 0)  # Nobody holds it; the end of bash is on its way.

    def _scan(self, seen: bytes) -> None:
        """Take the markers out of what the terminal shows; hold back what may become one."""
        self.held = b""
        while self.marker in seen:
            before, _, rest = seen.partition(self.marker)
            status, closed, after = rest.partition(b"\x1e")
            if not closed and len(rest) <= STATUS_BYTES_MAX:
                self._show(before)
                self.held = self.marker + rest
                return
            self._show(before)
            if closed and status.isdigit() and len(status) <= STATUS_BYTES_MAX:
                self._prompted(int(status))
                seen = after
            else:
                seen = rest
        lengths = range(min(len(seen), len(self.marker) - 1), 0, -1)
        kept = len(seen) - next((n for n in lengths if seen.endswith(self.marker[:n])), 0)
        self._show(seen[:kept])
        self.held = seen[kept:]

    def _show(self, output: bytes) -> None:
        self.clip.add(output)
        self.live.add(output)

    def _prompted(self, status: int) -> None:
        self._settle(self.master)
        if not self.ready:
            self.ready = True
            if self.queued is not None:
                self._begin(self.queued)
            return
        self.busy = False
        self.status = status
        if self.waiter:
            self._answer(status)

    def _answer(self, status: int | None) -> None:
        assert self.waiter is not None
        request, _, limit = self.waiter
        self.live.flush(time.monotonic())
        self.live = Live(self.daemon, 0, wanted=False)
        clip = Clip(min(limit, SHELL_BYTES_MAX))
        clip.add(self.clip.content())
        header = {"id": request, "exit": status, "dropped": self.clip.dropped + clip.dropped}
        self.daemon.send(header, clip.content())
        self.clip = Clip(SHELL_BYTES_MAX)
        self.waiter = None

    def deadline(self) -> float:
        return min(self.live.deadline(), self.ending, self.waiter[1] if self.waiter else NEVER)

    def tick(self, now: float) -> None:
        if now >= self.live.deadline():
            self.live.flush(now)
        if now >= self.ending:
            self._finish()
        if self.waiter and now >= self.waiter[1]:
            self._answer(None)

    def ended(self, status: int) -> None:
        self.status = exit_code(status)
        self.ending = time.monotonic() + LAST_WORDS_S

    def _finish(self) -> None:
        taken = DRAIN_BYTES_MAX
        while taken > 0:
            chunk = read_available(self.master)
            if not chunk:
                break
            taken -= len(chunk)
            self._scan(self.held + chunk)
        self._show(self.held + b"[the shell ended with status %d; the next command starts a fresh one]\n" % self.status)
        self.daemon.unwatch(self.master)
        os.close(self.memory)
        self.ending = NEVER
        self.alive = self.busy = False
        if self.waiter:
            self._answer(self.status)
