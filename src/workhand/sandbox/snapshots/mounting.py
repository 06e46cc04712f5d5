"""Be the short-lived program that mounts one fork: clone layers, map their owner, combine, show it to the host.

The kernel wants a user namespace that holds the mapping, and places for the clones.  So this has a mount
namespace of its own, and only the finished mount leaves it.  Short relative names keep the options
within the 256 bytes that the kernel takes.  It imports little, because a fork waits for it.
"""

from __future__ import annotations

import os
import sys

from workhand.sandbox import launcher
from workhand.sandbox.launcher import AT_EMPTY_PATH, AT_FDCWD, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE, UNMAPPED, call

SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT = 430, 431, 432
FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 1, 6
MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 2, 4
LOWERS, UPPER, WORK = "lowers", "upper", "work"
OPTIONS = {
    "redirect_dir": "on",  # or a directory of a lower could not be renamed
    "index": "off",
    "metacopy": "off",
    "xino": "auto",
}
SOURCE = "workhand-fork-"
FORK, TRIAL = "fork", "trial"


def main() -> None:
    purpose, directory, target, who, *trees = sys.argv[1:]
    host = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    call("enter a mount namespace", "unshare", launcher.CLONE_NEWNS)
    call("make mounts private", "mount", None, b"/", None, launcher.MS_REC | launcher.MS_PRIVATE, None)
    namespace = None if who == UNMAPPED else launcher.user_namespace(int(who))
    os.chdir(os.path.join(directory, LOWERS))
    for at, tree in enumerate(trees):
        place(clone(tree, namespace), str(at))
    merged = combined(os.path.basename(directory), len(trees))
    if purpose == TRIAL:  # Nobody else sees the mount, and it goes with this process.
        place(merged, target)
        try_out(target, int(who))
        return
    call("return to the host's mounts", "setns", host, launcher.CLONE_NEWNS)
    place(merged, target)
    call("make the fork private", "mount", None, os.fsencode(target), None, launcher.MS_PRIVATE, None)


def try_out(target: str, uid: int) -> None:
    """Use a mount of the layers that ``probe`` makes."""
    folder, moved = os.path.join(target, "a"), os.path.join(target, "b")
    if os.path.exists(os.path.join(folder, "gone")):
        raise SystemExit("A hidden file shows through.")
    if os.stat(os.path.join(folder, "shown")).st_uid != uid:
        raise SystemExit("Files of a layer do not come to belong to the session's user.")
    try:
        os.rename(folder, moved)
        with open(os.path.join(moved, "shown"), "w") as shown:
            shown.write("written")
    except OSError as error:
        raise SystemExit(f"What is in a layer cannot be changed: {error}.") from error


def clone(tree: str, namespace: int | None) -> int:
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    cloned = call(f"open {tree!r}", "syscall", launcher.SYS_OPEN_TREE, AT_FDCWD, os.fsencode(tree), flags)
    if namespace is not None:
        values = (launcher.MOUNT_ATTR_IDMAP, 0, 0, namespace)
        attributes = b"".join(value.to_bytes(8, sys.byteorder) for value in values)
        ends = (cloned, b"", AT_EMPTY_PATH, attributes, len(attributes))
        call("map the owner of a layer", "syscall", launcher.SYS_MOUNT_SETATTR, *ends)
    return cloned


def combined(name: str, lowers: int) -> int:
    """Make an overlay of what is mounted in this directory, and of the upper beside it."""
    context = call("open overlayfs", "syscall", SYS_FSOPEN, b"overlay", FSOPEN_CLOEXEC)
    stated = {
        "source": SOURCE + name,
        "lowerdir": ":".join(map(str, range(lowers))),
        "upperdir": f"../{UPPER}",
        "workdir": f"../{WORK}",
        **OPTIONS,
    }
    for option, value in stated.items():
        pair = (option.encode(), os.fsencode(value), 0)
        call(f"set {option}={value}", "syscall", SYS_FSCONFIG, context, FSCONFIG_SET_STRING, *pair)
    call("combine the layers", "syscall", SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
    attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
    return call("mount the layers", "syscall", SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, attributes)


def place(mounted: int, target: str) -> None:
    ends = (mounted, b"", AT_FDCWD, os.fsencode(target), launcher.MOVE_MOUNT_F_EMPTY_PATH)
    call(f"mount at {target!r}", "syscall", launcher.SYS_MOVE_MOUNT, *ends)
