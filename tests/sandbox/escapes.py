"""Try to get out of a machine: this program runs inside one and reports what got through.

It reads a JSON object from standard input that says where the host's things are, and prints one that maps each
attempt to ``null`` when it was refused, or to a sentence when it was not.  Every attempt is made in a process of
its own, so that none changes what the next one may do.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable

from tests.sandbox.escaping.inside import files, kernel, processes, reaching
from tests.sandbox.escaping.inside.attempt import HOST, Attempts, reach_the_kernel

ATTEMPT_S = 20
THROUGH, REFUSED, BROKEN = 0, 1, 2
CLASSES: dict[str, Attempts] = {
    "files": files.ATTEMPTS,
    "proc and sys": kernel.PROC_AND_SYS,
    "devices": kernel.DEVICES,
    "mounts": kernel.MOUNTS,
    "namespaces": kernel.NAMESPACE,
    "ptrace": processes.PTRACE,
    "kernel keyrings": processes.KEYRINGS,
    "sockets": reaching.SOCKETS,
    "network": reaching.NETWORK,
}
CALLS: dict[str, str] = {
    "mounts": "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root umount2",
    "namespaces": "clone3 setdomainname sethostname setns unshare",
    "ptrace": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace userfaultfd",
    "kernel keyrings": "add_key keyctl request_key",
    "files": "fanotify_init name_to_handle_at open_by_handle_at openat2 quotactl quotactl_fd uselib",
}
"""System calls that the filter denies, by what they would be used for; all others are about the kernel itself."""
ENDING = kernel.ENDING  # of "proc and sys"; made on its own, since nothing may be left after it


def outcome(attempt: Callable[[], object]) -> str | None:
    """Make an attempt in a child, and judge it by how that ends."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        signal.alarm(ATTEMPT_S)
        try:
            attempt()
        except OSError:
            os._exit(REFUSED)
        except BaseException:
            traceback.print_exc()
            os._exit(BROKEN)
        os._exit(THROUGH)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        killed = os.WTERMSIG(status)
        return None if killed == signal.SIGSYS else f"It ended with signal {killed}."
    return {REFUSED: None, THROUGH: "It got through."}.get(os.WEXITSTATUS(status), "It broke.")


def class_of(call: str) -> str:
    return next((group for group, calls in CALLS.items() if call in calls.split()), "proc and sys")


def main() -> None:
    HOST.update(json.load(sys.stdin))
    found = {
        group: {name: outcome(attempt) for name, attempt in attempts.items()} for group, attempts in CLASSES.items()
    }
    for name in HOST["calls"]:
        tried = outcome(lambda name=name: reach_the_kernel(name))  # type: ignore[misc]
        found[class_of(name)]["call " + name] = tried
    sys.stdout.write(json.dumps(found))


def end() -> None:
    sys.stdout.write(json.dumps({"proc and sys": {name: outcome(attempt) for name, attempt in ENDING.items()}}))
