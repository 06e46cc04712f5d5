"""What the sandbox tests share: sandboxes of each kind, opened in a fresh workspace."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from workhand.core.ports import Capabilities
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.probe import Kind, open_sandbox, probe
from workhand.sandbox.spec import MachineSpec

Opener = Callable[..., Awaitable[DaemonSandbox]]


@pytest.fixture(scope="session")
def require_bubblewrap() -> None:
    require("bubblewrap")


@pytest.fixture(scope="session")
def require_gvisor() -> None:
    require("gvisor")


@pytest.fixture(scope="session")
def require_qemu() -> None:
    require("qemu")


def require(kind: Kind) -> None:
    """Skip where a kind cannot run; under CI let the tests fail instead."""
    found = asyncio.run(probe(kind))
    if not isinstance(found, Capabilities) and "CI" not in os.environ:
        pytest.skip(found)


@pytest.fixture
async def opener(tmp_path: Path) -> AsyncIterator[Opener]:
    """Open sandboxes that are closed after the test."""
    opened: list[DaemonSandbox] = []

    async def open_one(
        kind: Kind = "bubblewrap", name: str = "workspace", *, limits: SandboxLimits | None = None
    ) -> DaemonSandbox:
        workspace = tmp_path / name
        workspace.mkdir(exist_ok=True)
        limits = limits or SandboxLimits()
        sandbox = await open_sandbox(
            kind, MachineSpec(session=str(workspace), workspace=workspace, owned=True, limits=limits)
        )
        opened.append(sandbox)
        return sandbox

    yield open_one
    for sandbox in opened:
        await sandbox.close()


machines = pytest.mark.machines


@pytest.fixture(
    params=["bubblewrap", pytest.param("gvisor", marks=machines), pytest.param("qemu", marks=machines), "unsafe"]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    wanted: Kind = request.param
    if wanted != "unsafe":
        request.getfixturevalue(f"require_{wanted}")
    return wanted


@pytest.fixture
async def sandbox(kind: Kind, opener: Opener) -> DaemonSandbox:
    """A sandbox of each kind in turn."""
    return await opener(kind)
