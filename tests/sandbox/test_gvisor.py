"""What gVisor's machines promise besides: a kernel of their own, users of their own, limits that hold, nothing left."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import workhand
from tests.sandbox.conftest import Opener
from tests.sandbox.test_bubblewrap import free, groups_of, running, still_there, until_gone
from tests.sandbox.test_doorway import ECHO, Outside, python
from tests.sandbox.test_escapes import ORDINARY_UID, copy_module, ordinary_python
from workhand.core.ports import Capabilities, Executed
from workhand.errors import SandboxLost, SandboxUnavailable
from workhand.sandbox import preload
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.gvisor import IMAGE, open_gvisor, take_image
from workhand.sandbox.limits import MIB, SandboxLimits, find_groups
from workhand.sandbox.probe import open_sandbox, probe
from workhand.sandbox.slots import FIRST_UID, SLOTS, group_name, preferred_number, state_directory
from workhand.sandbox.spec import NETWORK_PORT, MachineSpec

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("require_gvisor")]

CRASH = Path(__file__).with_name("crash.py")
LIMIT_S = 30.0
ROOM = 1 << 20
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root gives sandboxes users of their own.")
with_groups = pytest.mark.skipif(find_groups() is None, reason="No control group can be made here.")


async def run(sandbox: DaemonSandbox, script: str) -> Executed:
    return await sandbox.execute(("bash", "-c", script), timeout_s=LIMIT_S, output_bytes_max=ROOM)


async def test_a_probe_says_what_a_machine_gives() -> None:
    found = await probe("gvisor")
    assert isinstance(found, Capabilities)
    assert (found.backend, found.isolation, found.network) == ("gvisor", "kernel", "none")


async def test_programs_see_another_kernel_and_no_network_but_the_loopback(opener: Opener) -> None:
    sandbox = await opener("gvisor")
    assert (await run(sandbox, "uname -r")).stdout.decode().strip() != os.uname().release
    interfaces = (await run(sandbox, "cut -sd: -f1 /proc/net/dev")).stdout.split()
    assert interfaces == [b"lo"]


async def test_what_names_and_describes_files_works_on_that_kernel(opener: Opener) -> None:
    sandbox = await opener("gvisor")
    await sandbox.write("file", b"abc")
    done = await run(sandbox, "ls -l; stat -c '%s %U' file; stat nothing")
    assert b"file\n3 agent\n" in done.stdout
    assert done.stderr == b"stat: cannot statx 'nothing': No such file or directory\n"


def test_the_library_passes_everything_on_but_the_one_flag(tmp_path: Path) -> None:
    (tmp_path / "statx.so").write_bytes(preload.library())
    statx = ctypes.CDLL(str(tmp_path / "statx.so"), use_errno=True).statx
    found = ctypes.create_string_buffer(256)
    (tmp_path / "file").write_bytes(bytes(12_345))
    directory = os.open(tmp_path, os.O_RDONLY)
    assert statx(directory, b"file", 0x800 | 0x100, 0x7FF, found) == 0  # no automount, no following of links
    assert int.from_bytes(found.raw[40:48], "little") == 12_345
    assert statx(directory, b"nothing", 0x800, 0x7FF, found) == -1 and ctypes.get_errno() == errno.ENOENT
    assert statx(directory, b"file", 0x40000, 0x7FF, found) == -1 and ctypes.get_errno() == errno.EINVAL
    os.close(directory)


@as_root
async def test_nothing_of_a_machine_is_roots_on_the_host(opener: Opener, tmp_path: Path) -> None:
    sandbox = await opener("gvisor")
    await sandbox.write("file", b"")
    processes = running(sandbox.pid)
    owner = (tmp_path / "workspace/file").stat().st_uid
    names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes]
    assert all(any(part in name for name in names) for part in (b"runsc-sandbox", b"runsc-gofer"))
    assert owner == preferred_number(str(tmp_path / "workspace"), 0) + FIRST_UID
    assert {users(pid) for pid in processes} == {(owner,) * 8}


def users(pid: int) -> tuple[int, ...]:
    """Give a process's users and groups: real, effective, saved, of the file system."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return tuple(int(each) for line in lines if line.startswith(("Uid:", "Gid:")) for each in line.split()[1:])


