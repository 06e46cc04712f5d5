"""Run a program of Python on what a stranger wrote: within limits, without a network, with one place to write.

A description cannot be trusted, and neither can a generator that was never meant for hostile ones.  It sees of the
person's home what Python needs to run, and nothing where bubblewrap cannot run: then it does not run at all.
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
PACKAGES = {"bwrap": "bubblewrap", "prlimit": "util-linux"}


def run(arguments: list[str], directory: Path, home: Path) -> str:
    """Run this Python with arguments, the home of Workhand out of its sight; give what it says.

    Raises ``ConfigError`` with its last words, or if it cannot be confined.
    """
    limits = [f"--as={MEMORY_BYTES_MAX}", f"--cpu={CPU_S}", f"--fsize={FILE_BYTES_MAX}", "--core=0"]
    command = [_program("prlimit"), *limits, "--", *_walls(directory, home), sys.executable, "-I", "-B", *arguments]
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


def _walls(directory: Path, home: Path) -> list[str]:
    bwrap = _program("bwrap")
    if not _stands(bwrap):
        raise ConfigError("The description is read within bubblewrap, which cannot run here; see `workhand doctor`.")
    hidden = [part for each in (Path.home(), home) if each.is_dir() for part in ("--tmpfs", str(each))]
    needed = map(str, dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parent)))
    shown = [part for each in needed for part in ("--ro-bind", each, each)]
    return [*_enclosed(bwrap), *hidden, *shown, "--bind", str(directory), str(directory), "--"]


@cache
def _stands(bwrap: str) -> bool:
    """Say whether bubblewrap can run here."""
    return subprocess.run([*_enclosed(bwrap), "--", "true"], capture_output=True, check=False).returncode == 0


def _enclosed(bwrap: str) -> list[str]:
    return [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent"]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name!r} is not there; install what Debian calls {PACKAGES[name]}.")
    return found
