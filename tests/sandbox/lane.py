"""Open machines of a kind as whoever runs this, and print what the attempts to get out of them found.

A program of its own, so that the suite can run it as root and as an ordinary user,
with any Python that the user can run: it needs what the package's machines need only.

    python -m tests.sandbox.lane KIND DIRECTORY  < host.json

Printed is a JSON object: each attempt, by its class and name, with null or a sentence; or why there is no machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from tests.sandbox.escapes import CLASSES, ENDING
from tests.sandbox.escaping import exhausting, outside, racing
from workhand.errors import SandboxLost, SandboxUnavailable
from workhand.sandbox import seccomp
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.gvisor import open_gvisor
from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.probe import Kind, open_sandbox
from workhand.sandbox.spec import MachineSpec
from workhand.tools.folder import Folder

HERE = Path(__file__).parent
CACHE = Path(__file__).parents[3] / "cache"  # beside the sources, where the suite puts what this kind needs
KEPT_EARLY, KEPT_LATE = ".workhand/file", ".workhand/results/late.txt"
START = "import sys; sys.path[:0] = ['tried']; from tests.sandbox.escapes import {0}; {0}()"
RESUMED = "gvisor, resumed"  # a machine that goes on from where another was suspended, which only root can do
RENAMEAT2 = {"x86_64": 316, "aarch64": 276}
SETTING, LEFT = "proc and sys: change a setting of the host", "devices: leave one in the workspace"
Found = dict[str, str | None]

KERNEL_INSIDE = {
    "files": {"make a set-user-id file", "create a set-user-id file"},
    "proc and sys": {*CLASSES["proc and sys"], *ENDING}
    - {"find the host's environment", "find the host's command lines", "see host processes", "signal a host process"},
    "devices": {*CLASSES["devices"]},
    "mounts": {name for name in CLASSES["mounts"] if "kept" not in name},
    "namespaces": {*CLASSES["namespaces"]},
    "ptrace": {*CLASSES["ptrace"]},
    "kernel keyrings": {*CLASSES["kernel keyrings"]},
    "sockets": {name for name in CLASSES["sockets"] if name.startswith("open a socket") and "vsock" not in name},
}
"""What only asks the kernel that it runs on.  Where that is not the host's, the answer says nothing about the host:

its settings are compared, and what is left in the workspace is looked at from outside.
"""


async def main(kind: str, directory: Path, given: dict[str, Any]) -> Found:
    place = directory / "place"
    place.mkdir()
    outside_before = outside.settings()
    found = await attempts_inside(kind, place, given)
    found |= await attempts_to_exhaust(kind, directory)
    found |= await attempts_to_race(kind, directory)
    changed = outside.settings() != outside_before
    return found | {SETTING: "A setting is another one." if changed else None}


async def attempts_inside(kind: str, directory: Path, given: dict[str, Any]) -> Found:
    workspaces = [directory / "one", directory / "two"]
    for workspace in workspaces:
        workspace.mkdir()
    folder = await kept_folder(directory)
    secret_file, path_socket = directory / "secret", directory / "socket"
    secret_file.write_text("nothing to see")
    abstract = f"workhand-escape-{os.getpid()}"
    with listen(socket.AF_UNIX, "\0" + abstract), listen(socket.AF_UNIX, str(path_socket)):
        host = given | system_calls()
        host |= {
            "parent": str(directory),
            "file": str(secret_file),
            "kept": KEPT_EARLY,
            "kept on host": str(folder.directory / "file"),
            "other": str(workspaces[1] / "file"),
            "abstract": abstract,
            "socket": str(path_socket),
        }
        two = await opened(kind, workspaces[1])
        one = await opened(kind, workspaces[0], folder)
        async with one, two:
            await two.write("file", b"of session two")
            await folder.keep(KEPT_LATE, b"kept after")
            assert await one.read(KEPT_EARLY, bytes_max=100) == b"kept before"
            assert await one.read(KEPT_LATE, bytes_max=100) == b"kept after"
            await one.write("aside/file", b"")
            found = await tried(one, host)
    assert await folder.digests((KEPT_EARLY, KEPT_LATE)) == {
        KEPT_EARLY: sha256(b"kept before").hexdigest(),
        KEPT_LATE: sha256(b"kept after").hexdigest(),
    }
    planted = outside.planted(workspaces[0])
    return found | {LEFT: f"There are {planted}." if planted else None}


async def tried(machine: DaemonSandbox, host: dict[str, Any]) -> Found:
    """Run the attempts inside; what has reached only a kernel that is not the host's has reached nothing."""
    for source in (HERE / "escapes.py", *sorted((HERE / "escaping" / "inside").glob("*.py"))):
        await machine.write(f"tried/tests/sandbox/{source.relative_to(HERE)}", source.read_bytes())
    another = await outside.is_another_kernel(machine)
    found = judged(await outcomes(machine, "main", host), another)
    try:
        return found | judged(await outcomes(machine, "end", host), another)
    except SandboxLost:
        return found | judged({"proc and sys": dict.fromkeys(ENDING, "It took its machine along.")}, another)


