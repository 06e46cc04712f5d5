"""A real server, stated as a person would, and one gateway to it for the tests of a module."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workhand.mcp.config import Local
from workhand.mcp.connection import Host
from workhand.mcp.gateway import Gateway, gateway

REAL_SERVER = Path(__file__).with_name("real_server.py")
HOST = Host(values={"KEY": "sesame-street"})


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def real() -> Local:
    return Local("real", sys.executable, (str(REAL_SERVER),), {"KEY": "${KEY}"})


@pytest.fixture(scope="module")
async def door(real: Local) -> AsyncIterator[Gateway]:
    async with gateway((real,), HOST) as opened:
        yield opened
