"""Open a sandbox with bubblewrap: namespaces, a read-only system, one writable workspace, no network.

Started by root, a bubblewrap sandbox is not one: its processes are still root's
outside, and ``/proc/sys`` asks for nothing else.  So root first becomes a user
of the session's own, unique among the live ones.  The environment is empty at
the start and the daemon is PID 1, because bubblewrap itself as PID 1 would show
the host's environment in ``/proc/1/environ``.

The system inside is an image, or else the host's ``/usr``, read-only, with an ``/etc``
of a few made-up files; no home, no ``/opt``, no ``/var``.  Every writable place but the
workspace is a tmpfs with a size, since a full one must not eat the memory limit.
What the host keeps for the model is mounted read-only in the workspace: nothing
inside can change it, move it or put something else in its place.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from workhand.core.ports import Capabilities
from workhand.errors import SandboxUnavailable
from workhand.sandbox import launcher, seccomp
from workhand.sandbox import limits as limit
from workhand.sandbox.client import DaemonSandbox, daemon_command, real_directory, start_daemon, unwound_on_failure
from workhand.sandbox.limits import MIB
from workhand.sandbox.meter import Meter
from workhand.sandbox.slots import Slot, preferred_number, state_directory, take_slot
from workhand.sandbox.spec import TRUSTED_FILE, MachineSpec

if TYPE_CHECKING:
    from workhand.sandbox.launcher import Mount

READY_S = 15.0
HOME = "/home/agent"
LENT = "lent-"  # what is so called is somebody's who is not the session's user
KEPT = ".workhand"  # where in the workspace a folder of the host's is shown
INNER_ID = "1000"
PACKAGE_PARENT = "/opt/workhand"
PROGRAMS = f"{PACKAGE_PARENT}/bin"
PATH = f"{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
PYTHON_MINOR_MIN = 9
TRUSTED_BY_DEFAULT = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
SHM_BYTES, RUN_BYTES = 64 * MIB, 16 * MIB
SHARED_KERNEL = "The kernel is shared with the host: a kernel bug is a way out."

ETC_FILES = {
    "passwd": (
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        f"agent:x:{INNER_ID}:{INNER_ID}:agent:{HOME}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
    ),
    "group": f"root:x:0:\nagent:x:{INNER_ID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
ETC_FROM_HOST = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "fonts",
    "localtime",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates.conf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "mime.types",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a sandbox's processes are on the host, and how the workspace becomes theirs."""

    uid: int
    gid: int
    mapped: bool = False  # the workspace is root's and stays so: mount it idmapped
    shared: bool = False  # other processes on the host have this uid


async def open_bubblewrap(spec: MachineSpec) -> DaemonSandbox:
    """Open a sandbox whose workspace is a directory of the host.

    Started as root, a workspace that we own is given to the session's user; a user's own directory keeps
    its owner.  Others must be able to read what is in the folder of what is kept.
    """
    workspace = real_directory(spec.workspace)
    kept = None if spec.kept is None else real_directory(spec.kept)
    if kept is not None:
        check_place(workspace / KEPT)
    bwrap = find_program("bwrap", "bubblewrap")
    async with unwound_on_failure() as resources:
        state = state_directory()
        slot = take_slot(state, preferred_number(spec.session, workspace.stat().st_uid))
        resources.callback(os.close, slot.fd)
        groups, joins = limit.join_group(resources, state, slot, spec.limits)
        identity = await to_thread.run_sync(choose_identity, workspace, slot, spec)
        python = find_python(identity.uid, spec.root)
        rlimits = limit.rlimits(spec.limits, grouped=groups is not None, own_user=True)
        places, mounts = shown(sources(spec, workspace, kept), identity, state)
        with ExitStack() as started:
            files = Files(started)
            inner = daemon_command(python, PACKAGE_PARENT, spec.daemon_settings(rlimits))
            argv = [bwrap, *arguments(files, places, python, spec), "--", *inner]
            if os.geteuid() == 0:
                argv = [*drop(identity), *argv]
            wire = await start_daemon(
                launcher.command(argv, joins=joins, mounts=mounts),
                pass_fds=(slot.fd, *files.fds),
                environ={},
                directory="/",
                ready_s=READY_S,
                resources=resources,
                doors=spec.doors,
            )
        joined = tuple(path.parent for path in joins)
        notes = (*limit.weaknesses(spec.limits, groups, own_user=True), SHARED_KERNEL, *sharing(identity))
        capabilities = Capabilities("bubblewrap", "namespace", limit.enforcer(groups), spec.network, notes)
        return DaemonSandbox(wire, capabilities, resources, Meter(spec.limits, joined))


def sharing(identity: Identity) -> tuple[str, ...]:
    """Say whose processes on the host are close to those of the sandbox."""
    shared = f"Processes on the host outside of the sandbox have its uid {identity.uid}, too."
    return (shared,) if identity.shared else ()


