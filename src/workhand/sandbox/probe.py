"""Open a sandbox of a wanted kind, or say why there is none and what would help.

Nothing is assumed from programs that exist or from kernel versions: a probe opens
a sandbox and runs a command in it.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

from workhand.core.ports import Capabilities
from workhand.errors import SandboxError, SandboxUnavailable
from workhand.sandbox.bubblewrap import open_bubblewrap
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.docker import open_docker
from workhand.sandbox.gvisor import open_gvisor
from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.remote import Service, open_e2b
from workhand.sandbox.spec import CACHE, MachineSpec
from workhand.sandbox.unsafe import open_unsafe
from workhand.sandbox.vm.qemu import open_vm

Kind: TypeAlias = Literal["bubblewrap", "docker", "e2b", "gvisor", "qemu", "unsafe"]
LENDING: tuple[Kind, ...] = ("bubblewrap", "gvisor", "unsafe")
DEFAULT_LIMITS = SandboxLimits()

SWITCHES = (  # a kernel setting, the value with which user namespaces are off, the value that helps
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
)
NAMESPACE_WORDS = ("namespace", "uid map", "loopback", "RTM_NEWADDR")
CONTAINER_OPTIONS = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"


async def open_sandbox(kind: Kind, spec: MachineSpec, service: Service | None = None) -> DaemonSandbox:
    """Open a sandbox of a kind; the result is an async context manager whose ``close`` ends everything.

    ``service`` is where a machine that is not on this host is asked for.  Raises ``SandboxUnavailable`` with a remedy.
    """
    if spec.lent and kind not in LENDING:
        raise SandboxUnavailable(f"A {kind!r} machine can be lent no directories of the host; use one of {LENDING!r}.")
    match kind:
        case "bubblewrap":
            try:
                return await open_bubblewrap(spec)
            except SandboxUnavailable as error:
                raise SandboxUnavailable(explain(str(error))) from error
        case "docker":
            return await open_docker(spec)
        case "e2b":
            return await open_e2b(spec, service or Service())
        case "gvisor":
            return await open_gvisor(spec)
        case "qemu":
            return await open_vm(spec)
        case "unsafe":
            return await open_unsafe(spec)
        case _:
            assert_never(kind)


async def probe(
    kind: Kind,
    *,
    limits: SandboxLimits = DEFAULT_LIMITS,
    cache: Path = CACHE,
    timeout_s: float = 100.0,
    service: Service | None = None,
) -> Capabilities | str:
    """Open a sandbox and run a command in it: what it really gives, or one sentence why not and what to do."""
    try:
        with tempfile.TemporaryDirectory(prefix="workhand-probe-", ignore_cleanup_errors=True) as workspace:
            async with asyncio.timeout(timeout_s):
                spec = MachineSpec(session="probe", workspace=Path(workspace), owned=True, limits=limits, cache=cache)
                return await _try(kind, spec, service)
    except TimeoutError:
        return f"A sandbox did not open and run a command within {timeout_s:g} s; the machine may be overloaded."
    except SandboxError as error:
        return str(error)


async def _try(kind: Kind, spec: MachineSpec, service: Service | None) -> Capabilities | str:
    async with await open_sandbox(kind, spec, service) as sandbox:
        done = await sandbox.execute(("true",), timeout_s=10, output_bytes_max=1_000)
        if done.exit_code != 0:
            return f"A sandbox opened, but `true` ended with {done.exit_code!r} in it; please report this as a bug."
        return sandbox.capabilities


def explain(words: str, *, system: Path = Path("/proc/sys"), container: bool | None = None) -> str:
    """Add to bubblewrap's own words what to do about them on this machine."""
    container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() if container is None else container
    if "Unknown option" in words:
        return f"{words}: bubblewrap 0.8 or later is needed; install a newer one."
    if "map the owner" in words:
        return f"{words.rstrip('.')}: its file system cannot map owners; `chown` what is shown to an ordinary user."
    if "proc" in words and "mount" in words.lower():
        options = f"--security-opt systempaths=unconfined {CONTAINER_OPTIONS}"
        return f"{words}: a container hides /proc; start it with `{options}`."
    if not any(word in words for word in NAMESPACE_WORDS):
        return words
    for name, off, remedy in SWITCHES:
        switch = system / name
        if switch.exists() and switch.read_text().strip() == off:
            return f"{words}: user namespaces are switched off; run `sysctl -w {remedy}` as root."
    if container:
        return f"{words}: the container forbids namespaces; start it with `{CONTAINER_OPTIONS}`."
    return f"{words}: the kernel or a security module forbids user namespaces; allow them for bwrap."
