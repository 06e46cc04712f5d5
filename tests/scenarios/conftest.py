"""What the scenarios share: the command in an empty home, and sandboxes that isolate."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.cli.command import Workhand
from tests.scenarios.auditing import faults_of
from workhand.browser.chromium import PROGRAMS
from workhand.core.ports import Capabilities
from workhand.sandbox.probe import Kind, probe


@pytest.fixture
def workhand(tmp_path: Path) -> Iterator[Workhand]:
    """The command in an empty home; afterwards every request of every session in it is audited."""
    command = Workhand(tmp_path)
    yield command
    command.unmount()
    assert faults_of(command.home) == []


@pytest.fixture(scope="session")
def require_browser() -> None:
    """Skip where there is no Chromium, or no library to drive it; under CI let the tests fail instead."""
    there = importlib.util.find_spec("playwright") is not None and any(map(os.path.exists, PROGRAMS))
    if not there and "CI" not in os.environ:
        pytest.skip("there is no Chromium, or no playwright to drive it")


@pytest.fixture(scope="session")
def require_bubblewrap() -> None:
    """Skip where bubblewrap cannot run; under CI let the tests fail instead."""
    _require("bubblewrap")


@pytest.fixture(scope="session")
def require_gvisor() -> None:
    """Skip where gVisor cannot run; under CI let the tests fail instead."""
    _require("gvisor")


def _require(kind: Kind) -> None:
    found = anyio.run(probe, kind)
    if not isinstance(found, Capabilities) and "CI" not in os.environ:
        pytest.skip(found)
