"""What the scenarios share: the command in an empty home, and sandboxes that isolate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.cli.command import Workhand
from workhand.core.ports import Capabilities
from workhand.sandbox.probe import probe


@pytest.fixture
def workhand(tmp_path: Path) -> Iterator[Workhand]:
    """The command in an empty home."""
    command = Workhand(tmp_path)
    yield command
    command.unmount()


@pytest.fixture(scope="session")
def require_bubblewrap() -> None:
    """Skip where bubblewrap cannot run; under CI let the tests fail instead."""
    found = anyio.run(probe, "bubblewrap")
    if not isinstance(found, Capabilities) and "CI" not in os.environ:
        pytest.skip(found)
