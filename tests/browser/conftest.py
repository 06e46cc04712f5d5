"""Real Chromium in a real machine, whose way out is the real proxy, to a site on this computer's loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.browser.site import serving
from tests.browser.world import World, around
from workhand.browser.chromium import PROGRAMS
from workhand.browser.session import MachineBrowser
from workhand.core.ports import Capabilities
from workhand.sandbox.probe import probe


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the tests of a module, which can so share a browser."""
    return "asyncio"


@pytest.fixture(scope="session")
def require_chromium() -> None:
    """Skip where no browser can run; under CI let the tests fail instead."""
    found = asyncio.run(probe("bubblewrap"))
    if not isinstance(found, Capabilities) and "CI" not in os.environ:
        pytest.skip(found)
    there = importlib.util.find_spec("playwright") is not None and any(map(os.path.exists, PROGRAMS))
    if not there and "CI" not in os.environ:
        pytest.skip("there is no Chromium, or no playwright to drive it")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.fixture
async def world(port: int, tmp_path: Path, require_chromium: None) -> AsyncIterator[World]:
    async with around(port, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
async def shared(port: int, tmp_path_factory: pytest.TempPathFactory, require_chromium: None) -> AsyncIterator[World]:
    async with around(port, tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def browser(shared: World) -> MachineBrowser:
    """A browser that is used by many tests, each with a page of its own."""
    return shared.browser()
