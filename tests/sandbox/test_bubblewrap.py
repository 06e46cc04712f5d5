"""What only bubblewrap promises: users of their own, limits that hold, nothing left behind."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from tests.sandbox.conftest import Opener
from workhand.core.ports import Capabilities
from workhand.errors import SandboxUnavailable
from workhand.sandbox.bubblewrap import PROGRAMS, open_bubblewrap
from workhand.sandbox.limits import MIB, SandboxLimits, find_groups
from workhand.sandbox.probe import Kind, open_sandbox, probe
from workhand.sandbox.slots import FIRST_UID, SLOTS, group_name, preferred_number, state_directory, try_slot
from workhand.sandbox.spec import MachineSpec

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("require_bubblewrap")]

LIMIT_S = 30.0
ROOM = 1 << 20
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root gives sandboxes users of their own.")
with_groups = pytest.mark.skipif(find_groups() is None, reason="No control group can be made here.")


async def test_a_probe_says_what_a_sandbox_gives() -> None:
    found = await probe("bubblewrap")
    assert isinstance(found, Capabilities)
    assert (found.backend, found.isolation, found.network) == ("bubblewrap", "namespace", "none")
    assert found.limits in ("cgroup v1", "cgroup v2", "rlimits")


@pytest.mark.parametrize("kind", ["bubblewrap", "unsafe"])
async def test_a_missing_workspace_is_refused(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="make it first"):
        await open_sandbox(kind, MachineSpec(session="x", workspace=tmp_path / "none", owned=True))


async def test_two_sessions_cannot_read_each_others_workspace(opener: Opener, tmp_path: Path) -> None:
    one, two = await opener(name="one"), await opener(name="two")
    await one.write("secret", b"of one")
    for path in (str(tmp_path / "one" / "secret"), "../one/secret"):
        with pytest.raises(OSError):
            await two.read(path, bytes_max=10)


@as_root
async def test_live_sessions_have_different_users_and_reopened_ones_keep_theirs(opener: Opener, tmp_path: Path) -> None:
    sandboxes = [await opener(name=name) for name in ("one", "two", "three")]
    owners = [(tmp_path / name).stat().st_uid for name in ("one", "two", "three")]
    assert len(set(owners)) == 3
    assert all(FIRST_UID <= owner < FIRST_UID + SLOTS for owner in owners)
    await sandboxes[0].write("file", b"")
    await sandboxes[0].close()
    await opener(name="one")
    assert (tmp_path / "one" / "file").stat().st_uid == owners[0]


@as_root
async def test_a_workspace_of_our_own_is_given_over_with_all_that_is_in_it(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "workspace/dir").mkdir(parents=True)
    (tmp_path / "workspace/dir/file").write_text("old")
    (tmp_path / "workspace/link").symlink_to("/etc/hostname")
    before = os.stat("/etc/hostname").st_uid
    sandbox = await opener()
    await sandbox.write("dir/file", b"new")
    assert (tmp_path / "workspace/dir/file").read_text() == "new"
    assert os.stat("/etc/hostname").st_uid == before


@as_root
async def test_roots_own_directory_stays_roots_and_looks_like_the_sessions(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    async with await open_sandbox("bubblewrap", MachineSpec(session="s", workspace=tmp_path, owned=False)) as sandbox:
        shown = await sandbox.execute(("stat", "-c", "%U", ".", "old"), timeout_s=LIMIT_S, output_bytes_max=ROOM)
        await sandbox.write("made/new", b"y")
        await sandbox.write("old", b"z")
    assert shown.stdout == b"agent\nagent\n"
    owners = {path.name: path.stat().st_uid for path in tmp_path.rglob("*")}
    assert owners == {"old": 0, "made": 0, "new": 0}


@as_root
async def test_a_file_system_that_cannot_map_owners_is_refused_with_a_remedy() -> None:
    with pytest.raises(SandboxUnavailable, match="chown"):
        await open_sandbox("bubblewrap", MachineSpec(session="s", workspace=Path("/proc/tty"), owned=False))


@as_root
async def test_a_users_directory_is_worked_in_as_that_user() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chown(directory, 64_322, 64_322)
        async with await open_sandbox(
            "bubblewrap", MachineSpec(session="s", workspace=Path(directory), owned=False)
        ) as sandbox:
            await sandbox.write("file", b"x")
            assert any("64322" in note for note in sandbox.capabilities.notes)
        assert Path(directory, "file").stat().st_uid == 64_322


@with_groups
async def test_a_fork_bomb_is_held(opener: Opener) -> None:
    sandbox = await opener(limits=SandboxLimits(processes=64))
    bomb = "f() { f | f & }; f; for i in $(seq 200); do sleep 1000 & done; sleep 1000"
    done = await sandbox.execute(("bash", "-c", bomb), timeout_s=1, output_bytes_max=ROOM)
    assert done.exit_code != 0
    assert len(running(sandbox.pid)) <= 64
    with anyio.fail_after(LIMIT_S):
        await sandbox.close()


def running(pid: int) -> list[int]:
    """List a process and all its descendants, seen from the host."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            for thread in Path(f"/proc/{found[-1]}/task").iterdir():
                waiting += [int(child) for child in (thread / "children").read_text().split()]
    return found