@as_root
async def test_roots_own_directory_stays_roots(tmp_path: Path) -> None:
    async with await open_sandbox("gvisor", MachineSpec(session="s", workspace=tmp_path, owned=False)) as sandbox:
        await sandbox.write("made/new", b"y")
        assert (await run(sandbox, "stat -c %U made")).stdout == b"agent\n"
    assert {path.name: path.stat().st_uid for path in tmp_path.rglob("*")} == {"made": 0, "new": 0}


async def test_what_is_kept_is_seen_and_cannot_be_changed(tmp_path: Path) -> None:
    workspace, kept = tmp_path / "workspace", tmp_path / "private" / "kept"
    workspace.mkdir()
    kept.mkdir(parents=True)
    kept.parent.chmod(0o700)
    (kept / "early").write_bytes(b"early\n")
    kept.chmod(0o777)  # Nothing but the mount protects it.
    (kept / "early").chmod(0o666)
    spec = MachineSpec(session="s", workspace=workspace, owned=True, kept=kept, trusted=b"authorities\n")
    async with await open_sandbox("gvisor", spec) as sandbox:
        (kept / "late").write_bytes(b"late\n")
        seen = await run(sandbox, "cat .workhand/* $SSL_CERT_FILE /etc/ssl/certs/ca-certificates.crt")
        attempts = ("echo > .workhand/early", "rm .workhand/early", "mv .workhand x", "echo > /usr/x", "echo > /etc/x")
        assert [(await run(sandbox, attempt)).exit_code for attempt in attempts] == [1] * len(attempts)
    assert seen.stdout == b"early\nlate\nauthorities\nauthorities\n"
    assert sorted(path.read_bytes() for path in kept.iterdir()) == [b"early\n", b"late\n"]


@asynccontextmanager
async def with_door(workspace: Path) -> AsyncIterator[DaemonSandbox]:
    async with anyio.create_task_group() as group:
        spec = MachineSpec(session="door", workspace=workspace, owned=True, doors={NETWORK_PORT: Outside(group)})
        async with await open_sandbox("gvisor", spec) as sandbox:
            yield sandbox
        group.cancel_scope.cancel()


async def test_connections_come_out_at_the_door_and_back(tmp_path: Path) -> None:
    async with with_door(tmp_path) as sandbox:
        assert (await python(sandbox, ECHO)).stdout == b"True\n"
        refused = await python(sandbox, "import socket; socket.create_connection(('127.0.0.1', 22), 5)")
        assert b"ConnectionRefusedError" in refused.stderr
        outside = await python(sandbox, "import socket; socket.create_connection(('192.0.2.1', 80), 5)")
        assert b"No route to host" in outside.stderr


async def test_a_key_interrupts_what_is_in_the_foreground_only(opener: Opener) -> None:
    sandbox = await opener("gvisor")
    await sandbox.shell_run("main", "sleep 1000 & echo $! > pid", timeout_s=LIMIT_S, output_bytes_max=ROOM)
    await sandbox.shell_run("main", "sleep 1001", timeout_s=1, output_bytes_max=ROOM)
    await sandbox.shell_input("main", "never run\x03")
    done = await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.exit_code == 128 + signal.SIGINT
    alive = await sandbox.shell_run("main", "kill -0 $(cat pid)", timeout_s=LIMIT_S, output_bytes_max=ROOM)
    assert alive == Executed(0, b"")


@pytest.mark.machines
async def test_nothing_is_left_after_closing(opener: Opener) -> None:
    sandbox = await opener("gvisor")
    await sandbox.shell_run("main", "sleep 1000 & setsid sleep 1000 &", timeout_s=LIMIT_S, output_bytes_max=ROOM)
    processes, groups, bundle = running(sandbox.pid), groups_of(sandbox.pid), bundle_of(sandbox.pid)
    assert len(processes) >= 4 and bundle.exists()
    await sandbox.close()
    assert still_there([], groups) == [] and not bundle.exists()
    await until_gone(processes)  # Killed; what their own parent did not collect the host's first process does.


def bundle_of(pid: int) -> Path:
    arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return Path(arguments[arguments.index("-bundle") + 1])


