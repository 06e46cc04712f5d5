"""Open a sandbox with gVisor: programs inside see a kernel of its own, written in Go, and not the host's.

Nothing of gVisor is root's: started as root it, too, becomes the session's own user first, and is then what it
calls rootless.  That user is root inside, without a capability, since one user is all that it can map.  What the
machine has is the same as in bubblewrap: the host's ``/usr`` and a made-up ``/etc``, or those of an image, sized places
for temporary files, the workspace, and no interface but loopback.  The system calls of programs are answered by
``ptrace``, which every host allows and which makes each of them slower.

gVisor reads the machine's description and its root from a directory.  It is in our own place for what is gone after
a restart, it goes with the machine, and that of a killed host goes when the next machine opens.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from workhand.core.ports import Capabilities
from workhand.errors import SandboxUnavailable
from workhand.sandbox import launcher, preload, seccomp, users
from workhand.sandbox import limits as limit
from workhand.sandbox.bubblewrap import (
    ETC_FILES,
    ETC_FROM_HOST,
    HOME,
    KEPT,
    LENT,
    PACKAGE_PARENT,
    PATH,
    RUN_BYTES,
    SHM_BYTES,
    SYSTEM_LINKS,
    TRUSTED_BY_DEFAULT,
    Identity,
    check_place,
    choose_identity,
    drop,
    find_program,
    find_python,
    sharing,
    shown,
    sources,
)
from workhand.sandbox.client import DaemonSandbox, daemon_command, real_directory, start_daemon, unwound_on_failure
from workhand.sandbox.limits import MIB
from workhand.sandbox.meter import Meter
from workhand.sandbox.slots import SLOTS, Slot, preferred_number, state_directory, take_slot, try_slot
from workhand.sandbox.spec import TRUSTED_FILE, MachineSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Mount = dict[str, Any]

READY_S = 30.0
HOST_TASKS_MAX = 8_192  # threads of a machine on the host; gVisor ends where it cannot start one more
HOST_TASKS_EACH = 32  # of a process inside, as a rule; all of a fork bomb's take the square of their number (64: 4,152)
CHECKPOINT_S = 60.0
IMAGE = "checkpoint.img"
OPTIONS = ("--network=none", "--platform=ptrace")
ENVIRONMENT = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8", "USER": "agent", "TERM": "dumb", "PAGER": "cat"}
PRELOADED = f"{PACKAGE_PARENT}/statx.so"
KERNEL = "The kernel inside is gVisor's; only what it asks of the host's kernel can reach that."
ROOT_INSIDE = "The user inside is called root and has no capability; outside it is the session's own."
WHOLE = "A program that takes the machine past its memory limit ends the whole machine."
NO_TTY = "The file /dev/tty cannot be opened inside, which programs do that ask for a password."
NO_GROUP = "No control group can be made here: neither memory nor processor time is limited."


async def open_gvisor(spec: MachineSpec, image: Path | None = None) -> DaemonSandbox:
    """Open a sandbox whose workspace is a directory of the host.  Raises ``SandboxUnavailable``.

    With the image of a checkpoint the machine goes on from there, as often as wanted; the workspace should be as it
    was then, and what is kept, the door and the authorities be there if they were.
    """
    if image is not None and os.geteuid() != 0:
        raise SandboxUnavailable(
            f"Only root can let a machine go on from {str(image)!r}; run as root, or open a new one."
        )
    workspace = real_directory(spec.workspace)
    kept = None if spec.kept is None else real_directory(spec.kept)
    if kept is not None:
        check_place(workspace / KEPT)
    async with unwound_on_failure() as resources:
        state = state_directory()
        slot = take_slot(state, preferred_number(spec.session, workspace.stat().st_uid))
        resources.callback(os.close, slot.fd)
        processes = min(spec.limits.processes, HOST_TASKS_MAX // HOST_TASKS_EACH)
        tasks = replace(spec.limits, processes=HOST_TASKS_MAX)
        groups, joins = limit.join_group(resources, state, slot, tasks)
        identity = await to_thread.run_sync(choose_identity, workspace, slot, spec)
        python = find_python(identity.uid, spec.root)
        places, mounts = shown(sources(spec, workspace, kept), identity, state)
        rlimits = limit.rlimits(spec.limits, grouped=True, own_user=True) | {"RLIMIT_NPROC": processes}
        command = daemon_command(python, PACKAGE_PARENT, spec.daemon_settings(rlimits))
        bundle = make_bundle(resources, state, slot, identity.uid)
        make_file(bundle / "seccomp", seccomp.set_id_program())  # inside, no kernel of the host's sees such a mode
        describe(bundle, command, [*system(bundle, places, python, spec), *working(places, spec)])
        runsc = [find_program("runsc", "runsc"), *OPTIONS, "--root", str(bundle / "state")]
        runsc.append("--rootless" if image is None else "--ignore-cgroups")
        action = ["run"]
        if image is not None:
            await to_thread.run_sync(give_image, image, bundle, identity.uid)
            action = ["restore", "-image-path", str(bundle / "image")]
        name = f"{slot.name}-{os.geteuid()}"  # gVisor's processes find each other by it, among those of all users
        argv = [*become(identity, goes_on=image is not None), *runsc, *action, "-bundle", str(bundle), name]
        wire = await start_daemon(
            launcher.command(argv, joins=joins, mounts=mounts, filtered=bundle / "seccomp"),
            pass_fds=(slot.fd,),
            environ={"PATH": PATH},
            directory="/",
            ready_s=READY_S,
            resources=resources,
            doors=spec.doors,
            greet=image is not None,
        )
        notes = (KERNEL, ROOT_INSIDE, NO_TTY, *weaknesses(spec, processes, groups), *sharing(identity))
        resumed = image is not None
        capabilities = Capabilities("gvisor", "kernel", limit.enforcer(groups), spec.network, notes, resumed)
        meter = Meter(spec.limits, tuple(path.parent for path in joins))
        if os.geteuid() != 0:
            return DaemonSandbox(wire, capabilities, resources, meter)
        visit = [find_program("nsenter", "util-linux"), "--user", "--target", str(wire.transport.get_pid())]
        keeper = [*(drop(identity) if image is None else visit), *runsc, "checkpoint"]
        return DaemonSandbox(wire, capabilities, resources, meter, partial(checkpoint, keeper, bundle, name))


def become(identity: Identity, *, goes_on: bool) -> list[str]:
    """Compose what comes before gVisor's command, so that it is not root and dies with us."""
    dies = [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL"]
    if goes_on:
        return users.command(dies, root=identity.uid, nobody=identity.uid + SLOTS)
    return [*drop(identity), *dies[1:]] if os.geteuid() == 0 else dies


def give_image(image: Path, bundle: Path, uid: int) -> None:
    """Put an image where the session's user, and nobody else, can read it."""
    make_directory(bundle / "image")
    copy_image(os.open(image, os.O_RDONLY | os.O_CLOEXEC), bundle / "image" / IMAGE)
    os.chown(bundle / "image" / IMAGE, uid, uid)


async def checkpoint(runsc: list[str], bundle: Path, name: str, image: Path) -> None:
    """Write a machine to a file.  It ends with that: gVisor of 2022 does not go on by itself."""
    made = bundle / "state" / "image"
    with anyio.fail_after(CHECKPOINT_S):
        done = await anyio.run_process([*runsc, "-image-path", str(made), name], check=False)
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise SandboxUnavailable(f"gVisor could not keep the machine: {words!r}; close it and open another.")
        await to_thread.run_sync(take_image, made, image)


def take_image(made: Path, image: Path) -> None:
    """Take an image from a directory of the session's user, who could have put a link in its place."""
    directory = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fd = os.open(IMAGE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)
    copy_image(fd, image)


def copy_image(fd: int, target: Path) -> None:
    """Copy what a machine had in its memory to a file that only its owner reads."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(fd, "rb") as source, open(os.open(target, flags, 0o600), "wb") as copy:
        shutil.copyfileobj(source, copy, MIB)


def weaknesses(spec: MachineSpec, processes: int, groups: limit.Groups | None) -> tuple[str, ...]:
    """Say what the limits do not hold, a sentence each."""
    fewer = f"Only {processes} processes may run at a time, since each takes {HOST_TASKS_EACH} or so on the host."
    held = (NO_GROUP,) if groups is None else (WHOLE, *limit.weaknesses(spec.limits, groups, own_user=True))
    return held if processes == spec.limits.processes else (*held, fewer)


def make_bundle(resources: AsyncExitStack, state: Path, slot: Slot, uid: int) -> Path:
    """Make the directory of a machine, and remove those of dead ones."""
    sweep_bundles(state)
    bundle = state / f"gvisor-{slot.number}"
    shutil.rmtree(bundle, ignore_errors=True)
    resources.callback(shutil.rmtree, bundle, ignore_errors=True)
    for directory in (bundle, bundle / "root", bundle / "state"):
        make_directory(directory)
    if os.geteuid() == 0:
        os.chown(bundle / "state", uid, uid)
    return bundle


def sweep_bundles(state: Path) -> None:
    """Remove the directories of machines whose processes are gone."""
    for left in state.glob("gvisor-*"):
        free = try_slot(state, int(left.name.rpartition("-")[2]))
        if free is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(free.fd)


def make_directory(path: Path) -> None:
    """Make a directory that the session's user can walk, whatever our umask."""
    missing = [parent for parent in (path, *path.parents) if not parent.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        each.chmod(0o755)


def make_file(path: Path, content: bytes) -> None:
    make_directory(path.parent)
    path.unlink(missing_ok=True)  # it may be a link of an image's
    path.write_bytes(content)
    path.chmod(0o644)


def describe(bundle: Path, command: list[str], mounts: list[Mount]) -> None:
    """Describe the machine as OCI runtimes want it (OCI Runtime Specification 1.0).

    What is shown of the host needs a place to be mounted at.  Of /proc, /dev and /sys the kernel sees to itself.
    """
    for mount in mounts:
        place = bundle / "root" / mount["destination"].lstrip("/")
        if place.is_dir() or Path(mount["source"]).is_dir():
            make_directory(place)
        elif mount["type"] == "bind":
            make_file(place, b"")
    process = {
        "user": {"uid": 0, "gid": 0},
        "args": command,
        "env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "cwd": HOME,
        "capabilities": {},
        "noNewPrivileges": True,
    }
    namespaces = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
    config = {
        "ociVersion": "1.0.0",
        "process": process,
        "root": {"path": "root", "readonly": True},
        "hostname": "sandbox",
        "mounts": mounts,
        "linux": {"namespaces": namespaces},
    }
    make_file(bundle / "config.json", json.dumps(config).encode())


def system(bundle: Path, places: Mapping[str, str], python: str, spec: MachineSpec) -> Iterator[Mount]:
    """Lay out what every inside has: programs and settings, the host's or an image's, what to trust, the daemon."""
    root = bundle / "root"
    yield from of_host(root, python) if spec.root is None else of_image(root, spec.root, places["root"])
    for name, text in ETC_FILES.items():
        make_file(root / "etc" / name, text.replace("root:x:0:0:root:/root:", f"agent:x:0:0:agent:{HOME}:").encode())
    for module in Path(__file__).with_name("inside").glob("*.py"):
        make_file(root / PACKAGE_PARENT.lstrip("/") / "inside" / module.name, module.read_bytes())
    if platform.machine() == "x86_64":
        make_file(root / PRELOADED.lstrip("/"), preload.library())
        make_file(root / "etc/ld.so.preload", PRELOADED.encode())
    for place, target in spec.links.items():
        make_directory((root / place.lstrip("/")).parent)
        (root / place.lstrip("/")).symlink_to(target)
    if spec.trusted:
        base = spec.root or ""
        trusted = root / TRUSTED_FILE.lstrip("/")
        make_file(trusted, spec.trusted)
        for place in TRUSTED_BY_DEFAULT:
            if os.path.exists(f"{base}{place}") and os.path.dirname(os.path.realpath(f"{base}{place}")) == (
                os.path.dirname(f"{base}{place}")
            ):
                yield bind(str(trusted), place)


def of_host(root: Path, python: str) -> Iterator[Mount]:
    """Show the host's programs, and what of its settings they need."""
    yield bind("/usr", "/usr")
    yield from merged(root, Path("/"), "/")
    prefix = Path(python).parents[1]
    if not prefix.is_relative_to("/usr"):
        yield bind(str(prefix), str(prefix))
    for name in ETC_FROM_HOST:
        source = os.path.realpath(f"/etc/{name}")
        if os.access(source, os.R_OK):
            yield bind(source, f"/etc/{name}")


def of_image(root: Path, image: Path, shown_at: str) -> Iterator[Mount]:
    """Show an image's programs, from where gVisor finds it; its settings are copied, since some are ours."""
    for name in ("usr", "var"):
        make_directory(root / name)
        yield bind(f"{shown_at}/{name}", f"/{name}")
    yield from merged(root, image, shown_at)
    if (image / "etc").is_symlink():
        raise SandboxUnavailable(
            f"The image {str(image)!r} has a link for its /etc, which may lead anywhere; build it again."
        )
    shutil.copytree(image / "etc", root / "etc", symlinks=True, ignore=unreadable, copy_function=shutil.copyfile)
    for path in (root / "etc", *(root / "etc").rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    if (own := root / "etc/workhand").is_symlink():
        own.unlink()


def merged(root: Path, system_root: Path, shown_at: str) -> Iterator[Mount]:
    """Show /bin and the like: links into /usr as they are, directories as such."""
    for path in (system_root / name for name in SYSTEM_LINKS):
        if path.is_symlink():
            (root / path.name).symlink_to(os.readlink(path))
        elif path.is_dir():
            make_directory(root / path.name)
            yield bind(os.path.join(shown_at, path.name), f"/{path.name}")


def unreadable(directory: str, names: list[str]) -> list[str]:
    """Name what of an image's settings is not for everybody."""
    modes = {name: os.lstat(os.path.join(directory, name)).st_mode for name in names}
    return [name for name, mode in modes.items() if not (mode & stat.S_IROTH or stat.S_ISLNK(mode))]


def working(places: Mapping[str, str], spec: MachineSpec) -> Iterator[Mount]:
    """Give the machine what can be written to, what is kept, and what else it shows."""
    limits = spec.limits
    yield tmpfs("/dev/shm", min(SHM_BYTES, limits.memory_bytes // 8), "1777")
    yield tmpfs("/tmp", min(limits.tmp_bytes, limits.memory_bytes // 4), "1777")
    yield tmpfs("/run", RUN_BYTES, "0755")
    yield bind(places["workspace"], HOME, "rw")
    if "kept" in places:
        yield bind(places["kept"], f"{HOME}/{KEPT}")
    for at, place in enumerate(spec.shown):
        yield bind(places[f"shown-{at}"], place)
    for at, lent in enumerate(spec.lent):
        yield bind(places[f"{LENT}{at}"], str(lent.path), "rw" if lent.writable else "ro")


def tmpfs(place: str, size_bytes: int, mode: str) -> Mount:
    return {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": [f"size={size_bytes}", f"mode={mode}"]}


def bind(source: str, destination: str, access: str = "ro") -> Mount:
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", access]}
