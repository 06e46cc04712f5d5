"""Open a machine at a service that speaks the E2B API: somebody else's computer.

Built to the published API and tested against a service of ours that speaks it; not verified against E2B's.

The machine is a virtual one of the service's, without access to the internet; the door to it goes through this host,
as everywhere.  Its file system is its own: the workspace is sent when it opens, and what has changed is brought back
when it closes.  Until that has succeeded the machine owes us something and is not removed: it sleeps
when its lease ends, and keeps its files.  What is kept for the model is sent as it comes.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio

from workhand.errors import SandboxError, SandboxUnavailable
from workhand.sandbox import limits as limit
from workhand.sandbox.bubblewrap import HOME, INNER_ID, KEPT, PACKAGE_PARENT, PATH
from workhand.sandbox.client import DaemonSandbox, Wire, daemon_command, real_directory, unwound_on_failure
from workhand.sandbox.relay import capabilities, daemon_files, facts, start_relay
from workhand.sandbox.spec import TRUSTED_FILE, MachineSpec
from workhand.sandbox.transfer import Copy

READY_S, REMOVE_S = 180.0, 30.0
LEASE_S = 300
KEPT_INSIDE = f"{PACKAGE_PARENT}/kept"
NOTES = (
    "This backend has not been verified against E2B's own service.",
    "Everything in the workspace is sent to the service, and whoever runs it can read it.",
    "What changed comes back to this host when the machine closes; a file that changed on both sides, as it is there.",
    "A machine that is lost, or whose changes cannot come back, sleeps and keeps its files until somebody removes it.",
    "It shows no other directories of this host, so the programs that Workhand brings are not there.",
    "That the machine cannot reach the internet is the service's promise.",
)

PREPARE = f"""set -e
mkdir -p {HOME} {KEPT_INSIDE}
chmod -R a+rX,go-w {PACKAGE_PARENT}
chown {INNER_ID}:{INNER_ID} {HOME}
if [ "$1" = kept ]; then
  mkdir -p {HOME}/{KEPT}
  mount --bind {KEPT_INSIDE} {HOME}/{KEPT}
fi
shift
cd {HOME}
exec env -i PATH={PATH} HOME={HOME} USER=agent LANG=C.UTF-8 TERM=dumb PAGER=cat setpriv --reuid {INNER_ID} \
--regid {INNER_ID} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which service to ask, with what right, and what its machines are made from.

    ``machine_url`` is where machines answer, if not at a name below ``domain``.
    """

    key: str = field(default="", repr=False)
    url: str = "https://api.e2b.app"
    domain: str = "e2b.app"
    machine_url: str | None = None
    template: str = "base"


async def open_e2b(spec: MachineSpec, service: Service) -> DaemonSandbox:
    """Open a machine elsewhere over a copy of the workspace; its system is the template's, whatever ``spec.root``.

    Closing it raises ``SandboxError`` if what changed there did not come back.
    """
    return (await open_copy(spec, service)).sandbox


async def open_copy(spec: MachineSpec, service: Service) -> Copy:
    """Open such a machine for a caller who brings changes back at other times, too."""
    workspace = real_directory(spec.workspace)
    kept = None if spec.kept is None else real_directory(spec.kept)
    if not service.key:
        raise SandboxUnavailable("There is no key for the E2B service; set E2B_API_KEY.")
    async with unwound_on_failure() as resources:
        owed = os.memfd_create("workhand")  # It holds something while the machine holds what is nowhere else.
        resources.callback(os.close, owed)
        settings = _settings(spec, service, kept, owed)
        wire = await start_relay("e2b", settings, spec, resources, ready_s=READY_S, pass_fds=(owed,))
        notes = (*NOTES, *limit.weaknesses(spec.limits, None, own_user=True))
        sandbox = DaemonSandbox(wire, capabilities(wire, "e2b", "remote", spec, notes), resources)
        copy = Copy(sandbox, workspace)
        await copy.send()
        os.pwrite(owed, b"changes", 0)
        resources.push_async_callback(_leave, copy, wire, owed)
        return copy


def _settings(spec: MachineSpec, service: Service, kept: Path | None, owed: int) -> dict[str, Any]:
    daemon = spec.daemon_settings(limit.rlimits(spec.limits, grouped=False, own_user=True))
    files = {f"{PACKAGE_PARENT}/{name}": text for name, text in daemon_files().items()}
    if spec.trusted:
        files[TRUSTED_FILE] = spec.trusted.decode()
    start = daemon_command("python3", PACKAGE_PARENT, daemon)
    return {
        "key": service.key,
        "url": service.url,
        "domain": service.domain,
        "machine_url": service.machine_url,
        "template": service.template,
        "lease_s": LEASE_S,
        "owed": owed,
        "files": files,
        "kept": kept and str(kept),
        "kept_inside": KEPT_INSIDE,
        "argv": ["/bin/sh", "-c", PREPARE, "prepare", "kept" if kept else "nothing", *start],
    }


async def _leave(copy: Copy, wire: Wire, owed: int) -> None:
    """Bring back what has changed, and only then let the machine be removed."""
    try:
        if wire.reason is not None:
            raise wire.lost()
        await copy.bring_back()
    except SandboxError as error:
        where = f"It sleeps within {LEASE_S // 60} minutes and keeps its files: {facts(wire)['name']}"
        raise SandboxError(f"{error} Nothing there is removed. {where}.") from error
    os.ftruncate(owed, 0)
    cast(asyncio.WriteTransport, wire.transport.get_pipe_transport(0)).close()
    with anyio.move_on_after(REMOVE_S):  # Longer than a process is usually given to end: removing is a request.
        await wire.exited.wait()