async def outcomes(machine: DaemonSandbox, which: str, host: dict[str, Any]) -> dict[str, Found]:
    command = ("python3", "-I", "-c", START.format(which))
    done = await machine.execute(command, stdin=json.dumps(host).encode(), timeout_s=200, output_bytes_max=1 << 20)
    if done.exit_code != 0:
        raise SystemExit(f"The attempts ended with {done.exit_code!r}: {done.stderr.decode()}")
    sys.stderr.buffer.write(done.stderr)
    found: dict[str, Found] = json.loads(done.stdout)
    return found


def judged(classes: dict[str, Found], another_kernel: bool) -> Found:
    found: Found = {}
    for group, outcomes in classes.items():
        inside = KERNEL_INSIDE.get(group, set()) if another_kernel else set()
        for name, outcome in outcomes.items():
            asked_only = name in inside or (another_kernel and name.startswith("call "))
            found[f"{group}: {name}"] = None if asked_only else outcome
    return found


async def attempts_to_exhaust(kind: str, directory: Path) -> Found:
    (directory / "exhausted").mkdir()
    return await exhausting.attempts(lambda: opened(kind, directory / "exhausted", limits=exhausting.LIMITS))


async def attempts_to_race(kind: str, directory: Path) -> Found:
    (directory / "raced").mkdir()
    folder = Folder(directory / "kept while raced")
    folder.make()
    async with await opened(kind, directory / "raced", folder) as machine:
        return await racing.attempts(racing.Race(machine, directory / "elsewhere", folder))


async def opened(
    kind: str, workspace: Path, kept: Folder | None = None, *, limits: SandboxLimits | None = None
) -> DaemonSandbox:
    spec = MachineSpec(
        session=str(workspace),
        workspace=workspace,
        owned=True,
        kept=None if kept is None else kept.directory,
        limits=limits or SandboxLimits(),
        cache=CACHE,
    )
    if kind != RESUMED:
        return await open_sandbox(cast(Kind, kind), spec)
    image = workspace.with_suffix(".image")
    async with await open_sandbox("gvisor", spec) as before:
        await before.checkpoint(image)
    return await open_gvisor(spec, image)


async def kept_folder(directory: Path) -> Folder:
    umask = os.umask(0o077)  # what is kept must be readable whatever it is
    folder = Folder(directory / "kept")
    folder.make()
    await folder.keep(KEPT_EARLY, b"kept before")
    (directory / "kept" / "empty").mkdir()
    os.umask(umask)
    return folder


def system_calls() -> dict[str, Any]:
    """Give the numbers of system calls here, and the names of those that the filter denies."""
    machine = platform.machine()
    column = list(seccomp.AUDIT_ARCHITECTURES).index(machine)
    denied = {name: row[column] for name, row in (seccomp.DENIED | seccomp.MISSING).items() if row[column] is not None}
    numbers = denied | {"clone": seccomp.CHECKS[0].numbers[column], "renameat2": RENAMEAT2[machine]}
    return {"machine": machine, "numbers": numbers, "calls": sorted(denied)}


def listen(family: int, address: str) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen()
    return server


def run() -> None:
    try:
        printed: object = asyncio.run(main(sys.argv[1], Path(sys.argv[2]), json.load(sys.stdin)))
    except SandboxUnavailable as error:
        printed = str(error)
    sys.stdout.write(json.dumps(printed))


if __name__ == "__main__":
    run()