def find_program(name: str, package: str) -> str:
    path = shutil.which(name, path=PATH) or shutil.which(name)
    if path is None:
        raise SandboxUnavailable(f"The program {name!r} is not installed; `apt-get install {package}` brings it.")
    return path


def drop(identity: Identity, *, group: int | None = None) -> list[str]:
    """Compose the command with which root becomes a session's user, with no groups or with one more."""
    ids = ["--reuid", str(identity.uid), "--regid", str(identity.gid)]
    groups = ["--clear-groups"] if group is None else ["--groups", str(group)]
    return [find_program("setpriv", "util-linux"), *ids, *groups, "--inh-caps=-all"]


def choose_identity(workspace: Path, slot: Slot, spec: MachineSpec) -> Identity:
    """Decide whose processes the sandbox runs; take over a directory of our own."""
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid(), shared=True)
    found = workspace.stat()
    if spec.owned:
        if found.st_uid != slot.uid:
            spec.hand_over(workspace, slot.uid)
        return Identity(slot.uid, slot.uid)
    if found.st_uid == 0:
        return Identity(slot.uid, slot.uid, mapped=True)
    return Identity(found.st_uid, found.st_gid, shared=True)


def check_place(place: Path) -> None:
    """Refuse to show a folder where something else is: through a link it would be shown elsewhere."""
    if not stat.S_ISDIR(place.lstat().st_mode if os.path.lexists(place) else stat.S_IFDIR):
        raise SandboxUnavailable(f"{str(place)!r} is not a directory, and its name is needed; move it away.")


def sources(spec: MachineSpec, workspace: Path, kept: Path | None) -> dict[str, Path | None]:
    """Name the directories of the host that a machine shows."""
    further = {f"shown-{at}": real_directory(source) for at, source in enumerate(spec.shown.values())}
    lent = {f"{LENT}{at}": each.path.resolve(strict=True) for at, each in enumerate(spec.lent)}
    return {"workspace": workspace, "kept": kept, "root": spec.root, **further, **lent}


def shown(
    sources: Mapping[str, Path | None], identity: Identity, state: Path
) -> tuple[dict[str, str], tuple[Mount, ...]]:
    """Say where bubblewrap finds directories of the host, and what the launcher must mount for that.

    Of those that root owns, only the workspace may have to look like the session's own; what is lent always has to.
    """
    found = {name: source for name, source in sources.items() if source is not None}
    if os.geteuid() != 0:
        return {name: str(source) for name, source in found.items()}, ()
    mounts: list[Mount] = []
    places: dict[str, str] = {}
    for name, source in found.items():
        target = make_target(state, name, source)
        own = name.startswith(LENT) or (identity.mapped and name == "workspace")
        owner = source.stat()
        owners = (owner.st_uid, owner.st_gid, identity.uid) if own and owner.st_uid != identity.uid else None
        mounts.append((str(source), str(target), owners))
        places[name] = str(target)
    return places, tuple(mounts)


def make_target(state: Path, name: str, source: Path) -> Path:
    """Make what a directory or a file is mounted on; the session's user walks there, whatever our umask."""
    target = state / (name if source.is_dir() else f"{name}-file")
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    target.chmod(0o755)
    return target


def find_python(uid: int, root: Path | None = None) -> str:
    """Find an interpreter that a sandbox of this user can run: the image's, if there is one."""
    system = Path(root or "/", "usr/bin/python3")
    version = re.fullmatch(r"python3\.(\d+)", os.path.basename(os.path.realpath(system)))
    if version is not None and int(version[1]) >= PYTHON_MINOR_MIN and system.exists():
        return "/usr/bin/python3"
    if root is not None:
        raise SandboxUnavailable(
            f"The image {str(root)!r} has no /usr/bin/python3 of version 3.{PYTHON_MINOR_MIN} or later; build it again."
        )
    own = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    if own.exists() and all(_readable(path, uid) for path in (own.resolve(), *own.resolve().parents)):
        return str(own)
    raise SandboxUnavailable(
        f"No Python for the inside was found: /usr/bin/python3 is missing or older than 3.{PYTHON_MINOR_MIN}, "
        f"and {str(own)!r} cannot be read by uid {uid}; `apt-get install python3` brings one."
    )


def _readable(path: Path, uid: int) -> bool:
    found = path.stat()
    return bool(found.st_mode & (stat.S_IXUSR if found.st_uid == uid else stat.S_IXOTH))


class Files:
    """Anonymous files, handed to bubblewrap as descriptors; nothing is left on a disk."""

    def __init__(self, resources: ExitStack) -> None:
        self._resources = resources
        self.fds: list[int] = []

    def add(self, content: bytes) -> str:
        fd = os.memfd_create("workhand")
        self._resources.callback(os.close, fd)
        os.pwrite(fd, content, 0)
        self.fds.append(fd)
        return str(fd)


