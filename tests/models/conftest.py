"""One real local model for all tests of a module, with a small window: what takes time is its tokens."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from workhand.models.local import LocalModel
from workhand.models.local_files import pull


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Keep one event loop for a module: the model's client lives on it, and no other test could run one meanwhile."""
    return "asyncio"


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The model's file: installed as a package, or pulled once into the user's cache."""
    if find_spec("xllamacpp") is None:  # only looked for: its threads spin if it is loaded before the model's settings
        pytest.skip("the extra `local` is not installed, or has no wheel for this platform")
    cache = os.environ.get("WORKHAND_CACHE") or "~/.cache/workhand"
    return pull(Path(cache).expanduser(), lambda _: None)


@pytest.fixture(scope="module")
async def local(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalModel]:
    directory = tmp_path_factory.mktemp("sessions")
    async with LocalModel(model_file, directory, window_tokens=1_280, string_chars_max=16) as model:
        yield model
