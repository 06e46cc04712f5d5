"""The kernel and its settings: /proc and /sys, devices, mounts, namespaces."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import signal
import socket

from tests.sandbox.escaping.inside.attempt import (
    HOST,
    LIBC,
    Attempts,
    Refused,
    ask,
    make_file_in,
    open_for_reading,
    open_for_writing,
)

KEPT = "/home/agent/.workhand"
NAMESPACES = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000}
AT_FDCWD, RENAME_EXCHANGE, MNT_DETACH = -100, 2, 2
MS_BIND, MS_REMOUNT_BIND, OPEN_TREE_CLONE = 0x1000, 0x1020, 1
BLOCK, CHARACTER = 0o600 | 0o060000, 0o600 | 0o020000


def find_secret(pattern: str) -> None:
    for path in glob.glob(pattern):
        try:
            with open(path, "rb") as file:
                content = file.read(1 << 20)
        except OSError:
            continue
        if HOST["secret"].encode() in content:
            return
    raise Refused(errno.ENOENT, pattern)


def see_host_processes() -> None:
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if b"setpriv" in file.read() or b"bwrap" in file.read():
                    return
        except OSError:
            continue
    raise Refused(errno.ENOENT, "host processes")


def see_kernel_addresses() -> None:
    with open("/proc/kallsyms") as symbols:
        if not int(symbols.readline().split()[0], 16):
            raise Refused(errno.EPERM, "addresses")


def become_unkillable() -> None:
    """Ask that the kernel should rather end somebody else when memory runs out."""
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("-1000")


def end_the_daemon() -> None:
    os.kill(1, signal.SIGKILL)
    with open("/proc/1/stat") as file:
        if file.read().split()[2] not in "ZX":
            raise Refused(errno.EPERM, "PID 1")


def make_device(path: str, kind: int, major: int, minor: int) -> None:
    """Make a device and open it.  It stays, for the host to see whether it is one outside."""
    os.mknod(path, kind, os.makedev(major, minor))
    open_for_reading(path)


def open_block_devices() -> None:
    for path in ("/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/dm-0", "/dev/loop0"):
        if os.path.exists(path):
            return open_for_reading(path)
    raise Refused(errno.ENOENT, "/dev")


def push_terminal_input() -> None:
    master, slave = os.openpty()
    byte = ctypes.c_char(b"x")
    ctypes.set_errno(0)
    failed = LIBC.ioctl(slave, ctypes.c_ulong(0x5412), ctypes.byref(byte))
    error = ctypes.get_errno()
    os.close(master)
    os.close(slave)
    if failed and error == errno.EPERM:
        raise Refused(error, "TIOCSTI")


def see_another_folder_behind_the_kept_one() -> None:
    """Look for the mount point under the mount, by way of every mount that shows the workspace."""
    for path in glob.glob("/proc/[0-9]*/root/home/agent/.workhand") + glob.glob("/proc/[0-9]*/cwd/.workhand"):
        if os.path.isdir(path) and not os.path.exists(os.path.join(path, "file")):
            return
    raise Refused(errno.ENOENT, "another folder")


def clone_namespace(kind: str) -> None:
    """Clone like ``fork``; a child that is made ends at once."""
    if ask("clone", NAMESPACES[kind] | signal.SIGCHLD) == 0:
        os._exit(0)


def gain_capabilities() -> None:
    with open("/proc/self/status") as file:
        held = [line.split()[1] for line in file if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"))]
    if all(int(mask, 16) == 0 for mask in held):
        raise Refused(errno.EPERM, "capabilities")


def gain_privileges_by_exec() -> None:
    with open("/proc/self/status") as file:
        if "NoNewPrivs:\t1\n" in file.read():
            raise Refused(errno.EPERM, "no_new_privs")


def enter_namespace(name: str) -> None:
    fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
    try:
        ask("setns", fd, 0)
    finally:
        os.close(fd)


def enter_a_chroot_as_a_new_user() -> None:
    ask("unshare", NAMESPACES["user"])
    os.chroot("/tmp")


PROC_AND_SYS: Attempts = {
    **{
        f"write {path}": lambda path=path: open_for_writing(path)  # type: ignore[misc]
        for path in (
            *("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/modprobe"),
            *("/proc/sysrq-trigger", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent"),
            *("/sys/kernel/uevent_helper", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/panic"),
            *("/proc/irq/default_smp_affinity", "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward"),
        )
    },
    "read kernel memory": lambda: open_for_reading("/proc/kcore"),
    "read the kernel's log": lambda: open_for_reading("/proc/kmsg"),
    "see kernel addresses": see_kernel_addresses,
    "see the kernel's objects": lambda: open_for_reading("/sys/kernel"),
    "become unkillable": become_unkillable,
    "find the host's environment": lambda: find_secret("/proc/*/environ"),
    "find the host's command lines": lambda: find_secret("/proc/*/cmdline"),
    "see host processes": see_host_processes,
    "signal a host process": lambda: os.kill(HOST["pid"], 0),
}

DEVICES: Attempts = {
    **{
        f"open {path}": lambda path=path: open_for_reading(path)  # type: ignore[misc]
        for path in (
            *("/dev/mem", "/dev/port", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/loop-control"),
            *("/dev/vhost-net", "/dev/vhost-vsock", "/dev/mapper/control", "/dev/userfaultfd", "/dev/snapshot"),
        )
    },
    "open disks": open_block_devices,
    "write to /dev": lambda: make_file_in("/dev"),
    "make a disk": lambda: make_device("/tmp/escape-disk", BLOCK, 8, 0),
    "make a disk in the workspace": lambda: make_device("escape-disk", BLOCK, 8, 0),
    "make physical memory": lambda: make_device("/tmp/escape-memory", CHARACTER, 1, 1),
    "make physical memory in the workspace": lambda: make_device("escape-memory", CHARACTER, 1, 1),
    "reach the host's terminal": lambda: os.close(os.open("/dev/tty", os.O_RDWR)),
    "push terminal input": push_terminal_input,
}

MOUNTS: Attempts = {
    "see another folder behind the kept one": see_another_folder_behind_the_kept_one,
    "exchange the kept folder": lambda: ask("renameat2", AT_FDCWD, b".workhand", AT_FDCWD, b"aside", RENAME_EXCHANGE),
    "unmount the kept folder": lambda: ask("umount2", KEPT.encode(), MNT_DETACH),
    "remount the kept folder for writing": lambda: ask("mount", None, KEPT.encode(), None, MS_REMOUNT_BIND, None),
    "remount the root for writing": lambda: ask("mount", None, b"/", None, MS_REMOUNT_BIND, None),
    "remount /usr for writing": lambda: ask("mount", None, b"/usr", None, MS_REMOUNT_BIND, None),
    "mount a file system": lambda: ask("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None),
    "mount another /proc": lambda: ask("mount", b"proc", b"/tmp", b"proc", 0, None),
    "mount control groups": lambda: ask("mount", b"cgroup", b"/tmp", b"cgroup", 0, b"pids"),
    "mount a directory over another": lambda: ask("mount", b"/usr", b"/tmp", None, MS_BIND, None),
    "make a file system": lambda: ask("fsopen", b"tmpfs", 0),
    "take a copy of the tree": lambda: ask("open_tree", AT_FDCWD, b"/", OPEN_TREE_CLONE),
    "change the root": lambda: os.chroot("/tmp"),
    "change the root as a new user": enter_a_chroot_as_a_new_user,
    "unmount the root": lambda: ask("umount2", b"/", MNT_DETACH),
    "walk through the daemon's root": lambda: open_for_reading("/proc/1/root/usr"),
    "walk through the daemon's directory": lambda: open_for_reading("/proc/1/cwd/.."),
}

NAMESPACE: Attempts = {
    **{f"unshare: {kind}": lambda flag=flag: ask("unshare", flag) for kind, flag in NAMESPACES.items()},  # type: ignore[misc]
    **{f"clone: {kind}": lambda kind=kind: clone_namespace(kind) for kind in NAMESPACES},  # type: ignore[misc]
    **{f"enter the daemon's: {name}": lambda name=name: enter_namespace(name) for name in ("user", "mnt", "net")},  # type: ignore[misc]
    "map more users": lambda: open_for_writing("/proc/1/uid_map"),
    "allow more namespaces": lambda: open_for_writing("/proc/sys/user/max_user_namespaces"),
    "become root": lambda: os.setuid(0),
    "become another session's user": lambda: os.setuid(300_001),
    "join another group": lambda: os.setgroups([0]),
    "hold capabilities": gain_capabilities,
    "gain privileges by exec": gain_privileges_by_exec,
    "rename the host": lambda: socket.sethostname("sandbox"),
}

ENDING: Attempts = {"end the daemon": end_the_daemon}
