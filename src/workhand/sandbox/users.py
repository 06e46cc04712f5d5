"""Become root of a user namespace that has two users, then exec: a program of its own, started by root.

gVisor restores a machine only as what it takes for root, and keeps its kernel apart from that as nobody.  Both are
users of the session's own on the host: the first holds the files, the second nothing at all.
"""

from __future__ import annotations

import os
import sys

CLONE_NEWUSER = 0x10000000
NOBODY = 65_534


def command(argv: list[str], *, root: int, nobody: int) -> list[str]:
    """Put this program in front of a command."""
    return [sys.executable, "-I", "-S", "-B", __file__, str(root), str(nobody), *argv]


def main() -> None:
    root, nobody, *argv = sys.argv[1:]
    made, tell = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        os.close(tell)
        if os.read(made, 1):
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{parent}/{name}", "w") as mapping:
                    mapping.write(f"0 {root} 1\n{NOBODY} {nobody} 1\n")
        os._exit(0)
    enter()
    os.write(tell, b"1")
    os.waitpid(child, 0)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.execv(argv[0], argv)


def enter() -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) < 0:
        raise SystemExit(f"A user namespace could not be made: {os.strerror(ctypes.get_errno())}.")


if __name__ == "__main__":
    main()
