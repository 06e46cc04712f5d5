"""Open a sandbox, start a job in it, say so, and wait to be killed: the host that crashes.

python crash.py KIND WORKSPACE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

from workhand.sandbox.probe import Kind, open_sandbox
from workhand.sandbox.spec import MachineSpec


async def main() -> None:
    kind = cast(Kind, sys.argv[1])
    sandbox = await open_sandbox(kind, MachineSpec(session="crash", workspace=Path(sys.argv[2]), owned=True))
    done = await sandbox.shell_run("main", "(sleep 1007; true) &", timeout_s=60, output_bytes_max=100)
    assert done.exit_code == 0
    sys.stdout.write("open\n")
    sys.stdout.flush()
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main())
