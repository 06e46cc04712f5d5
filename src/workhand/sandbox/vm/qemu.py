"""Open a virtual machine with QEMU: a kernel of the session's own, and no network device at all.

What a session does meets the machine's kernel; that one's way out is the emulator, through a handful of
paravirtual devices: directories by 9p, a serial port for the wire, another for the console.  So the emulator is
held like any other session: root first becomes a user of the session's own, and bubblewrap shows QEMU, read-only,
its libraries, the kernel and the system to share, and one writable place, the workspace.  It may start no program,
and its system calls are filtered twice: by its own filter and by ours.

bubblewrap maps the session's user to 1000, and QEMU, in there, sees the workspace as 1000's.  So the machine does,
too, and what is made in it belongs to the session's user outside.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from anyio import to_thread

from workhand.core.ports import Capabilities
from workhand.errors import SandboxUnavailable
from workhand.sandbox import bubblewrap, launcher, seccomp
from workhand.sandbox import limits as limit
from workhand.sandbox.bubblewrap import HOME, INNER_ID, KEPT, PACKAGE_PARENT, PATH, RUN_BYTES, SHM_BYTES, Files
from workhand.sandbox.client import DaemonSandbox, real_directory, start_daemon, unwound_on_failure
from workhand.sandbox.limits import MIB, Groups, SandboxLimits
from workhand.sandbox.meter import Meter
from workhand.sandbox.slots import preferred_number, state_directory, take_slot
from workhand.sandbox.spec import MachineSpec
from workhand.sandbox.vm import acceleration, kernel
from workhand.sandbox.vm.acceleration import Acceleration, reason_to_emulate
from workhand.sandbox.vm.kernel import Kernel

MEMORY_BYTES_MIN = 128 * MIB
EMULATOR_BYTES = 256 * MIB  # what QEMU needs past the memory of the machine, translated code included
EMULATOR_THREADS = 256
PROCESSORS_MAX = 2  # where no limit is set
MESSAGE_BYTES = 512 << 10  # of 9p
SHARED = "/machine"  # where bubblewrap lays out for QEMU the system that is shared
HARDENED = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
HARDWARE = (
    *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
    *("-M", f"{kernel.MACHINE},sata=off,smbus=off,usb=off,vmport=off,graphics=off,i8042=off", "-sandbox", HARDENED),
)
QUIET = "console=ttyS0 quiet loglevel=4 panic=-1 reboot=t"
QUICK = "rcupdate.rcu_expedited=1 cryptomgr.notests random.trust_cpu=on"
MOUNT_POINTS = ("dev", "proc", "run", "tmp", HOME.lstrip("/"))
ENVIRONMENT = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8", "USER": "agent", "TERM": "dumb", "PAGER": "cat"}
WORKSPACE = (
    "The workspace is a directory shared by 9p: no named pipe and no socket can be made in it, and a file that is "
    "deleted while open has no status; use /tmp for those."
)
OWN_KERNEL = "The kernel is the machine's own; a bug in QEMU, and then one in the host's kernel, is a way out."


async def open_vm(spec: MachineSpec) -> DaemonSandbox:
    """Open a virtual machine whose workspace is a directory of the host; its system is the image's, or the host's.

    Nothing is downloaded.  Others must be able to read what is in the folder of what is kept.
    """
    if platform.machine() != "x86_64":
        raise SandboxUnavailable(f"Virtual machines are made for x86_64 hosts, and this one is {platform.machine()!r}.")
    boot = kernel.find(spec.cache.expanduser() / "vm")
    state = state_directory()
    reason = reason_to_emulate(state)
    return await (open_by_trial(spec, boot, state) if reason is None else _open(spec, boot, "tcg", reason))


async def open_by_trial(spec: MachineSpec, boot: Kernel, state: Path) -> DaemonSandbox:
    """Open a machine by KVM or, if it does not start, without; in ``state`` is remembered that it did not."""
    try:
        return await _open(spec, boot, "kvm", acceleration.USED)
    except SandboxUnavailable:
        sandbox = await _open(spec, boot, "tcg", acceleration.NOT_WORKING)
    acceleration.remember(state)  # The same machine does start, so it was for KVM that it did not.
    return sandbox


async def _open(spec: MachineSpec, boot: Kernel, by: Acceleration, why: str) -> DaemonSandbox:
    workspace = real_directory(spec.workspace)
    kept = None if spec.kept is None else real_directory(spec.kept)
    if kept is not None:
        bubblewrap.check_place(workspace / KEPT)
    async with unwound_on_failure() as resources:
        state = state_directory()
        slot = take_slot(state, preferred_number(spec.session, workspace.stat().st_uid))
        resources.callback(os.close, slot.fd)
        groups, joins = limit.join_group(resources, state, slot, _held(spec.limits))
        identity = await to_thread.run_sync(bubblewrap.choose_identity, workspace, slot, spec)
        sources = {**bubblewrap.sources(spec, workspace, kept), "boot": boot.directory}
        places, mounts = bubblewrap.shown(sources, identity, state)
        python = bubblewrap.find_python(identity.uid, spec.root)
        ram = await to_thread.run_sync(kernel.initramfs, boot)
        begun = time.monotonic()
        with ExitStack() as started:
            files = Files(started)
            argv = _contained(files, places, python, spec, ram, by)
            argv += _emulation(spec, by, python, console=max(slot.fd, *files.fds) + 1)
            if os.geteuid() == 0:
                group = os.stat(acceleration.DEVICE).st_gid if by == "kvm" else None
                argv = [*bubblewrap.drop(identity, group=group), *argv]
            wire = await start_daemon(
                launcher.command(argv, joins=joins, mounts=mounts),
                pass_fds=(slot.fd, *files.fds),
                environ={},
                directory="/",
                ready_s=acceleration.READY_S[by],
                resources=resources,
                doors=spec.doors,
            )
        ready = f"The machine was ready after {time.monotonic() - begun:.1f} s."
        notes = (OWN_KERNEL, WORKSPACE, why, ready, *_notes(spec, groups))
        joined = tuple(path.parent for path in joins)
        capabilities = Capabilities("qemu", "vm", limit.enforcer(groups), spec.network, notes)
        return DaemonSandbox(wire, capabilities, resources, Meter(spec.limits, joined))


def _held(limits: SandboxLimits) -> SandboxLimits:
    """Say what the emulator may use on the host; the machine's own memory and processes are bounded in it."""
    return replace(limits, memory_bytes=_memory_bytes(limits) + EMULATOR_BYTES, processes=EMULATOR_THREADS)


