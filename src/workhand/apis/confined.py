"""Run a program of Python on what a stranger wrote: within limits, without a network, with one place to write.

A description cannot be trusted, and neither can a generator that was never meant for hostile ones.  Where bubblewrap
cannot run, the limits of memory, time and size still hold.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from workhand.errors import ConfigError

MEMORY_BYTES_MAX = 2 << 30
FILE_BYTES_MAX = 64 << 20
CPU_S = 240
TIMEOUT_S = 300.0
SAID_CHARS_MAX = 1_000_000
PATH = "/usr/local/bin:/usr/bin:/bin"


def run(arguments: list[str], directory: Path) -> str:
    """Run this Python with arguments; give what it says.  Raises ``ConfigError`` with its last words."""
    limits = [f"--as={MEMORY_BYTES_MAX}", f"--cpu={CPU_S}", f"--fsize={FILE_BYTES_MAX}", "--core=0"]
    command = [_program("prlimit"), *limits, "--", *_walls(directory), sys.executable, "-I", "-B", *arguments]
    said = directory / "said"
    environment = {"PATH": PATH, "HOME": str(directory), "TMPDIR": str(directory), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    with said.open("wb") as output:
        try:
            ended = subprocess.run(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"The description was not done with in {TIMEOUT_S:g} s; give a smaller one.") from error
    with said.open(encoding="utf-8", errors="replace") as opened:
        words = opened.read(SAID_CHARS_MAX)
    if ended.returncode:
        last = " ".join(words.split())[-400:] or f"it ended with {ended.returncode}, as it does at a limit"
        raise ConfigError(f"The description cannot be used: {last}.")
    return words


def _walls(directory: Path) -> list[str]:
    bwrap = shutil.which("bwrap")
    if bwrap is None or not _stands(bwrap):
        return []
    return [*_enclosed(bwrap), "--bind", str(directory), str(directory), "--"]


@cache
def _stands(bwrap: str) -> bool:
    """Say whether bubblewrap can run here."""
    return subprocess.run([*_enclosed(bwrap), "--", "true"], capture_output=True, check=False).returncode == 0


def _enclosed(bwrap: str) -> list[str]:
    return [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent"]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name!r} is not there; install what Debian calls util-linux.")
    return found
