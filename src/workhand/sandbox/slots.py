"""Number the sandboxes that live on this machine, so that no two share a user or a control group.

A slot is one locked byte of one file.  The lock belongs to the open file, which
the daemon inside inherits: the kernel frees the slot exactly when the last
process that could act under its number is gone, also after a crash of the host.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from workhand.errors import SandboxUnavailable

SLOTS = 65_536
FIRST_UID = 300_000


@dataclass(frozen=True, slots=True)
class Slot:
    number: int
    fd: int  # holds the lock; to be inherited by the sandbox

    @property
    def uid(self) -> int:
        return FIRST_UID + self.number

    @property
    def name(self) -> str:
        return group_name(self.number)


def group_name(number: int | str) -> str:
    return f"workhand-{number}"


def preferred_number(session: str, owner: int) -> int:
    """Stay with the owner of the workspace if it was a slot's, else derive the number from the session."""
    if FIRST_UID <= owner < FIRST_UID + SLOTS:
        return owner - FIRST_UID
    return int.from_bytes(sha256(session.encode()).digest()[:2], "big")


def give(directory: Path, uid: int) -> None:
    """Give a whole tree to a user, the top last: an interrupted run is repeated.

    It may be deeper than any recursion of ours, since whoever had it before chose its depth.
    """
    command = ("chown", "--recursive", "--no-dereference", "-P", f"{uid}:{uid}", "--", str(directory))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise SandboxUnavailable(f"The workspace {str(directory)!r} cannot be given to uid {uid}: {words}")


def preferred_uid(session: str) -> int:
    """Give the user that a session's machine gets unless another has it."""
    return FIRST_UID + preferred_number(session, 0)


def take_slot(directory: Path, preferred: int) -> Slot:
    """Take the preferred slot, or the next that is free."""
    fd = os.open(directory / "slots", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for step in range(SLOTS):
        number = (preferred + step) % SLOTS
        if _lock(fd, number):
            return Slot(number, fd)
    os.close(fd)
    raise SandboxUnavailable(f"All {SLOTS} sandboxes that this machine can hold are open; close one.")


def try_slot(directory: Path, number: int) -> Slot | None:
    """Take exactly this slot; ``None`` while a sandbox lives in it."""
    fd = os.open(directory / "slots", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if _lock(fd, number):
        return Slot(number, fd)
    os.close(fd)
    return None


def _lock(fd: int, number: int) -> bool:
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, lock)
    except (BlockingIOError, PermissionError):
        return False
    return True


def state_directory() -> Path:
    """Give a directory that only this user writes and that is empty after a restart of the machine."""
    uid = os.geteuid()
    candidates = [Path(f"/tmp/workhand-{uid}")]
    candidates.insert(0, Path(f"/run/user/{uid}/workhand") if uid else Path("/run/workhand"))
    for path in candidates:
        try:
            path.mkdir(exist_ok=True)
        except OSError:
            continue  # There is no such place here, or it is read-only: the next one.
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == uid:
            path.chmod(0o755)  # Sessions' users walk through it, whatever our umask.
            return path
    raise SandboxUnavailable(f"None of {[str(path) for path in candidates]!r} is a directory of our own; remove them.")
