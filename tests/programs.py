"""Programs of the system that tests need and that a computer may lack."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str, package: str) -> pytest.MarkDecorator:
    """Skip a test where one is missing, and say what brings it.  CI installs them all: there the test fails instead."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        bool(missing) and "CI" not in os.environ,
        reason=f"there is no {' and no '.join(missing)}: apt-get install {package}",
    )
