"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell


@pytest.fixture
def workhand(tmp_path: Path) -> Iterator[Workhand]:
    """The command in an empty home."""
    command = Workhand(tmp_path)
    yield command
    command.unmount()


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Workhand:
    """The command in a home with one session that has ended; nothing is to be changed in it."""
    workhand = Workhand(tmp_path_factory.mktemp("ended"))
    model = workhand.script(PLAN, BEGIN, shell("seq 1 2000"), DELIVER)
    ran = workhand("run", "--isolation", "none", "--model", model, "Count to two thousand")
    assert ran.code == 0, ran.err
    return workhand
