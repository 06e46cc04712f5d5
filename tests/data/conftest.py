from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.data.server import Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as found:
        yield found
