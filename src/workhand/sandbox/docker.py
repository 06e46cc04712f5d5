"""Open a machine in a container of a Docker engine on this host.

Built to the engine's published API and tested against an engine of ours that speaks it; not verified against
Docker's own.

The engine keeps the container apart: no network, no capabilities, no new privileges, a read-only root, sized
tmpfs, limits by control groups, its own filter of system calls.  The image needs a Python 3.9 or later, and nothing
else.  The workspace is mounted from this host's file system, so the engine must be on this host and is asked
through a Unix socket; that both see the same directory is tried, not assumed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread

from workhand.errors import SandboxUnavailable
from workhand.sandbox import limits as limit
from workhand.sandbox.bubblewrap import (
    HOME,
    KEPT,
    PACKAGE_PARENT,
    PATH,
    RUN_BYTES,
    SHM_BYTES,
    Identity,
    check_place,
    choose_identity,
)
from workhand.sandbox.client import DaemonSandbox, daemon_command, real_directory, unwound_on_failure
from workhand.sandbox.relay import capabilities, daemon_files, start_relay
from workhand.sandbox.slots import preferred_number, state_directory, take_slot
from workhand.sandbox.spec import TRUSTED_FILE, MachineSpec

READY_S = 60.0
NANO = 1_000_000_000
SCHEME = "unix://"
NOTES = (
    "This backend has not been verified against Docker's own engine.",
    "The kernel is shared with the host: a kernel bug is a way out.",
    "System calls are filtered by the engine's own profile, which allows more than ours.",
    "The engine is root on this host: a bug in it is a way out.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Which engine to ask, and what its machines are made from."""

    url: str = "unix:///var/run/docker.sock"
    image: str = "python:3.12-slim-bookworm"


async def open_docker(spec: MachineSpec, engine: Engine | None = None) -> DaemonSandbox:
    """Open a container whose workspace is a directory of the host; its system is the image's, whatever ``spec.root``.

    Started as root, a workspace that we own is given to the session's user.  Nothing is downloaded.
    """
    engine = engine or Engine()
    _check_address(engine.url)
    workspace = real_directory(spec.workspace)
    kept = None if spec.kept is None else real_directory(spec.kept)
    async with unwound_on_failure() as resources:
        slot = take_slot(state_directory(), preferred_number(spec.session, workspace.stat().st_uid))
        resources.callback(os.close, slot.fd)
        identity = await to_thread.run_sync(choose_identity, workspace, slot, spec)
        if identity.mapped:
            raise SandboxUnavailable(f"The workspace {str(workspace)!r} is root's; `chown` it to an ordinary user.")
        if kept is not None:
            _make_place(workspace / KEPT, identity)
        settings = _settings(spec, engine, workspace, kept, identity)
        wire = await start_relay("docker", settings, spec, resources, ready_s=READY_S, pass_fds=(slot.fd,))
        sandbox = DaemonSandbox(wire, capabilities(wire, "docker", "namespace", spec, NOTES), resources)
        await _check_workspace(sandbox, workspace, f".workhand-{slot.number}")
        return sandbox


def _check_address(url: str) -> None:
    if not url.startswith(SCHEME):
        raise SandboxUnavailable(
            f"The Docker engine at {url!r} cannot mount a workspace of this host; give a unix:// address."
        )
    if not Path(url.removeprefix(SCHEME)).is_socket():
        raise SandboxUnavailable(f"There is no Docker engine at {url!r}; `apt-get install docker.io` brings one.")


def _make_place(place: Path, identity: Identity) -> None:
    """Make the place where what is kept is shown, or the engine would, as root."""
    check_place(place)
    place.mkdir(exist_ok=True)
    os.chown(place, identity.uid, identity.gid, follow_symlinks=False)


async def _check_workspace(sandbox: DaemonSandbox, workspace: Path, name: str) -> None:
    """Find out whether what is written inside arrives here: an engine may see other files than we, or map users."""
    try:
        await sandbox.write(name, b"")
        os.unlink(workspace / name)
    except OSError as error:
        raise SandboxUnavailable(
            f"The Docker engine does not share the workspace {str(workspace)!r} with us ({error.strerror}); it must "
            "see the same file system, and map no users."
        ) from error


def _settings(
    spec: MachineSpec, engine: Engine, workspace: Path, kept: Path | None, identity: Identity
) -> dict[str, Any]:
    """Say what the relay asks of the engine: the container, what holds it, and what is put into it."""
    daemon = spec.daemon_settings(limit.rlimits(spec.limits, grouped=True, own_user=False))
    files = {PACKAGE_PARENT: daemon_files()}
    if spec.trusted:
        files[os.path.dirname(TRUSTED_FILE)] = {os.path.basename(TRUSTED_FILE): spec.trusted.decode()}
    container = {
        "image": engine.image,
        "entrypoint": daemon_command("python3", PACKAGE_PARENT, daemon),
        "user": f"{identity.uid}:{identity.gid}",
        "working_dir": HOME,
        "hostname": "sandbox",
        "environment": {"PATH": PATH, "HOME": HOME, "USER": "agent", "LANG": "C.UTF-8", "TERM": "dumb", "PAGER": "cat"},
    }
    binds = [(HOME, str(workspace), False)] + ([] if kept is None else [(f"{HOME}/{KEPT}", str(kept), True)])
    binds += [(place, str(real_directory(source)), True) for place, source in spec.shown.items()]
    links = {os.path.relpath(place, PACKAGE_PARENT): target for place, target in spec.links.items()}
    return {
        "url": engine.url,
        "container": container,
        "held": _held(spec),
        "binds": binds,
        "files": files,
        "links": {PACKAGE_PARENT: links},
    }


def _held(spec: MachineSpec) -> dict[str, Any]:
    limits = spec.limits
    tmp_bytes = min(limits.tmp_bytes, limits.memory_bytes // 4)
    held = {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": limits.processes,
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,  # as much as memory alone: no swap
        "shm_size": min(SHM_BYTES, limits.memory_bytes // 8),
        "tmpfs": {
            "/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={tmp_bytes}",
            "/run": f"rw,nosuid,nodev,mode=755,size={RUN_BYTES}",
        },
    }
    return held if limits.cpus is None else {**held, "nano_cpus": int(limits.cpus * NANO)}
