"""A real server, stated as a person would, and one gateway to it for the tests of a module: here and in a machine."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.conftest import require
from workhand.cli.session.boxes import Boxes
from workhand.cli.settings import Settings
from workhand.core.policy import Guard
from workhand.mcp.config import Box, Local
from workhand.mcp.connection import Host
from workhand.mcp.gateway import Gateway, gateway

REAL_SERVER = Path(__file__).with_name("real_server.py")
VALUES = {"KEY": "sesame-street"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["on this computer", "in a machine"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    if request.param == "on this computer":
        return Host(values=VALUES)
    require("bubblewrap")
    return Host(values=VALUES, start=Boxes(Settings(home=tmp_path_factory.mktemp("home")), Guard()).start)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory that the server may write in."""
    return tmp_path_factory.mktemp("shown")


@pytest.fixture(scope="module")
def real(shown: Path) -> Local:
    return Local("real", sys.executable, (str(REAL_SERVER),), {"KEY": "${KEY}"}, box=Box(write=(str(shown),)))


@pytest.fixture(scope="module")
async def door(real: Local, host: Host) -> AsyncIterator[Gateway]:
    async with gateway((real,), host) as opened:
        yield opened
