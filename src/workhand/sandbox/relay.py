"""Start the process on this host that stands for a machine elsewhere, and learn from it what the machine is."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Literal

from workhand.core.ports import Capabilities
from workhand.sandbox.bubblewrap import Files
from workhand.sandbox.client import Wire, start_daemon
from workhand.sandbox.relays.splice import FACTS
from workhand.sandbox.spec import MachineSpec

Name = Literal["docker", "e2b"]


async def start_relay(
    name: Name,
    settings: dict[str, Any],
    spec: MachineSpec,
    resources: AsyncExitStack,
    *,
    ready_s: float,
    pass_fds: tuple[int, ...] = (),
) -> Wire:
    """Start a relay and wait until the daemon behind it is ready; nobody but the relay can read its settings."""
    with ExitStack() as started:
        files = Files(started)
        handed = files.add(json.dumps(settings).encode())
        return await start_daemon(
            [sys.executable, "-P", "-m", f"workhand.sandbox.relays.{name}", handed],
            pass_fds=(*files.fds, *pass_fds),
            environ={"PATH": os.defpath, "LANG": "C.UTF-8"},
            directory="/",
            ready_s=ready_s,
            resources=resources,
            doors=spec.doors,
        )


def capabilities(
    wire: Wire, backend: Name, isolation: Literal["namespace", "remote"], spec: MachineSpec, notes: tuple[str, ...]
) -> Capabilities:
    """Say what a machine gives, with what its relay has found out."""
    found = facts(wire)
    return Capabilities(backend, isolation, found["limits"], spec.network, (*notes, *found["notes"]))


def facts(wire: Wire) -> dict[str, Any]:
    """Give what a relay has found out about its machine."""
    found: dict[str, Any] = wire.ready.result()[FACTS]
    return found


def daemon_files() -> dict[str, str]:
    """Give the modules that run inside, by their path in the package's directory."""
    return {f"inside/{path.name}": path.read_text() for path in sorted(Path(__file__).with_name("inside").glob("*.py"))}
