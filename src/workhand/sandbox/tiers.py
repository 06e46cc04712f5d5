"""Choose a machine by how strongly it must be kept from the host.

A session states the least that it accepts.  It gets the first kind that opens of those that
give at least that, cheapest first: what was asked for, or, where that is not to be had, something
stronger; never less.  Stronger is not better by itself: a machine of another kernel starts later,
and runs each command more slowly.
"""

from __future__ import annotations

from functools import partial

from workhand.core.policy import Isolation
from workhand.errors import SandboxUnavailable
from workhand.sandbox import register
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import Kind, open_sandbox
from workhand.sandbox.spec import MachineSpec

TIERS: tuple[tuple[Isolation, tuple[Kind, ...]], ...] = (
    ("namespace", ("bubblewrap", "docker")),
    ("kernel", ("gvisor",)),
    ("vm", ("qemu",)),
)
"""What gives how much, the weakest first.

``none`` is not among them: only who asks for nothing gets nothing.  Nor is a machine elsewhere, however strong: it
is somebody else's computer, and the workspace goes there, so only who names it gets it.
"""


def kinds_for(least: Isolation) -> tuple[Kind, ...]:
    """Give the kinds that isolate at least so strongly, in the order in which they are tried."""
    if least == "none":
        return ("unsafe",)
    names = [isolation for isolation, _ in TIERS]
    return tuple(kind for _, kinds in TIERS[names.index(least) :] for kind in kinds)


async def open_machine(least: Isolation, spec: MachineSpec) -> DaemonSandbox:
    """Open the cheapest machine that gives at least an isolation.

    Raises ``SandboxUnavailable`` that says of each kind why there is none, and what to do.
    """
    problems: list[str] = []
    for kind in kinds_for(least):
        try:
            return listed(await open_sandbox(kind, spec), spec)
        except SandboxUnavailable as error:
            problems.append(f"{kind}: {error}")
    if len(problems) == 1:
        raise SandboxUnavailable(problems[0])
    raise SandboxUnavailable(f"No machine with isolation {least!r} or more can be opened. " + " ".join(problems))


def listed(sandbox: DaemonSandbox, spec: MachineSpec) -> DaemonSandbox:
    """Put a machine on the list of those that are open, until it closes."""
    machine = register.enter(spec.session, spec.workspace, sandbox.capabilities, sandbox.pid)
    sandbox.when_closed(partial(register.leave, machine))
    return sandbox
