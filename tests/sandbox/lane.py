"""Open a bubblewrap sandbox as whoever runs this, and print what the escape attempts in it found.

A program of its own, so that the suite can run it as root and as an ordinary user,
with any Python that the user can run: it needs the standard library only.

    python lane.py SOURCE_DIRECTORY DIRECTORY  < host.json
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

KEPT_EARLY, KEPT_LATE = ".workhand/file", ".workhand/results/late.txt"


async def main() -> None:
    from workhand.sandbox import seccomp
    from workhand.sandbox.probe import open_sandbox
    from workhand.sandbox.spec import MachineSpec
    from workhand.tools.folder import Folder

    column = list(seccomp.AUDIT_ARCHITECTURES).index(platform.machine())
    calls = {name: row[column] for name, row in (seccomp.DENIED | seccomp.MISSING).items() if row[column] is not None}
    directory = Path(sys.argv[2])
    workspaces = [directory / "one", directory / "two"]
    for workspace in workspaces:
        workspace.mkdir()
    umask = os.umask(0o077)  # what is kept must be readable whatever it is
    folder = Folder(directory / "kept")
    folder.make()
    await folder.keep(KEPT_EARLY, b"kept before")
    (directory / "kept" / "empty").mkdir()
    os.umask(umask)
    secret_file, path_socket = directory / "secret", directory / "socket"
    secret_file.write_text("nothing to see")
    abstract = f"workhand-escape-{directory.name}"
    with listen(socket.AF_UNIX, "\0" + abstract), listen(socket.AF_UNIX, str(path_socket)):
        host = json.load(sys.stdin) | {
            "calls": calls | {"clone": seccomp.CHECKS[0].numbers[column]},
            "machine": platform.machine(),
            "parent": str(directory),
            "file": str(secret_file),
            "kept": KEPT_EARLY,
            "kept on host": str(directory / "kept" / "file"),
            "other": str(workspaces[1] / "file"),
            "abstract": abstract,
            "socket": str(path_socket),
        }
        two = await open_sandbox("bubblewrap", MachineSpec(session="two", workspace=workspaces[1], owned=True))
        one = await open_sandbox(
            "bubblewrap", MachineSpec(session="one", workspace=workspaces[0], owned=True, kept=folder.directory)
        )
        async with one, two:
            await two.write("file", b"of session two")
            await folder.keep(KEPT_LATE, b"kept after")
            assert await one.read(KEPT_EARLY, bytes_max=100) == b"kept before"
            assert await one.read(KEPT_LATE, bytes_max=100) == b"kept after"
            await one.write("aside/file", b"")
            await one.write("escapes.py", Path(__file__).with_name("escapes.py").read_bytes())
            done = await one.execute(
                ("python3", "-I", "escapes.py"), stdin=json.dumps(host).encode(), timeout_s=60, output_bytes_max=1 << 20
            )
    if done.exit_code != 0:
        raise SystemExit(f"The attempts ended with {done.exit_code!r}: {done.stderr.decode()}")
    assert await folder.digests((KEPT_EARLY, KEPT_LATE)) == {
        KEPT_EARLY: sha256(b"kept before").hexdigest(),
        KEPT_LATE: sha256(b"kept after").hexdigest(),
    }
    sys.stdout.buffer.write(done.stdout)


def listen(family: int, address: str) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen()
    return server


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    asyncio.run(main())
