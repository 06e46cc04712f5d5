"""For every history of edits, snapshots, restorations and forks, everything is what it was when it was seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workhand
from tests.sandbox.snapshots.world import ACTS, EDITS, Step, World
from workhand.sandbox.snapshots.store import Store

ORDINARY_UID = 1_000
STEP = st.tuples(st.sampled_from((*EDITS, *ACTS)), st.integers(0, 7), st.integers(0, 63), st.integers(0, 9_999))
BOUNDED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BOUNDED
@given(steps=st.lists(STEP, min_size=10, max_size=40))
def test_copies_hold_what_was_seen(steps: list[Step]) -> None:
    play(steps, overlay=False)


@BOUNDED
@given(steps=st.lists(STEP, min_size=10, max_size=40))
def test_overlays_hold_what_was_seen(steps: list[Step], require_overlay: None) -> None:
    play(steps, overlay=True)


def test_an_ordinary_user_has_the_same() -> None:
    """Run histories as another user, in a Python that he can run."""
    if os.geteuid() != 0:
        pytest.skip("The current user is an ordinary one, so the other tests say the same.")
    with tempfile.TemporaryDirectory(prefix="workhand-snapshots-") as directory:
        sources, private = Path(directory, "sources"), Path(directory, "private")
        shutil.copytree(
            Path(workhand.__file__).parent, sources / "workhand", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(Path(__file__).with_name("world.py"), sources)
        private.mkdir(mode=0o700)
        Path(directory).chmod(0o755)
        os.chown(private, ORDINARY_UID, ORDINARY_UID)
        drop = ["setpriv", "--reuid", str(ORDINARY_UID), "--regid", str(ORDINARY_UID), "--clear-groups"]
        command = ["/usr/bin/python3", "-B", str(sources / "world.py"), str(sources), str(private), "7", "12"]
        done = subprocess.run([*drop, *command], capture_output=True, text=True, timeout=120, cwd="/", check=False)
        assert (done.stdout, done.stderr) == (f"as {ORDINARY_UID}\n", "")


def play(steps: list[Step], *, overlay: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="workhand-snapshots-") as directory:
        world = World(Store(Path(directory, "store")), Path(directory), overlay=overlay)
        with closing(world):
            world.play(steps)
            world.end()
