"""What the tests of snapshots share: a store beside a workspace, and forks that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from workhand.sandbox.snapshots import probe
from workhand.sandbox.snapshots.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store")
    yield opened
    for fork in opened.forks():
        opened.discard(Path(fork.target))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def require_overlay(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where layers cannot be stacked; under CI, as root, let the tests fail instead."""
    if os.geteuid() != 0:
        pytest.skip("Only root can mount overlays where the host sees them.")
    why = probe.obstacle(tmp_path_factory.mktemp("probe"))
    if why and "CI" not in os.environ:
        pytest.skip(why)
