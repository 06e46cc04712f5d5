"""Files: the host's, other sessions', the system's, and what is kept for the agent."""

from __future__ import annotations

import os

from tests.sandbox.escaping.inside.attempt import HOST, Attempts, make_file_in, open_for_reading, open_for_writing

KEPT = "/home/agent/.workhand"
SET_USER_ID = 0o4755


def replace_kept_file() -> None:
    """Put a file of the workspace in the place of one that is kept."""
    os.close(os.open("escape-kept", os.O_WRONLY | os.O_CREAT))
    try:
        os.rename("escape-kept", HOST["kept"])
    finally:
        if os.path.exists("escape-kept"):
            os.unlink("escape-kept")


def write_kept_file_by_its_descriptor() -> None:
    fd = os.open(HOST["kept"], os.O_RDONLY)
    try:
        open_for_writing(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def write_kept_file_through_a_link() -> None:
    os.symlink(HOST["kept"], "escape-link")
    try:
        open_for_writing("escape-link")
    finally:
        os.unlink("escape-link")


def make_set_user_id_file() -> None:
    """Change a file of the workspace.  It stays, for the host to see what it is outside."""
    os.close(os.open("escape-chmod", os.O_WRONLY | os.O_CREAT, 0o755))
    os.chmod("escape-chmod", SET_USER_ID)


def create_set_user_id_file() -> None:
    os.close(os.open("escape-create", os.O_WRONLY | os.O_CREAT | os.O_EXCL, SET_USER_ID))


ATTEMPTS: Attempts = {
    "write to the system": lambda: make_file_in("/usr/bin"),
    "write to the root directory": lambda: make_file_in("/"),
    "write to /etc": lambda: make_file_in("/etc"),
    "write to the code of the daemon": lambda: open_for_writing("/opt/workhand/inside/daemon.py"),
    "write beside the workspace": lambda: make_file_in(HOST["parent"]),
    "write a kept file": lambda: open_for_writing(HOST["kept"]),
    "write a kept file by its descriptor": write_kept_file_by_its_descriptor,
    "write a kept file through a link": write_kept_file_through_a_link,
    "write a kept file by its path on the host": lambda: open_for_writing(HOST["kept on host"]),
    "append to a kept file": lambda: os.close(os.open(HOST["kept"], os.O_WRONLY | os.O_APPEND)),
    "cut a kept file": lambda: os.truncate(HOST["kept"], os.path.getsize(HOST["kept"])),
    "make a file among the kept": lambda: make_file_in(KEPT),
    "make a directory among the kept": lambda: os.mkdir(f"{KEPT}/escape-directory"),
    "make a link among the kept": lambda: os.symlink("/etc/passwd", f"{KEPT}/escape-link"),
    "link a kept file into the workspace": lambda: os.link(HOST["kept"], "escape-hard-link"),
    "rename a kept file": lambda: os.rename(HOST["kept"], HOST["kept"] + "-escape"),
    "move a kept file away": lambda: os.rename(HOST["kept"], "escape-moved"),
    "replace a kept file": replace_kept_file,
    "delete a kept file": lambda: os.unlink(HOST["kept"]),
    "delete a directory of kept files": lambda: os.rmdir(f"{KEPT}/empty"),
    "change the mode of a kept file": lambda: os.chmod(HOST["kept"], 0o644),
    "change the times of a kept file": lambda: os.utime(HOST["kept"]),
    "change the owner of a kept file": lambda: os.chown(HOST["kept"], os.getuid(), os.getgid()),
    "mark a kept file": lambda: os.setxattr(HOST["kept"], "user.escape", b"x"),
    "change the mode of the kept folder": lambda: os.chmod(KEPT, 0o700),
    "rename the kept folder": lambda: os.rename(KEPT, "escape-folder"),
    "delete the kept folder": lambda: os.rmdir(KEPT),
    "read root's home": lambda: open_for_reading("/root"),
    "read a file of the host": lambda: open_for_reading(HOST["file"]),
    "read another session's workspace": lambda: open_for_reading(HOST["other"]),
    "read the host's passwords": lambda: open_for_reading("/etc/shadow"),
    "read the host's logs": lambda: open_for_reading("/var/log"),
    "read the host's temporary files": lambda: open_for_reading(HOST["parent"]),
    "read the state of other machines": lambda: open_for_reading("/run/workhand"),
    "make a set-user-id file": make_set_user_id_file,
    "create a set-user-id file": create_set_user_id_file,
}
