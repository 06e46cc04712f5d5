"""Nothing gets out of a machine of any kind, whether root or an ordinary user opened it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

import workhand
from tests.sandbox.escaping.table import HELD_BY_GROUPS, IN_A_MACHINE, counts, printed
from tests.sandbox.lane import RESUMED
from workhand.sandbox.spec import CACHE

HERE = Path(__file__).parent
ORDINARY_UID = 64_321
NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"
AGAIN = f"import os, sys; os.execv(sys.executable, [sys.executable, '-c', {NEW_ENOUGH!r}])"
"""A Python that root started as another user may be out of that user's own reach."""
USERS = SELF, ORDINARY = "self", "ordinary user"
SECRET = "workhand-test-key-5d1f"
CLASSES = (
    *("files", "proc and sys", "devices", "mounts", "namespaces", "ptrace", "kernel keyrings", "sockets", "network"),
    *("resource exhaustion", "symlink and race attacks on file tools", "daemon protocol abuse"),
)
KINDS = ["bubblewrap", *(pytest.param(kind, marks=pytest.mark.machines) for kind in ("gvisor", RESUMED, "qemu"))]


def test_enough_is_attempted_of_each_class() -> None:
    sys.stdout.write(printed(None))
    assert tuple(counts()) == CLASSES
    assert min(counts().values()) >= 10 and sum(counts().values()) >= 300


@pytest.mark.parametrize("attempt", IN_A_MACHINE)
def test_an_attempt_to_get_out_is_refused(outcomes: dict[str, str | None], attempt: str) -> None:
    if attempt in HELD_BY_GROUPS and attempt not in outcomes:
        pytest.skip("It is held by control groups, and none can be made here: the capabilities say so.")
    assert outcomes[attempt] is None


def test_nothing_is_attempted_that_is_not_in_the_table(outcomes: dict[str, str | None]) -> None:
    assert set(outcomes) <= set(IN_A_MACHINE)


@pytest.fixture(scope="session", params=KINDS)
def lanes(request: pytest.FixtureRequest) -> dict[str, dict[str, str | None] | str]:
    """Make all attempts in a kind of machine, as the current user and, for root, beside that as another."""
    users = USERS if os.geteuid() == 0 and request.param != RESUMED else USERS[:1]
    with ThreadPoolExecutor() as side_by_side:
        return dict(zip(users, side_by_side.map(partial(run_attempts, request.param), users), strict=True))


@pytest.fixture(params=USERS)
def outcomes(request: pytest.FixtureRequest, lanes: dict[str, dict[str, str | None] | str]) -> dict[str, str | None]:
    if request.param not in lanes:
        pytest.skip(
            "The current user is an ordinary one, so the other lane is the same, or only root has such a machine."
        )
    found = lanes[request.param]
    if isinstance(found, str):
        if "CI" in os.environ:
            pytest.fail(found)
        pytest.skip(found)
    return found


def run_attempts(kind: str, user: str) -> dict[str, str | None] | str:
    """Give what each attempt came to, or why there is no machine of this kind here."""
    with tempfile.TemporaryDirectory(prefix="workhand-escape-") as directory, host_port() as port:
        sources = copy_sources(Path(directory, "sources"))
        if kind == "qemu":
            shutil.copytree(CACHE.expanduser() / "vm", Path(directory, "cache", "vm"))
        private = Path(directory, "private")
        private.mkdir(mode=0o700)
        start = f"import sys; sys.path[:0] = [{str(sources)!r}]; from tests.sandbox.lane import run; run()"
        command = [sys.executable, "-c", start, kind, str(private)]
        if user == ORDINARY:
            Path(directory).chmod(0o755)
            os.chown(private, ORDINARY_UID, ORDINARY_UID)
            drop = ["setpriv", "--reuid", str(ORDINARY_UID), "--regid", str(ORDINARY_UID), "--clear-groups"]
            command = [*drop, ordinary_python(), *command[1:]]
        done = subprocess.run(
            command,
            input=json.dumps({"secret": SECRET, "pid": os.getpid(), "port": port}),
            env={"PATH": os.defpath + ":/usr/sbin", "WORKHAND_SECRET": SECRET},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] | str = json.loads(done.stdout)
    return found


def copy_sources(target: Path) -> Path:
    """Put together what the lane needs where every user can read it."""
    ignore = shutil.ignore_patterns("__pycache__", "test_*")
    shutil.copytree(Path(workhand.__file__).parent, target / "workhand", ignore=ignore)
    shutil.copytree(HERE / "escaping", target / "tests" / "sandbox" / "escaping", ignore=ignore)
    for name in ("lane.py", "escapes.py"):
        shutil.copy(HERE / name, target / "tests" / "sandbox")
    for name in ("anyio", "idna", "sniffio", "typing_extensions"):
        copy_module(name, target)
    return target


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
        check = [*command, "-c", AGAIN]
        if subprocess.run(check, capture_output=True, check=False, timeout=30, env={}).returncode == 0:
            return candidate
    pytest.fail("No Python 3.11 or later can be run by another user; `apt-get install python3` brings one.")