@with_groups
async def test_a_program_past_the_memory_limit_is_killed_and_the_sandbox_lives(opener: Opener) -> None:
    sandbox = await opener(limits=SandboxLimits(memory_bytes=256 * MIB))
    hog = "x = bytearray(1 << 30); print(len(x))"
    done = await sandbox.execute(("python3", "-c", hog), timeout_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.exit_code == -signal.SIGKILL
    assert (await sandbox.execute(("echo", "alive"), timeout_s=LIMIT_S, output_bytes_max=ROOM)).stdout == b"alive\n"


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/run"])
async def test_a_full_tmpfs_is_an_error_and_the_sandbox_lives(opener: Opener, place: str) -> None:
    sandbox = await opener(limits=SandboxLimits(memory_bytes=256 * MIB))
    fill = f"head -c 300000000 /dev/zero > {place}/full"
    done = await sandbox.execute(("sh", "-c", fill), timeout_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.exit_code != 0 and b"No space left" in done.stderr
    with pytest.raises(OSError) as raised:
        await sandbox.write(f"{place}/more", bytes(1 << 20))
    assert raised.value.errno == errno.ENOSPC
    done = await sandbox.shell_run("main", f"rm {place}/*; echo free", timeout_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.stdout == b"free\n"


async def test_open_files_are_limited(opener: Opener) -> None:
    sandbox = await opener(limits=SandboxLimits(open_files=256))
    done = await sandbox.execute(("sh", "-c", "ulimit -n"), timeout_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.stdout == b"256\n"


async def test_orphans_are_reaped(opener: Opener) -> None:
    sandbox = await opener()
    for _ in range(3):
        await sandbox.execute(("sh", "-c", "(sleep 0.1 &)"), timeout_s=LIMIT_S, output_bytes_max=ROOM)
    check = "for i in $(seq 500); do grep -qs 'Z (zombie)' /proc/[0-9]*/status || exit 0; sleep 0.01; done; exit 1"
    done = await sandbox.execute(("sh", "-c", f"sleep 0.3; {check}"), timeout_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.exit_code == 0


async def test_many_open_at_once(tmp_path: Path) -> None:
    async def use(name: str) -> None:
        workspace = tmp_path / name
        workspace.mkdir()
        async with await open_sandbox(
            "bubblewrap", MachineSpec(session=name, workspace=workspace, owned=True)
        ) as sandbox:
            done = await sandbox.shell_run("main", f"echo {name}", timeout_s=LIMIT_S, output_bytes_max=ROOM)
            assert done.stdout == f"{name}\n".encode()

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(use, f"session-{number}")


@pytest.mark.parametrize("kind", ["bubblewrap", "unsafe"])
async def test_nothing_is_left_after_closing(opener: Opener, kind: Kind) -> None:
    sandbox = await opener(kind)
    await sandbox.shell_run("main", "sleep 1000 & setsid sleep 1000 &", timeout_s=LIMIT_S, output_bytes_max=ROOM)
    processes, groups = running(sandbox.pid), groups_of(sandbox.pid)
    assert len(processes) >= 4
    await sandbox.close()
    assert still_there(processes, groups) == []


@pytest.mark.parametrize("kind", ["bubblewrap", "unsafe"])
@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.03, 0.06])
async def test_nothing_is_left_when_opening_is_cancelled(kind: Kind, delay_s: float, tmp_path: Path) -> None:
    workspace = tmp_path / "cancelled"
    workspace.mkdir()
    number = preferred_number(str(workspace), workspace.stat().st_uid)
    before = running(os.getpid())
    with anyio.move_on_after(delay_s):
        sandbox = await open_sandbox(kind, MachineSpec(session=str(workspace), workspace=workspace, owned=True))
        await sandbox.close()
    assert running(os.getpid()) == before
    assert free(number) and not (state_directory() / group_name(number)).exists()


@pytest.mark.parametrize("kind", ["bubblewrap", "unsafe"])
async def test_nothing_is_left_after_the_host_is_killed(opener: Opener, kind: Kind, tmp_path: Path) -> None:
    workspace = tmp_path / "crash"
    workspace.mkdir()
    script = str(Path(__file__).with_name("crash.py"))
    async with await anyio.open_process([sys.executable, script, kind, str(workspace)], stderr=None) as host:
        assert host.stdout is not None and await host.stdout.receive() == b"open\n"
        processes = running(host.pid)[1:]
        groups = groups_of(processes[0])
        host.kill()
    assert len(processes) >= 3
    await until_gone(processes)
    await (await opener()).close()  # Opening sweeps the control groups of the dead.
    assert still_there(processes, groups) == []


def groups_of(pid: int) -> list[Path]:
    """List the directories of a sandbox's control group."""
    found = re.search(r"workhand-\d+", Path(f"/proc/{pid}/cgroup").read_text())
    groups = find_groups()
    assert (found is None) == (groups is None)
    return [*groups.directories(found[0])] if found and groups else []


def still_there(processes: list[int], groups: list[Path]) -> list[Path]:
    """Give what exists of a sandbox: its processes, its groups, the lock on its slot."""
    held = [path for path in groups[:1] if not free(int(path.name.rpartition("-")[2]))]
    return [path for path in (*(Path(f"/proc/{pid}") for pid in processes), *groups) if path.exists()] + held


def free(number: int) -> bool:
    slot = try_slot(state_directory(), number)
    if slot is not None:
        os.close(slot.fd)
    return slot is not None


async def until_gone(processes: list[int]) -> None:
    for _ in range(int(LIMIT_S / 0.01)):
        if not still_there(processes, []):
            return
        await anyio.sleep(0.01)
    pytest.fail(f"Still there: {still_there(processes, [])!r}")


async def test_directories_of_the_host_are_shown_read_only_and_links_are_made(
    tmp_path: Path, require_bubblewrap: None
) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "hello").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "tools" / "hello").chmod(0o755)
    spec = MachineSpec(
        session="shown",
        workspace=tmp_path / "workspace",
        owned=True,
        shown={"/opt/tools": tmp_path / "tools", "/mnt/data/one": tmp_path / "tools"},
        links={f"{PROGRAMS}/hello": "/opt/tools/hello"},
    )
    async with await open_bubblewrap(spec) as sandbox:
        said = await sandbox.execute(("hello",), timeout_s=20, output_bytes_max=100)
        assert said.stdout == b"hello\n"
        for place in ("/opt/tools/x", "/mnt/data/one/x", f"{PROGRAMS}/x"):
            with pytest.raises(OSError, match="Read-only"):
                await sandbox.write(place, b"x")
    assert sorted(path.name for path in (tmp_path / "tools").iterdir()) == ["hello"]