@as_root
@pytest.mark.machines
async def test_a_machine_goes_on_twice_from_where_it_was_kept_and_can_be_kept_again(tmp_path: Path) -> None:
    image, again = tmp_path / "image", tmp_path / "again"
    script = "A=kept; cd /tmp; echo there > file; (while true; do echo x >> beat; sleep 0.05; done) &"
    async with await open_sandbox("gvisor", spec_of(tmp_path / "one")) as sandbox:
        await shell(sandbox, script)
        await sandbox.checkpoint(image)
        with pytest.raises(SandboxLost):
            await run(sandbox, "true")
    two = await open_gvisor(spec_of(tmp_path / "two"), image)
    async with two, await open_gvisor(spec_of(tmp_path / "three"), image) as three:
        assert await shell(two, "A=changed; rm file") == Executed(0, b"")
        assert await shell(three, "echo $A $PWD $(cat file) $(jobs -pr | wc -l)") == Executed(0, b"kept /tmp there 1\n")
        assert (
            await run(three, "b=$(wc -l < /tmp/beat); until [ $(wc -l < /tmp/beat) -gt $b ]; do :; done")
        ).stdout == b""
        await two.checkpoint(again)
    async with await open_gvisor(spec_of(tmp_path / "four"), again) as four:
        assert await shell(four, "echo $A $(ls)") == Executed(0, b"changed beat\n")


def test_an_image_is_not_taken_through_a_link_and_is_the_owners_to_read(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (tmp_path / "secret").write_bytes(b"of the host")
    (made / IMAGE).symlink_to(tmp_path / "secret")
    (tmp_path / "linked").symlink_to(made)
    for place in (made, tmp_path / "linked"):
        with pytest.raises(OSError):
            take_image(place, tmp_path / "image")
    (made / IMAGE).unlink()
    (made / IMAGE).write_bytes(b"a machine")
    take_image(made, tmp_path / "image")
    assert (tmp_path / "image").read_bytes() == b"a machine"
    assert (tmp_path / "image").stat().st_mode & 0o777 == 0o600


@as_root
@pytest.mark.machines
async def test_a_machine_that_goes_on_is_its_own_users_too(tmp_path: Path) -> None:
    async with await open_sandbox("gvisor", spec_of(tmp_path / "one")) as sandbox:
        await sandbox.checkpoint(tmp_path / "image")
    async with await open_gvisor(spec_of(tmp_path / "two"), tmp_path / "image") as sandbox:
        await sandbox.write("own", b"")
        processes = running(sandbox.pid)
        owner = (tmp_path / "two" / "own").stat().st_uid
        assert FIRST_UID <= owner < FIRST_UID + SLOTS
        assert {each for pid in processes for each in users(pid)} == {owner, owner + SLOTS}
        os.kill(sandbox.pid, signal.SIGKILL)
        await until_gone(processes)


def spec_of(workspace: Path) -> MachineSpec:
    workspace.mkdir()
    return MachineSpec(session=str(workspace), workspace=workspace, owned=True)


async def shell(sandbox: DaemonSandbox, command: str) -> Executed:
    return await sandbox.shell_run("main", command, timeout_s=LIMIT_S, output_bytes_max=ROOM)


@as_root
async def test_a_machine_is_not_kept_while_a_command_runs_and_others_never_are(opener: Opener) -> None:
    sandbox = await opener("gvisor")
    async with anyio.create_task_group() as group:
        group.start_soon(run, sandbox, "touch begun; sleep 1000")
        while await sandbox.status("begun") is None:
            pass
        with pytest.raises(SandboxUnavailable, match="cancel that first"):
            await sandbox.checkpoint(Path("/nowhere"))
        group.cancel_scope.cancel()
    with pytest.raises(SandboxUnavailable, match="'unsafe' machine cannot be kept"):
        await (await opener("unsafe")).checkpoint(Path("/nowhere"))


@asynccontextmanager
async def crashing(command: list[str]) -> AsyncIterator[int]:
    """Start a host that opens a machine; it is killed at the end."""
    async with await anyio.open_process(command, env={"PATH": os.defpath}, stderr=None) as host:
        try:
            assert host.stdout is not None and await host.stdout.receive() == b"open\n"
            yield host.pid
        finally:
            host.kill()


async def test_nothing_is_left_after_the_host_is_killed(opener: Opener, tmp_path: Path) -> None:
    workspace = tmp_path / "crash"
    workspace.mkdir()
    async with crashing([sys.executable, str(CRASH), "gvisor", str(workspace)]) as host:
        processes = running(host)[1:]
        groups, bundle = groups_of(processes[0]), bundle_of(processes[0])
    assert len(processes) >= 3 and bundle.exists()
    await until_gone(processes)
    await (await opener("gvisor")).close()  # Opening sweeps what the dead left.
    assert still_there(processes, groups) == []
    assert not bundle.exists()


@pytest.mark.machines
async def test_a_machine_whose_inside_does_not_listen_dies_with_the_host_too(tmp_path: Path) -> None:
    """The end of its input tells the daemon to end; one that is stopped does not hear it."""
    async with crashing([sys.executable, str(CRASH), "gvisor", str(tmp_path)]) as host:
        processes = running(host)[1:]
        sentry = next(pid for pid in processes if b"runsc-sandbox" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(sentry, signal.SIGSTOP)
    await until_gone(processes)


@pytest.mark.machines
@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.1, 0.2, 0.3])
async def test_nothing_is_left_when_opening_is_cancelled(delay_s: float, tmp_path: Path) -> None:
    number = preferred_number(str(tmp_path), tmp_path.stat().st_uid)
    before = running(os.getpid())
    with anyio.move_on_after(delay_s):
        sandbox = await open_sandbox("gvisor", MachineSpec(session=str(tmp_path), workspace=tmp_path, owned=True))
        await sandbox.close()
    assert running(os.getpid()) == before
    assert free(number) and not (state_directory() / group_name(number)).exists()
    assert not (state_directory() / f"gvisor-{number}").exists()


