"""Open a machine at a service that speaks the E2B API: somebody else's computer.

Built to the published API and tested against a service of ours that speaks it; not yet run against E2B's.

The machine is a virtual one of the service's, without access to the internet; the door to it goes through this host,
as everywhere.  Its file system is its own: the workspace is sent when it opens and brought back when it closes, both
bounded.  What is kept for the model is sent as it comes.
"""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from anyio import to_thread

from workhand.errors import SandboxError, SandboxUnavailable
from workhand.sandbox import limits as limit
from workhand.sandbox.bubblewrap import HOME, KEPT, PACKAGE_PARENT, PATH
from workhand.sandbox.client import DaemonSandbox, Wire, daemon_command, real_directory, unwound_on_failure
from workhand.sandbox.limits import MIB
from workhand.sandbox.parcel import BYTES_MAX, PACKED_BYTES_MAX, Parcel, pack, unpack
from workhand.sandbox.relay import capabilities, daemon_files, start_relay
from workhand.sandbox.spec import TRUSTED_FILE, MachineSpec

READY_S = 180.0
TRANSFER_S = 600.0
PIECE_BYTES = 16 * MIB
ARCHIVE_BYTES_MAX = 2 * BYTES_MAX  # with what an archive adds to small files
WORDS_BYTES = 1_000
INNER_ID = "1000"
KEPT_INSIDE = f"{PACKAGE_PARENT}/kept"
BACK = "/tmp/workhand-workspace.tar.gz"
CHANGED = 1  # the status of a tar that saw a file change while it read it
NOTES = (
    "Everything in the workspace is sent to the service, and whoever runs it can read it.",
    "Changes come back to this host when the machine closes; they are lost if the machine or this process is killed.",
    "If this process is killed the machine ends by itself, after five minutes.",
    "That the machine cannot reach the internet is the service's promise.",
)

PREPARE = f"""set -e
mkdir -p {HOME} {KEPT_INSIDE}
chmod -R a+rX,go-w {PACKAGE_PARENT}
chown {INNER_ID}:{INNER_ID} {HOME}
if [ "$1" = kept ]; then
  mkdir -p {HOME}/{KEPT}
  mount --bind {KEPT_INSIDE} {HOME}/{KEPT}
  mount -o remount,bind,ro {HOME}/{KEPT}
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

    key: str = field(repr=False)
    url: str = "https://api.e2b.app"
    domain: str = "e2b.app"
    machine_url: str | None = None
    template: str = "base"


async def open_e2b(spec: MachineSpec, service: Service) -> DaemonSandbox:
    """Open a machine elsewhere over a copy of the workspace; its system is the template's, whatever ``spec.root``."""
    workspace = real_directory(spec.workspace)
    kept = None if spec.kept is None else real_directory(spec.kept)
    if not service.key:
        raise SandboxUnavailable("There is no key for the E2B service; set E2B_API_KEY.")
    async with unwound_on_failure() as resources:
        parcel = await to_thread.run_sync(pack, workspace, KEPT)
        wire = await start_relay("e2b", _settings(spec, service, kept), spec, resources, ready_s=READY_S)
        notes = (*NOTES, *limit.weaknesses(spec.limits, None, own_user=True))
        sandbox = DaemonSandbox(wire, capabilities(wire, "e2b", "remote", spec, notes), resources)
        await _send(sandbox, parcel)
        resources.push_async_callback(_bring_back_at_the_end, sandbox, wire, workspace, parcel.names)
        return sandbox


def _settings(spec: MachineSpec, service: Service, kept: Path | None) -> dict[str, Any]:
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
        "files": files,
        "kept": kept and str(kept),
        "kept_inside": KEPT_INSIDE,
        "argv": ["/bin/sh", "-c", PREPARE, "prepare", "kept" if kept else "nothing", *start],
    }


async def _send(sandbox: DaemonSandbox, parcel: Parcel) -> None:
    argv = ("tar", "-xzf", "-", "--no-same-owner", "-C", HOME)
    done = await sandbox.execute(argv, stdin=parcel.packed, timeout_s=TRANSFER_S, output_bytes_max=WORDS_BYTES)
    if done.exit_code != 0:
        raise SandboxUnavailable(f"The workspace did not arrive at the remote machine: {done.stderr.decode()!r}.")


async def _bring_back_at_the_end(sandbox: DaemonSandbox, wire: Wire, workspace: Path, sent: frozenset[str]) -> None:
    if wire.reason is None:  # Else it is lost, and who used it knows.
        await bring_back(sandbox, workspace, sent)


async def bring_back(sandbox: DaemonSandbox, workspace: Path, sent: frozenset[str]) -> None:
    """Make the workspace here what it is there; ``sent`` names what may be taken away here if it is gone there.

    Raises ``SandboxError`` if it cannot be, or is too large.
    """
    argv = ("tar", "-czf", BACK, f"--exclude=./{KEPT}", "-C", HOME, ".")
    done = await sandbox.execute(argv, timeout_s=TRANSFER_S, output_bytes_max=WORDS_BYTES)
    found = await sandbox.status(BACK)
    if done.exit_code not in (0, CHANGED) or found is None:
        raise SandboxError(f"The remote machine cannot pack its workspace: {done.stderr.decode(errors='replace')!r}.")
    if found.bytes > PACKED_BYTES_MAX:
        raise SandboxError(f"The remote workspace is {found.bytes:,} bytes packed, over {PACKED_BYTES_MAX:,}.")
    with tempfile.TemporaryFile() as archived:
        await _fetch(sandbox, archived, found.bytes)
        archived.seek(0)
        await to_thread.run_sync(unpack, archived, workspace, KEPT, sent)


async def _fetch(sandbox: DaemonSandbox, archived: IO[bytes], packed_bytes: int) -> None:
    """Read the packed workspace in pieces, and write it without its packing."""
    packing = zlib.decompressobj(wbits=31)
    for offset in range(0, packed_bytes, PIECE_BYTES):
        piece = await sandbox.read(BACK, offset=offset, bytes_max=PIECE_BYTES)
        while piece and archived.tell() <= ARCHIVE_BYTES_MAX:
            archived.write(packing.decompress(piece, PIECE_BYTES))
            piece = packing.unconsumed_tail
        if archived.tell() > ARCHIVE_BYTES_MAX:
            raise SandboxError(f"The remote workspace has more than {ARCHIVE_BYTES_MAX:,} bytes; leave less in it.")
