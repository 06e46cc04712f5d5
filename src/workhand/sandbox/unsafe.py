"""Run a session's commands directly on the host, as the current user: no isolation at all.

For machines where nothing better opens, and for people who say so explicitly;
nothing ever falls back to it.  The daemon is the same as in a sandbox, so shells,
limits on output and files behave alike.  Only a cleaned environment keeps the
host's keys from the commands, and everything the user can reach, they can reach.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from workhand.core.ports import Capabilities
from workhand.sandbox import launcher
from workhand.sandbox import limits as limit
from workhand.sandbox.client import DaemonSandbox, daemon_command, real_directory, start_daemon, unwound_on_failure
from workhand.sandbox.meter import Meter
from workhand.sandbox.slots import preferred_number, state_directory, take_slot
from workhand.sandbox.spec import MachineSpec

READY_S = 15.0
OPEN_HOST = "Commands run on the host as the current user, with its files and its network."
OPEN_FOLDER = "What is kept for the model lies in the workspace, where commands can change it."


async def open_unsafe(spec: MachineSpec) -> DaemonSandbox:
    """Start the daemon as an ordinary process in the workspace; it has the host's network, and uses no doors."""
    workspace, limits = real_directory(spec.workspace), spec.limits
    spec = replace(spec, doors={}, trusted=b"")
    async with unwound_on_failure() as resources:
        state = state_directory()
        slot = take_slot(state, preferred_number(spec.session, workspace.stat().st_uid))
        resources.callback(os.close, slot.fd)
        groups, joins = limit.join_group(resources, state, slot, limits)
        rlimits = limit.rlimits(limits, grouped=groups is not None, own_user=False)
        argv = daemon_command(sys.executable, os.path.dirname(__file__), spec.daemon_settings(rlimits))
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }
        wire = await start_daemon(
            launcher.command(argv, joins=joins, mounts=()),
            pass_fds=(slot.fd,),
            environ=environ,
            directory=str(workspace),
            ready_s=READY_S,
            resources=resources,
        )
        joined = tuple(path.parent for path in joins)
        notes = (OPEN_HOST, OPEN_FOLDER, *limit.weaknesses(limits, groups, own_user=False))
        capabilities = Capabilities("unsafe", "none", limit.enforcer(groups), "host", notes)
        return DaemonSandbox(wire, capabilities, resources, Meter(spec.limits, joined))