def _memory_bytes(limits: SandboxLimits) -> int:
    return max(limits.memory_bytes, MEMORY_BYTES_MIN)


def _notes(spec: MachineSpec, groups: Groups | None) -> tuple[str, ...]:
    notes = []
    if spec.limits.cpus is not None and (groups is None or "cpu" not in dict(groups.parents)):
        notes.append("The share of the processors is limited to whole ones.")
    if spec.limits.memory_bytes < MEMORY_BYTES_MIN:
        notes.append(f"The machine has {MEMORY_BYTES_MIN // MIB} MiB of memory, because its kernel needs so much.")
    return tuple(notes)


def _contained(
    files: Files, places: Mapping[str, str], python: str, spec: MachineSpec, ram: bytes, by: Acceleration
) -> list[str]:
    """Compose the command that shows QEMU what it needs and nothing else."""
    device = ("--dev-bind", acceleration.DEVICE, acceleration.DEVICE) if by == "kvm" else ()
    return [
        bubblewrap.find_program("bwrap", "bubblewrap"),
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1"),
        *("--uid", INNER_ID, "--gid", INNER_ID, "--hostname", "emulator", "--cap-drop", "ALL"),
        *("--seccomp", files.add(seccomp.program()), "--clearenv"),
        *bubblewrap.programs(python, ""),
        *("--ro-bind", os.path.realpath("/etc/ld.so.cache"), "/etc/ld.so.cache"),
        *("--proc", "/proc", "--dev", "/dev", *device, "--remount-ro", "/dev"),
        *("--ro-bind", places["boot"], "/boot", "--ro-bind-data", files.add(ram), "/initramfs"),
        *("--perms", "0755", "--dir", SHARED),
        *bubblewrap.system(files, places.get("root"), python, spec, at=SHARED),
        *bubblewrap.further(places, spec, at=SHARED),
        *_guest(files, python, spec),
        *("--bind", places["workspace"], "/workspace"),
        *(("--ro-bind", places["kept"], "/kept") if "kept" in places else ()),
        *("--remount-ro", "/", "--"),
    ]


