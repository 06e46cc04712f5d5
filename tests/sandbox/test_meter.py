"""A limit that is run into is said: by the kernel's counters, and by what a workspace holds."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.sandbox.conftest import Opener
from workhand.errors import SandboxLost
from workhand.sandbox.limits import MIB, SandboxLimits
from workhand.sandbox.meter import Meter, held_bytes, watch_disk

pytestmark = pytest.mark.anyio

SMALL = SandboxLimits(processes=32, memory_bytes=128 * MIB)
EAT = "b'x' * (1 << 28)"
CROWD = "import subprocess\nfor _ in range(64): subprocess.Popen(['sleep', '60'])"


@pytest.mark.usefixtures("require_bubblewrap")
@pytest.mark.parametrize(
    ("program", "told"), [(EAT, "of memory that there are"), (CROWD, "at most 32 may run at once"), ("1", None)]
)
async def test_what_a_machine_ran_into_is_said_once(opener: Opener, program: str, told: str | None) -> None:
    sandbox = await opener(limits=SMALL)
    if not sandbox.capabilities.limits.startswith("cgroup"):
        pytest.skip("no control group can be made here: nothing counts")
    await sandbox.execute(("python3", "-c", program), timeout_s=60, output_bytes_max=4_096)
    assert [told in hit for hit in sandbox.hits() if told] == ([True] if told else [])
    assert sandbox.hits() == ()


@pytest.mark.parametrize(
    ("file", "first", "second", "said"),
    [
        ("memory.events", "low 0\noom_kill 2\n", "low 0\noom_kill 5\n", "3 processes were killed"),
        ("memory.oom_control", "under_oom 0\noom_kill 0\n", "under_oom 0\noom_kill 1\n", "1 processes were killed"),
        ("pids.events", "max 0\n", "max 7\n", "7 times a process could not be started"),
    ],
)
def test_counters_of_both_versions_are_read(tmp_path: Path, file: str, first: str, second: str, said: str) -> None:
    meter = Meter(SMALL, (tmp_path / "not there", tmp_path))
    (tmp_path / file).write_text(first)
    meter.hits()
    (tmp_path / file).write_text(second)
    (hit,) = meter.hits()
    assert hit.startswith(said)
    assert meter.hits() == ()


async def test_who_writes_too_much_is_ended_and_may_make_room_afterwards(tmp_path: Path) -> None:
    said: list[str] = []
    async with anyio.create_task_group() as group:

        def end(reason: str) -> None:
            said.append(reason)
            group.cancel_scope.cancel()

        async def write() -> None:
            for number in range(64):
                (tmp_path / str(number)).write_bytes(b"x" * MIB)
                await anyio.sleep(0.005)

        group.start_soon(write)
        await watch_disk(tmp_path, 8 * MIB, end, every_s=0.001)
    assert len(said) == 1 and said[0].endswith("and 8 MiB are allowed; remove files")
    held = held_bytes(tmp_path)
    assert held > 8 * MIB

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: watch_disk(tmp_path, 8 * MIB, said.append, every_s=0.001))
        for number in range(4):
            (tmp_path / str(number)).unlink()
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert len(said) == 1  # it held too much when the watch began, and only shrank then


@pytest.mark.usefixtures("require_bubblewrap")
async def test_a_machine_that_was_ended_says_why(opener: Opener) -> None:
    sandbox = await opener()
    sandbox.end("the workspace holds too much")
    with pytest.raises(SandboxLost, match="gone: the workspace holds too much; the next action opens another"):
        await sandbox.execute(("true",), timeout_s=5, output_bytes_max=1)


@pytest.mark.usefixtures("require_bubblewrap")
async def test_no_file_grows_past_the_limit_of_the_disk(opener: Opener) -> None:
    sandbox = await opener(limits=SandboxLimits(disk_bytes=MIB))
    await sandbox.execute(("dd", "if=/dev/zero", "of=big", "bs=1M", "count=8"), timeout_s=60, output_bytes_max=4_096)
    found = await sandbox.status("big")
    assert found is not None and found.bytes == MIB