@pytest.mark.machines
async def test_a_fork_bomb_is_held_and_the_machine_lives(opener: Opener) -> None:
    sandbox = await opener("gvisor", limits=SandboxLimits(processes=64))
    bomb = "f() { f | f & }; f; for i in $(seq 200); do sleep 1000 & done; sleep 1000"
    done = await sandbox.execute(("bash", "-c", bomb), timeout_s=8, output_bytes_max=ROOM)
    assert b"Resource temporarily unavailable" in done.stderr
    assert (await run(sandbox, "pkill sleep; echo alive")).stdout == b"alive\n"


@pytest.mark.machines
@with_groups
async def test_past_the_memory_limit_the_machine_ends_and_the_next_one_opens(opener: Opener) -> None:
    sandbox = await opener("gvisor", limits=SandboxLimits(memory_bytes=256 * MIB))
    with pytest.raises(SandboxLost):
        await run(sandbox, "python3 -c 'x = bytearray(1 << 30)'")
    await sandbox.close()
    assert (await run(await opener("gvisor"), "echo alive")).stdout == b"alive\n"


@pytest.mark.machines
async def test_a_full_place_for_temporary_files_is_an_error_and_the_machine_lives(opener: Opener) -> None:
    sandbox = await opener("gvisor", limits=SandboxLimits(memory_bytes=256 * MIB))
    for place in ("/tmp", "/dev/shm", "/run"):
        done = await run(sandbox, f"head -c 300000000 /dev/zero > {place}/full")
        assert done.exit_code != 0 and b"No space left" in done.stderr
        await run(sandbox, f"rm {place}/full")


@as_root
@pytest.mark.machines
async def test_an_ordinary_user_can_open_a_machine() -> None:
    with tempfile.TemporaryDirectory() as directory:
        sources, workspace = Path(directory, "sources"), Path(directory, "workspace")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(workhand.__file__).parent, sources / "workhand", ignore=ignore)
        for name in ("anyio", "idna", "sniffio", "typing_extensions"):
            copy_module(name, sources)
        shutil.copy(CRASH, sources)
        workspace.mkdir()
        os.chown(workspace, ORDINARY_UID, ORDINARY_UID)
        Path(directory).chmod(0o755)
        become = ["setpriv", "--reuid", str(ORDINARY_UID), "--regid", str(ORDINARY_UID), "--clear-groups"]
        command = [*become, ordinary_python(), str(sources / "crash.py"), "gvisor", str(workspace)]
        async with crashing(command) as host:
            processes = running(host)
            assert len(processes) >= 4
            assert {users(pid) for pid in processes} == {(ORDINARY_UID,) * 8}
        await until_gone(processes)