def _guest(files: Files, python: str, spec: MachineSpec) -> list[str]:
    """Put into the system what makes the machine's first program the daemon, and the places that it mounts on."""
    rlimits = limit.rlimits(spec.limits, grouped=True, own_user=True) | {"RLIMIT_NPROC": spec.limits.processes}
    machine = {"home": HOME, "environment": ENVIRONMENT, "daemon": spec.daemon_settings(rlimits)}
    contents = {
        "machine.json": json.dumps(machine).encode(),
        "seccomp": seccomp.program(),
    }
    found = []
    for name, content in contents.items():
        found += ["--perms", "0444", "--file", files.add(content), f"{SHARED}{PACKAGE_PARENT}/{name}"]
    if spec.root is None:
        for name in MOUNT_POINTS:
            found += ["--dir", f"{SHARED}/{name}"]
    return found


def _emulation(spec: MachineSpec, by: Acceleration, python: str, console: int) -> list[str]:
    """Compose QEMU's command: the machine, its few devices, and what its kernel is told.

    The console is standard error, of which the last is kept.  QEMU takes it under another number only: ``console``.
    """
    limits, memory_bytes = spec.limits, _memory_bytes(spec.limits)
    processors = min(PROCESSORS_MAX, os.cpu_count() or 1) if limits.cpus is None else max(1, math.ceil(limits.cpus))
    told = {
        "TMP_BYTES": min(limits.tmp_bytes, memory_bytes // 4),
        "SHM_BYTES": min(SHM_BYTES, memory_bytes // 8),
        "RUN_BYTES": RUN_BYTES,
        "PYTHON": python,
        "SHARE": f"msize={MESSAGE_BYTES}",
        "KEPT": "yes" if spec.kept else "",
    }
    words = " ".join(f"{name}={value}" for name, value in told.items())
    shares = {"system": (SHARED, ",readonly=on"), "workspace": ("/workspace", "")}
    if spec.kept:
        shares["kept"] = ("/kept", ",readonly=on")
    return [
        *("/bin/bash", "-c", f'exec "$@" {console}>&2', "console"),
        bubblewrap.find_program("qemu-system-x86_64", "qemu-system-x86"),
        *(*HARDWARE, *acceleration.OPTIONS[by]),
        *("-m", f"{memory_bytes // MIB}M", "-smp", str(processors)),
        *("-kernel", "/boot/vmlinux", "-initrd", "/initramfs"),
        *("-append", f"{QUIET} {QUICK} {acceleration.CLOCK[by]} {words}"),
        *("-add-fd", f"fd={console},set=1", "-chardev", "file,id=console,path=/dev/fdset/1,append=on"),
        *("-serial", "chardev:console"),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
        *("-chardev", "stdio,id=wire,signal=off", "-device", "virtserialport,chardev=wire"),
        *(part for tag, (path, mode) in shares.items() for part in _share(tag, path, mode)),
    ]


def _share(tag: str, path: str, mode: str) -> tuple[str, ...]:
    directory = f"local,id={tag},path={path},security_model=none,multidevs=remap{mode}"
    return ("-fsdev", directory, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}")
