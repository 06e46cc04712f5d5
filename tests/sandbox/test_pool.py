"""A pool has machines open before they are needed, gives each once, and leaves none behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from workhand.errors import SandboxUnavailable
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.pool import Pool, pool
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import MachineSpec

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("require_bubblewrap")]

SIZE = 2


class Opening:
    """Opens machines over workspaces of their own, and knows all that it has opened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.opened: list[DaemonSandbox] = []
        self.fails = 0
        self.one_more = anyio.Event()

    async def __call__(self) -> DaemonSandbox:
        if self.fails:
            self.fails -= 1
            raise SandboxUnavailable("There is no room.")
        workspace = self.directory / str(len(self.opened))
        workspace.mkdir()
        spec = MachineSpec(session=f"warm-{len(self.opened)}", workspace=workspace, owned=True)
        self.opened.append(await open_sandbox("bubblewrap", spec))
        self.one_more.set()
        self.one_more = anyio.Event()
        return self.opened[-1]

    async def has(self, count: int) -> None:
        with anyio.fail_after(30):
            while len(self.opened) < count:
                await self.one_more.wait()


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    return Opening(tmp_path)


@pytest.fixture
async def warm(opening: Opening) -> AsyncIterator[Pool]:
    async with pool(opening, SIZE) as made:
        await opening.has(SIZE)
        yield made


async def test_machines_are_open_before_they_are_taken_and_replaced_afterwards(opening: Opening, warm: Pool) -> None:
    first, second = await warm.take(), await warm.take()
    assert [first, second] == opening.opened[:2]
    await opening.has(2 + SIZE)
    for number, machine in enumerate((first, second)):
        await machine.write("file", str(number).encode())
        await machine.close()
    assert [(opening.directory / str(number) / "file").read_text() for number in (0, 1)] == ["0", "1"]


async def test_a_machine_that_ended_while_it_waited_is_passed_over(opening: Opening, warm: Pool) -> None:
    opening.opened[0].end("a test ended it")
    async with await warm.take() as machine:
        assert machine is opening.opened[1]


async def test_that_none_can_be_opened_is_told_to_who_takes_one_and_tried_again(opening: Opening) -> None:
    opening.fails = 1
    async with pool(opening, 1) as warm:
        with pytest.raises(SandboxUnavailable, match="no room"):
            await warm.take()
        async with await warm.take() as machine:
            assert machine.alive


async def test_those_that_nobody_took_are_closed_with_the_pool(opening: Opening) -> None:
    async with pool(opening, SIZE):
        await opening.has(SIZE)
    assert [machine.alive for machine in opening.opened] == [False] * len(opening.opened)