def arguments(files: Files, places: Mapping[str, str], python: str, spec: MachineSpec) -> list[str]:
    """Compose bubblewrap's arguments, without the command; ``places`` are where it finds the directories to show."""
    limits = spec.limits
    tmp_bytes = min(limits.tmp_bytes, limits.memory_bytes // 4)
    shm_bytes = min(SHM_BYTES, limits.memory_bytes // 8)
    return [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1"),
        *("--uid", INNER_ID, "--gid", INNER_ID, "--hostname", "sandbox", "--cap-drop", "ALL"),
        *("--seccomp", files.add(seccomp.program()), "--clearenv"),
        *("--setenv", "PATH", PATH, "--setenv", "HOME", HOME, "--setenv", "LANG", "C.UTF-8"),
        *("--setenv", "USER", "agent", "--setenv", "TERM", "dumb", "--setenv", "PAGER", "cat"),
        *system(files, places.get("root"), python, spec),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(shm_bytes), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
        *("--perms", "1777", "--size", str(tmp_bytes), "--tmpfs", "/tmp"),
        *("--size", str(RUN_BYTES), "--tmpfs", "/run"),
        *("--bind", places["workspace"], HOME),
        *(("--ro-bind", places["kept"], f"{HOME}/{KEPT}") if "kept" in places else ()),
        *further(places, spec),
        *("--remount-ro", "/", "--chdir", HOME),
    ]


def system(files: Files, root: str | None, python: str, spec: MachineSpec, *, at: str = "") -> list[str]:
    """Show at a place what every inside has: programs and settings, authorities to trust, the daemon.

    ``root`` is where bubblewrap finds the image, if there is one; an image has the places for all the rest.
    """
    if root is None:
        shown = [*programs(python, at), *_etc(files, at)]
    else:
        shown = ["--ro-bind", root, at or "/", "--tmpfs", f"{at}{PACKAGE_PARENT}"]
        shown += ["--tmpfs", f"{at}{os.path.dirname(TRUSTED_FILE)}"]
    return [*shown, *_trusted(files, spec, at), *_daemon(files, at)]


def further(places: Mapping[str, str], spec: MachineSpec, *, at: str = "") -> list[str]:
    """Show the directories, and make the links, that a machine has besides."""
    found: list[str] = []
    for number, place in enumerate(spec.shown):
        found += ["--ro-bind", places[f"shown-{number}"], f"{at}{place}"]
    for place, target in spec.links.items():
        found += ["--symlink", target, f"{at}{place}"]
    for number, lent in enumerate(spec.lent):
        found += ["--bind" if lent.writable else "--ro-bind", places[f"{LENT}{number}"], f"{at}{lent.path}"]
    return found


def programs(python: str, at: str) -> list[str]:
    """Show the host's programs and libraries, laid out as they are there."""
    found = ["--ro-bind", "/usr", f"{at}/usr"]
    for name in SYSTEM_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            found += ["--symlink", os.readlink(path), f"{at}{path}"]
        elif path.is_dir():
            found += ["--ro-bind", str(path), f"{at}{path}"]
    prefix = Path(python).parents[1]
    return found if prefix.is_relative_to("/usr") else [*found, "--ro-bind", str(prefix), f"{at}{prefix}"]


def _trusted(files: Files, spec: MachineSpec, at: str) -> list[str]:
    """Show the authorities to trust, also where programs look that know no variable for it."""
    if not spec.trusted:
        return []
    found = ["--perms", "0444", "--file", files.add(spec.trusted), f"{at}{TRUSTED_FILE}"]
    for place in TRUSTED_BY_DEFAULT:
        source = f"{spec.root or ''}{place}"
        if os.path.exists(source) and os.path.dirname(os.path.realpath(source)) == os.path.dirname(source):
            found += ["--ro-bind-data", files.add(spec.trusted), f"{at}{place}"]
    return found


def _daemon(files: Files, at: str) -> list[str]:
    found: list[str] = []
    for source in sorted(Path(__file__).with_name("inside").glob("*.py")):
        target = f"{at}{PACKAGE_PARENT}/inside/{source.name}"
        found += ["--perms", "0444", "--file", files.add(source.read_bytes()), target]
    return found


def _etc(files: Files, at: str) -> list[str]:
    found: list[str] = []
    for name, text in ETC_FILES.items():
        found += ["--perms", "0444", "--file", files.add(text.encode()), f"{at}/etc/{name}"]
    for name in ETC_FROM_HOST:
        source = os.path.realpath(f"/etc/{name}")
        if os.access(source, os.R_OK):
            found += ["--ro-bind", source, f"{at}/etc/{name}"]
    return found
