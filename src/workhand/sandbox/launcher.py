"""Prepare a process on the host and become the sandbox: groups joined, workspace mounted, then exec.

This runs as a short-lived program of its own, with little of the standard library,
because joining control groups and entering a mount namespace must not happen to
the process that asks.  The mount namespace is private and ends with the sandbox,
so nothing mounted here is ever seen, or left, outside.

Root's sandboxes need the mounts for two reasons.  The session's user usually may
not walk the paths to the workspace and to what is kept beside it, and a directory that
belongs to root, or to whoever lends it, must look like the session's own inside while everything
in it stays its owner's outside: an idmapped mount, for which the kernel wants a user namespace that
holds the mapping.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # and not typing's: importing it takes longer than all that is done here
if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    Owners: TypeAlias = tuple[int, int, int]  # a user and a group on the disk, and the user that they become
    Mount: TypeAlias = tuple[str, str, Owners | None]

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_IDMAP = 0x00100000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
SIGKILL = 9
UNMAPPED = "-"


def command(
    argv: list[str], *, joins: tuple[Path, ...], mounts: tuple[Mount, ...], filtered: Path | None = None
) -> list[str]:
    """Put the launcher in front of a command if there is anything for it to do.

    Each of ``mounts`` is a directory or a file, where it is to be seen, and whom its owner becomes.  ``filtered`` is
    a file with a filter of system calls, for what is launched and all that it starts.
    """
    if not joins and not mounts and filtered is None:
        return argv
    shown = [part for source, target, owners in mounts for part in (source, target, _written(owners))]
    counts = [str(len(joins)), str(len(mounts))]
    before = [str(filtered or UNMAPPED), *counts]
    return [sys.executable, "-I", "-S", "-B", __file__, *before, *map(str, joins), *shown, *argv]


def _written(owners: Owners | None) -> str:
    return UNMAPPED if owners is None else ":".join(map(str, owners))


def main() -> None:
    filtered, joins, mounts, *rest = sys.argv[1:]
    for path in rest[: int(joins)]:
        with open(path, "w") as members:
            members.write(str(os.getpid()))
    del rest[: int(joins)]
    shown, argv = rest[: 3 * int(mounts)], rest[3 * int(mounts) :]
    if shown:
        call("enter a mount namespace", "unshare", CLONE_NEWNS)
        call("make mounts private", "mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    for at in range(0, len(shown), 3):
        source, target, owners = shown[at : at + 3]
        show(source, target, None if owners == UNMAPPED else [int(each) for each in owners.split(":")])
    if filtered != UNMAPPED:
        filter_calls(filtered)
    os.execv(argv[0], argv)


def filter_calls(path: str) -> None:
    """Let the kernel refuse what a filter says, from here on and for good: an array of ``struct sock_filter``."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    with open(path, "rb") as file:
        content = file.read()
    program = Program(len(content) // 8, content)
    call("give up new privileges", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("filter system calls", "prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0)


def show(source: str, target: str, owners: list[int] | None) -> None:
    """Mount a directory or a file at another place; with owners, what is one's looks like the other's own."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
    tree = call(f"open {source!r}", "syscall", SYS_OPEN_TREE, AT_FDCWD, source.encode(), flags)
    if owners is not None:
        map_owner(tree, *owners)
    ends = (tree, b"", AT_FDCWD, target.encode())
    call(f"mount {source!r}", "syscall", SYS_MOVE_MOUNT, *ends, MOVE_MOUNT_F_EMPTY_PATH)


def map_owner(tree: int, owner: int, group: int, uid: int) -> None:
    namespace = user_namespace(uid, owner, group)
    attributes = b"".join(value.to_bytes(8, sys.byteorder) for value in (MOUNT_ATTR_IDMAP, 0, 0, namespace))
    flags = AT_EMPTY_PATH | AT_RECURSIVE
    call("map the owner of a directory", "syscall", SYS_MOUNT_SETATTR, tree, b"", flags, attributes, len(attributes))


def user_namespace(uid: int, owner: int = 0, group: int = 0) -> int:
    """Open a user namespace in which the owner, or root, is this uid: a child makes it, and lives until it is open."""
    made, tell = os.pipe()
    wait, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(made)
        os.close(held)  # or its own copy would keep it alive after us
        call("make a user namespace", "unshare", CLONE_NEWUSER)
        os.write(tell, b"1")
        os.read(wait, 1)
    os.close(tell)
    try:
        if not os.read(made, 1):
            raise SystemExit(1)  # The child has said why.
        for name, inner in (("uid_map", owner), ("gid_map", group)):
            with open(f"/proc/{child}/{name}", "w") as mapping:
                mapping.write(f"{inner} {uid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(child, SIGKILL)
        os.waitpid(child, 0)


def call(purpose: str, function: str, *arguments: int | bytes | None) -> int:
    import ctypes

    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result: int = getattr(ctypes.CDLL(None, use_errno=True), function)(*wide)
    if result < 0:
        raise SystemExit(f"The launcher could not {purpose}: {os.strerror(ctypes.get_errno())}.")
    return result


if __name__ == "__main__":
    main()
