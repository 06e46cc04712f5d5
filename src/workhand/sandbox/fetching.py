"""Run a program of the system that downloads something, bounded in time, and say what became of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from workhand.errors import SandboxUnavailable
from workhand.sandbox.bubblewrap import PATH

WORDS_MAX = 40


def run(command: list[str], directory: Path, *, timeout_s: float, **environment: str) -> str:
    """Give what a program writes to its output; of the host's environment it gets the way to the network only.

    Raises ``SandboxUnavailable`` with its last words.
    """
    environ = {"PATH": PATH, "LC_ALL": "C", "HOME": str(directory), "TMPDIR": str(directory), **environment}
    environ |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    shown = " ".join(command[:3])
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxUnavailable(f"`{shown}` did not end within {timeout_s:g} s; try again.") from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split()[-WORDS_MAX:])
        raise SandboxUnavailable(f"`{shown}` failed: {said}; see that apt can reach its servers.") from error
    return done.stdout
