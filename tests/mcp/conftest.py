"""A real server, stated as a person would, and a gateway to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workhand.mcp.config import Local

REAL_SERVER = Path(__file__).with_name("real_server.py")


@pytest.fixture
def real(tmp_path: Path) -> Local:
    return Local("real", sys.executable, (str(REAL_SERVER),), {"MARKS": str(tmp_path), "KEY": "${KEY}"})
