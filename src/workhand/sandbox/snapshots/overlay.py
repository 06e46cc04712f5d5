"""Mount layers as one directory whose files are a session's own: lowers read-only, an upper for what is written.

On a disk all files of all layers are root's.  Each layer is cloned, and the clone maps root to the
session's user; so a fork has another user than its parent without a file being touched, and what its
user writes is copied up first.  A program of its own does it, ``mounting``, under a time limit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workhand.errors import SandboxError
from workhand.sandbox.launcher import UNMAPPED
from workhand.sandbox.snapshots.mounting import FORK, LOWERS, SOURCE, TRIAL, UPPER, WORK

UMOUNT_NOFOLLOW = 8
TIMEOUT_S = 10.0
PACKAGE_PARENT = str(Path(__file__).parents[3])
PROGRAM = (
    f"import sys; sys.path.append({PACKAGE_PARENT!r}); from workhand.sandbox.snapshots import mounting; mounting.main()"
)


def mount(directory: Path, trees: Sequence[Path], target: Path, uid: int | None, *, trial: bool = False) -> None:
    """Mount trees, the topmost first, at a target; what is written goes to ``directory``.

    A trial is seen by nobody and is over on return.
    """
    for name in (UPPER, WORK, *(f"{LOWERS}/{at}" for at in range(len(trees)))):
        (directory / name).mkdir(parents=True, exist_ok=True)
    who = UNMAPPED if uid is None else str(uid)
    purpose = TRIAL if trial else FORK
    program = [sys.executable, "-I", "-S", "-B", "-c", PROGRAM]
    command = [*program, purpose, str(directory), str(target), who, *map(str, trees)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False, env={}
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"Mounting {str(target)!r} took more than {TIMEOUT_S:g} s; the machine may be overloaded."
        ) from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise SandboxError(f"The fork at {str(target)!r} could not be mounted: {words}")


def unmount(target: Path) -> None:
    """Take a fork out of sight; raises ``OSError`` while somebody uses it."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(target), UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def is_mounted(target: Path, name: str) -> bool:
    """Say whether the fork of this name is what is seen at a path."""
    seen = [line.split(b" ") for line in Path("/proc/self/mountinfo").read_bytes().split(b"\n") if line]
    sources = [fields[fields.index(b"-") + 2] for fields in seen if _plain(fields[4]) == os.fsencode(target)]
    return sources[-1:] == [os.fsencode(SOURCE + name)]


def _plain(escaped: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda sign: bytes([int(sign[1], 8)]), escaped)
