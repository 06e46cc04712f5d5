"""Nothing gets out of a bubblewrap sandbox, whether root or an ordinary user opened it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import workhand
from tests.sandbox.escapes import ATTEMPTS
from workhand.sandbox import seccomp

HERE = Path(__file__).parent
ORDINARY_UID = 64_321
SECRET = "workhand-test-key-5d1f"
CALLS = sorted(
    name
    for name, row in (seccomp.DENIED | seccomp.MISSING).items()
    if row[list(seccomp.AUDIT_ARCHITECTURES).index(platform.machine())] is not None
)


def test_enough_is_attempted() -> None:
    assert len(ATTEMPTS) >= 80


@pytest.mark.parametrize("attempt", [*ATTEMPTS, *(f"call {name}" for name in CALLS)])
def test_an_attempt_to_get_out_is_refused(outcomes: dict[str, str | None], attempt: str) -> None:
    assert outcomes[attempt] is None


@pytest.fixture(scope="session", params=["self", "ordinary user"])
def outcomes(request: pytest.FixtureRequest, require_bubblewrap: None) -> dict[str, str | None]:
    """Run all attempts once, as the current user, and for root also as another."""
    if request.param == "ordinary user" and os.geteuid() != 0:
        pytest.skip("The current user is an ordinary one, so the other lane is the same.")
    return run_attempts(as_ordinary_user=request.param == "ordinary user")


def run_attempts(*, as_ordinary_user: bool) -> dict[str, str | None]:
    with tempfile.TemporaryDirectory(prefix="workhand-escape-") as directory, host_port() as port:
        sources = Path(directory, "sources")
        sources.mkdir()
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(workhand.__file__).parent, sources / "workhand", ignore=ignore)
        for name in ("anyio", "idna", "sniffio", "typing_extensions"):
            copy_module(name, sources)
        for name in ("lane.py", "escapes.py"):
            shutil.copy(HERE / name, sources)
        private = Path(directory, "private")
        private.mkdir(mode=0o700)
        command = [sys.executable, str(sources / "lane.py"), str(sources), str(private)]
        if as_ordinary_user:
            Path(directory).chmod(0o755)
            os.chown(private, ORDINARY_UID, ORDINARY_UID)
            drop = ["setpriv", "--reuid", str(ORDINARY_UID), "--regid", str(ORDINARY_UID), "--clear-groups"]
            command = [*drop, ordinary_python(), *command[1:]]
        done = subprocess.run(
            command,
            input=json.dumps({"secret": SECRET, "pid": os.getpid(), "port": port}),
            env={"PATH": os.defpath + ":/usr/sbin", "WORKHAND_SECRET": SECRET},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def copy_module(name: str, target: Path) -> None:
    """Copy an installed module that another user may not be able to read where it is."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations:
        shutil.copytree(spec.submodule_search_locations[0], target / name, ignore=shutil.ignore_patterns("__pycache__"))
    elif spec is not None and spec.origin is not None:
        shutil.copy(spec.origin, target)


@contextmanager
def host_port() -> Iterator[int]:
    """Listen on both of the host's loopback addresses, on one port."""
    with closing(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as server:
        yield server.getsockname()[1]


def ordinary_python() -> str:
    """Find a Python that can run the package and that another user may execute."""
    for candidate in (sys.executable, *(f"/usr/bin/python3.{minor}" for minor in (13, 12, 11)), "/usr/bin/python3"):
        command = ["setpriv", "--reuid", str(ORDINARY_UID), "--regid", str(ORDINARY_UID), "--clear-groups", candidate]
        check = [*command, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(check, capture_output=True, check=False, timeout=30, env={}).returncode == 0:
            return candidate
    pytest.fail("No Python 3.11 or later can be run by another user; `apt-get install python3` brings one.")
