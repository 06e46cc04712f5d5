"""Start a program on a terminal, and let the keys that interrupt do so in every kernel.

Linux sends the signals itself.  gVisor's kernel (of 2022) does not, and tells only processes of a
terminal's own session what is in its foreground.  There the session gets a keeper as its leader: a
copy of the daemon that starts the program, passes signals on to whatever is in the foreground, and
ends as the program does.
"""

from __future__ import annotations

import errno
import os
import signal
import termios

from .streams import spawn

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import Any

KEYS = ((termios.VINTR, signal.SIGINT), (termios.VQUIT, signal.SIGQUIT), (termios.VSUSP, signal.SIGTSTP))
DISABLED = b"\0"


def spawn_on(
    master: int, terminal: str, argv: list[str], file_actions: list[tuple[Any, ...]], environment: dict[str, str]
) -> int:
    """Start a program as the leader of a session on a terminal, or under the leader of one."""
    actions = [  # opening the terminal as the leader of a session makes it the controlling one
        (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
        *file_actions,
    ]
    if sends_signals(master):
        return spawn(argv, actions, environment)
    keeper = os.fork()
    if keeper == 0:
        try:
            keep(terminal, argv, actions, environment)
        finally:
            os._exit(127)
    return keeper


def sends_signals(master: int) -> bool:
    """Say whether this kernel acts on keys; the one that does not does not know a terminal's foreground, either."""
    try:
        os.tcgetpgrp(master)
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
        return False
    return True


def keep(terminal: str, argv: list[str], actions: list[tuple[Any, ...]], environment: dict[str, str]) -> None:
    """Be the keeper: never returns but for an error."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    held = os.open(terminal, os.O_RDWR)

    def pass_on(number: int, _: object) -> None:
        group = os.tcgetpgrp(held)
        if group != os.getpgrp():
            os.killpg(group, number)

    for _, number in KEYS:
        signal.signal(number, pass_on)
    program = spawn(argv, actions, environment, leads=False)
    os.closerange(0, held)  # What the daemon has open is not to be held open here.
    os.closerange(held + 1, os.sysconf("SC_OPEN_MAX"))
    _, status = os.waitpid(program, 0)
    if os.WIFSIGNALED(status):
        for _, number in KEYS:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def press(master: int, leader: int, text: bytes) -> bytes:
    """Interrupt where a key in a text says so and the kernel does not; give what is still to be typed."""
    modes = termios.tcgetattr(master)
    if not modes[3] & termios.ISIG or sends_signals(master):
        return text
    for place, number in KEYS:
        key = modes[6][place]
        if key != DISABLED and key in text:
            os.kill(leader, number)
            text = text.rpartition(key)[2]  # As Linux throws away what was typed before.
    return text
