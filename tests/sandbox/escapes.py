"""Try to get out of a sandbox: this program runs inside one and reports what got through.

It reads a JSON object from standard input that says where the host's things are,
and prints one that maps each attempt to ``null`` when it was refused or to a
sentence when it was not.  Attempts only open and close, or ask with empty
arguments: nothing is ever written outside, even when an attempt succeeds.
Standard library only, for any Python that a sandbox may have.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
HOST: dict[str, Any] = {}
CONNECT_S = 2.0
SET_USER_ID = 0o4755
NAMESPACES = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000}
KEPT = "/home/agent/.workhand"
RENAMEAT2, UMOUNT2, MOUNT = (316, 166, 165) if os.uname().machine == "x86_64" else (276, 39, 40)
AF_PACKET, AF_VSOCK, AF_ALG, AF_KEY = 17, 40, 38, 15


class Refused(OSError):
    """The attempt did not get through, though no system call failed."""


def call(name: str, *arguments: Any) -> None:
    """Make a system call that must never reach the kernel proper: any other failure counts as through."""
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    ctypes.set_errno(0)
    LIBC.syscall(ctypes.c_long(HOST["calls"][name]), *wide, *[ctypes.c_long(0)] * (6 - len(wide)))
    if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT):
        raise Refused(ctypes.get_errno(), name)


def open_for_writing(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def open_for_reading(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def make_file_in(directory: str) -> None:
    path = os.path.join(directory, "workhand-escape")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)


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


def see_another_folder_behind_the_kept_one() -> None:
    """Look for the mount point under the mount, by way of every mount that shows the workspace."""
    for path in glob.glob("/proc/[0-9]*/root/home/agent/.workhand") + glob.glob("/proc/[0-9]*/cwd/.workhand"):
        if os.path.isdir(path) and not os.path.exists(os.path.join(path, "file")):
            return
    raise Refused(errno.ENOENT, "another folder")


def call_on_kept_folder(name: str, number: int, *arguments: Any) -> None:
    """Change the mount of the folder: allowed to fail in whatever way, but not to succeed."""
    ctypes.set_errno(0)
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    if LIBC.syscall(ctypes.c_long(HOST["calls"].get(name, number)), *wide) < 0:
        raise Refused(ctypes.get_errno(), name)


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


def kill_host_process() -> None:
    os.kill(HOST["pid"], 0)


def see_host_processes() -> None:
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if b"setpriv" in file.read() or b"bwrap" in file.read():
                    return
        except OSError:
            continue
    raise Refused(errno.ENOENT, "host processes")


def make_block_device() -> None:
    os.mknod("/tmp/escape-device", 0o600 | 0o060000, os.makedev(8, 0))


def make_character_device() -> None:
    os.mknod("/tmp/escape-device", 0o600 | 0o020000, os.makedev(1, 1))


def open_block_devices() -> None:
    for path in ("/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/dm-0", "/dev/loop0"):
        if os.path.exists(path):
            return open_for_reading(path)
    raise Refused(errno.ENOENT, "/dev")


def connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(CONNECT_S)
        client.connect(address)


def make_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def resolve_name() -> None:
    socket.getaddrinfo("example.com", 80)


def see_interfaces() -> None:
    if {name for _, name in socket.if_nameindex()} <= {"lo"}:
        raise Refused(errno.ENODEV, "interfaces")


def become_root() -> None:
    os.setuid(0)


def gain_capabilities() -> None:
    with open("/proc/self/status") as file:
        held = [line.split()[1] for line in file if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"))]
    if all(int(mask, 16) == 0 for mask in held):
        raise Refused(errno.EPERM, "capabilities")


def gain_privileges_by_exec() -> None:
    with open("/proc/self/status") as file:
        if "NoNewPrivs:\t1\n" in file.read():
            raise Refused(errno.EPERM, "no_new_privs")


def make_set_user_id_file() -> None:
    path = "escape-chmod"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o755))
    try:
        os.chmod(path, SET_USER_ID)
    finally:
        os.unlink(path)


def create_set_user_id_file() -> None:
    path = "escape-create"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SET_USER_ID))
    os.unlink(path)


def clone_namespace(kind: str) -> None:
    """Clone like ``fork``; a child that is made ends at once."""
    ctypes.set_errno(0)
    pid = LIBC.syscall(
        ctypes.c_long(HOST["calls"]["clone"]), ctypes.c_long(NAMESPACES[kind] | signal.SIGCHLD), 0, 0, 0, 0
    )
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise Refused(ctypes.get_errno(), kind)
    os.waitpid(pid, 0)


def unshare_namespace(kind: str) -> None:
    call("unshare", NAMESPACES[kind])


def trace_a_child() -> None:
    call("ptrace", 0)


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


def use_a_foreign_call_table() -> None:
    """Make an x32 call in a child: the filter must kill it."""
    pid = os.fork()
    if pid == 0:
        LIBC.syscall(ctypes.c_long(0x40000000 + 39))
        os._exit(0)
    if os.waitpid(pid, 0)[1] == signal.SIGSYS or HOST["machine"] != "x86_64":
        raise Refused(errno.ENOSYS, "x32")


def enter_namespaces_of_the_daemon() -> None:
    os.close(os.open("/proc/1/ns/user", os.O_RDONLY))


def list_daemon_descriptors() -> None:
    for name in os.listdir("/proc/1/fd"):
        open_for_reading("/proc/1/fd/" + name)


def inherit_descriptors() -> None:
    extra = [fd for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and os.path.exists(f"/proc/self/fd/{fd}")]
    if not extra:
        raise Refused(errno.EBADF, "descriptors")


def reach_host_terminal() -> None:
    os.close(os.open("/dev/tty", os.O_RDWR))


def end_the_daemon() -> None:
    os.kill(1, signal.SIGKILL)
    with open("/proc/1/stat") as file:
        if file.read().split()[2] not in "ZX":
            raise Refused(errno.EPERM, "PID 1")


ATTEMPTS: dict[str, Callable[[], None]] = {
    "write to the system": lambda: make_file_in("/usr/bin"),
    "write to the root directory": lambda: make_file_in("/"),
    "write to /etc": lambda: make_file_in("/etc"),
    "write to /dev": lambda: make_file_in("/dev"),
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
    "exchange the kept folder": lambda: call_on_kept_folder(
        "renameat2", RENAMEAT2, -100, b".workhand", -100, b"aside", 2
    ),
    "see another folder behind the kept one": see_another_folder_behind_the_kept_one,
    "unmount the kept folder": lambda: call_on_kept_folder("umount2", UMOUNT2, KEPT.encode(), 2),
    "remount the kept folder for writing": lambda: call_on_kept_folder(
        "mount", MOUNT, None, KEPT.encode(), None, 0x1020, None
    ),
    "write core_pattern": lambda: open_for_writing("/proc/sys/kernel/core_pattern"),
    "write overcommit_memory": lambda: open_for_writing("/proc/sys/vm/overcommit_memory"),
    "write modprobe": lambda: open_for_writing("/proc/sys/kernel/modprobe"),
    "write sysrq": lambda: open_for_writing("/proc/sysrq-trigger"),
    "write control groups": lambda: open_for_writing("/sys/fs/cgroup/cgroup.procs"),
    "read root's home": lambda: open_for_reading("/root"),
    "read a file of the host": lambda: open_for_reading(HOST["file"]),
    "read another session's workspace": lambda: open_for_reading(HOST["other"]),
    "read the host's passwords": lambda: open_for_reading("/etc/shadow"),
    "read kernel memory": lambda: open_for_reading("/proc/kcore"),
    "read physical memory": lambda: open_for_reading("/dev/mem"),
    "read the kernel log": lambda: open_for_reading("/dev/kmsg"),
    "open the virtual machine device": lambda: open_for_reading("/dev/kvm"),
    "open the device mapper and disks": open_block_devices,
    "find the host's environment": lambda: find_secret("/proc/*/environ"),
    "find the host's command lines": lambda: find_secret("/proc/*/cmdline"),
    "see host processes": see_host_processes,
    "signal a host process": kill_host_process,
    "make a block device": make_block_device,
    "make a character device": make_character_device,
    "connect to the host's loopback, IPv4": lambda: connect(socket.AF_INET, ("127.0.0.1", HOST["port"])),
    "connect to the host's loopback, IPv6": lambda: connect(socket.AF_INET6, ("::1", HOST["port"])),
    "connect to the metadata address": lambda: connect(socket.AF_INET, ("169.254.169.254", 80)),
    "connect to an abstract socket": lambda: connect(socket.AF_UNIX, "\0" + HOST["abstract"]),
    "connect to a socket by path": lambda: connect(socket.AF_UNIX, HOST["socket"]),
    "resolve a name": resolve_name,
    "see network interfaces": see_interfaces,
    "open a vsock": lambda: make_socket(AF_VSOCK, socket.SOCK_STREAM),
    "open a packet socket": lambda: make_socket(AF_PACKET, socket.SOCK_RAW),
    "open a crypto socket": lambda: make_socket(AF_ALG, socket.SOCK_SEQPACKET),
    "open a key socket": lambda: make_socket(AF_KEY, socket.SOCK_RAW, 2),
    "open a raw socket": lambda: make_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "become root": become_root,
    "hold capabilities": gain_capabilities,
    "gain privileges by exec": gain_privileges_by_exec,
    "make a set-user-id file": make_set_user_id_file,
    "create a set-user-id file": create_set_user_id_file,
    "unshare a user namespace": lambda: unshare_namespace("user"),
    "unshare a mount namespace": lambda: unshare_namespace("mount"),
    "clone a user namespace": lambda: clone_namespace("user"),
    "clone a network namespace": lambda: clone_namespace("net"),
    "trace": trace_a_child,
    "push terminal input": push_terminal_input,
    "use a foreign call table": use_a_foreign_call_table,
    "enter the daemon's namespaces": enter_namespaces_of_the_daemon,
    "open the daemon's descriptors": list_daemon_descriptors,
    "read the daemon's memory": lambda: open_for_reading("/proc/1/mem"),
    "inherit descriptors": inherit_descriptors,
    "reach the host's terminal": reach_host_terminal,
    "end the daemon": end_the_daemon,
}


def outcome(attempt: Callable[[], None]) -> str | None:
    try:
        attempt()
    except OSError:
        return None
    return "It got through."


def main() -> None:
    HOST.update(json.load(sys.stdin))
    found = {name: outcome(attempt) for name, attempt in ATTEMPTS.items()}
    for name in sorted(set(HOST["calls"]) - {"clone"}):
        found["call " + name] = outcome(lambda name=name: call(name))  # type: ignore[misc]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
