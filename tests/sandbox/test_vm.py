"""What only virtual machines promise: a kernel of their own, a wall around the emulator, and nothing left behind.

One machine serves all tests that do not change it.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests.sandbox.test_bubblewrap import as_root, groups_of, running, still_there, until_gone
from workhand.errors import SandboxUnavailable
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.limits import MIB, SandboxLimits
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import CACHE, NETWORK_PORT, MachineSpec
from workhand.sandbox.vm import kernel
from workhand.sandbox.vm.acceleration import NOT_WORKING, RECORD, USED
from workhand.sandbox.vm.qemu import open_by_trial

pytestmark = [pytest.mark.anyio, pytest.mark.machines]

LIMIT_S = 60.0
ROOM = 1 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    sandbox: DaemonSandbox
    workspace: Path
    kept: Path

    async def run(self, *argv: str) -> bytes:
        done = await self.sandbox.execute(argv, timeout_s=LIMIT_S, output_bytes_max=ROOM)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Opened]:
    directory = tmp_path_factory.mktemp("machine")
    workspace, kept = directory / "workspace", directory / "kept"
    workspace.mkdir()
    kept.mkdir(mode=0o755)
    (kept / "early").write_bytes(b"early")
    limits = SandboxLimits(memory_bytes=384 * MIB, processes=64, cpus=1.0)
    spec = MachineSpec(
        session=str(directory), workspace=workspace, owned=True, kept=kept, limits=limits, doors={NETWORK_PORT: answer}
    )
    async with await open_sandbox("qemu", spec) as sandbox:
        yield Opened(sandbox, workspace, kept)


def answer(sock: object) -> None:
    """Say one word at the door; never waits."""
    assert hasattr(sock, "sendall") and hasattr(sock, "close")
    with closing(sock):
        sock.sendall(b"a word")


async def test_it_says_what_it_is(machine: Opened) -> None:
    found = machine.sandbox.capabilities
    assert (found.backend, found.isolation, found.network) == ("qemu", "vm", "guarded")
    assert any("ready after" in note for note in found.notes)


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("id", b"uid=1000(agent) gid=1000(agent) groups=1000(agent)\n"),
        ("hostname; whoami; pwd; nproc", b"sandbox\nagent\n/home/agent\n1\n"),
        ("grep -c : /proc/net/dev; grep -o '^ *lo:' /proc/net/dev", b"1\n    lo:\n"),
        ("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | cut -f 2 | uniq",
         b"0000000000000000\n1\n2\n"),
        ("cat /proc/sys/user/max_user_namespaces; unshare -U true 2> /dev/null || echo no", b"0\nno\n"),
        ("for place in / /usr /dev /etc /opt/workhand .workhand; do test -w $place && echo $place; done; "
         "touch /usr/x .workhand/x 2>&1 | grep -c 'Read-only'", b"2\n"),
        ("for node in /dev/mem /dev/vport* /dev/ttyS0 /dev/port /sys; do test -e $node && echo $node; done", b""),
        ("kill -9 1; echo alive", b"alive\n"),
        ("echo x | tee /dev/full 2>&1 >/dev/null | grep -c 'No space'; head -c 3 /dev/zero | wc -c", b"1\n3\n"),
    ],
)  # fmt: skip
async def test_its_inside_is_like_that_of_other_sandboxes(machine: Opened, command: str, output: bytes) -> None:
    assert await machine.run("sh", "-c", command) == output


async def test_its_kernel_is_its_own(machine: Opened) -> None:
    taken = kernel.find(CACHE.expanduser() / "vm")
    assert await machine.run("uname", "-r") == f"{taken.version}\n".encode()
    assert taken.version != platform.release()


async def test_its_clock_is_the_hosts_to_a_second_or_two_and_goes_as_fast(machine: Opened) -> None:
    for _ in range(2):
        before = time.time()
        shown = float(await machine.run("date", "+%s.%N"))
        assert before - 2 < shown < time.time() + 2
        await machine.run("sleep", "1")


async def test_what_either_side_writes_the_other_sees(machine: Opened) -> None:
    await machine.run("sh", "-c", "echo inside > inside; mkdir folder; ln -s inside link; chmod 700 inside")
    shown = [(machine.workspace / name).lstat() for name in ("inside", "folder", "link")]
    owner = machine.workspace.stat().st_uid
    assert {found.st_uid for found in shown} == {owner} and shown[0].st_mode & 0o777 == 0o700
    assert os.readlink(machine.workspace / "link") == "inside"
    assert (machine.workspace / "inside").read_text() == "inside\n"
    for content in (b"first", b"second, longer"):
        (machine.workspace / "outside").write_bytes(content)
        (machine.kept / "late").write_bytes(content)
        assert await machine.run("cat", "outside", ".workhand/late") == content * 2
    assert await machine.run("cat", ".workhand/early") == b"early"


async def test_a_link_out_of_the_workspace_leads_nowhere_on_the_host(machine: Opened) -> None:
    secret = machine.kept.parent / "secret"
    secret.write_bytes(b"of the host")
    (machine.workspace / "way-out").symlink_to(secret)
    assert b"No such file" in await machine.run("cat", "way-out")


async def test_a_repository_and_a_database_work_in_the_workspace(machine: Opened) -> None:
    commit = "git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git log --format=%s"
    assert await machine.run("sh", "-c", f"mkdir r && cd r && {commit}") == b"x\n"
    query = "c = sqlite3.connect('db'); c.execute('pragma journal_mode=wal'); c.execute('create table t(x)')"
    assert (
        await machine.run("python3", "-c", f"import sqlite3; {query}; print(*c.execute('pragma journal_mode'))")
        == b"('wal',)\n"
    )


async def test_what_connects_inside_comes_out_at_the_door(machine: Opened) -> None:
    connect = f"import socket; print(socket.create_connection(('127.0.0.1', {NETWORK_PORT})).recv(10))"
    assert await machine.run("python3", "-c", connect) == b"b'a word'\n"


async def test_memory_and_processes_are_limited_and_the_machine_lives(machine: Opened) -> None:
    done = await machine.run("python3", "-c", "x = bytearray(1 << 30); print(len(x))")
    assert not done.startswith(b"1073741824")
    bomb = "for i in $(seq 100); do sleep 20 & done 2>&1 | grep -m 1 -o 'Resource temporarily unavailable'"
    assert b"unavailable" in await machine.run("bash", "-c", bomb)
    await machine.run("sh", "-c", "kill $(pgrep sleep)")
    assert await machine.run("echo", "alive") == b"alive\n"


@as_root
async def test_on_the_host_all_of_it_has_a_user_of_its_own(machine: Opened) -> None:
    found = running(machine.sandbox.pid)
    uids = {Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split("\n")[0] for pid in found}
    assert uids == {"\t" + "\t".join([str(machine.workspace.stat().st_uid)] * 4)}
    assert any("qemu" in Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0] for pid in found)


async def test_nothing_is_left_after_closing(tmp_path: Path) -> None:
    sandbox = await open_sandbox("qemu", MachineSpec(session="close", workspace=tmp_path, owned=True))
    processes, groups = running(sandbox.pid), groups_of(sandbox.pid)
    assert len(processes) >= 2
    await sandbox.close()
    assert still_there(processes, groups) == []


async def test_nothing_is_left_after_the_host_is_killed(tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("crash.py"))
    async with await anyio.open_process([sys.executable, script, "qemu", str(tmp_path)], stderr=None) as host:
        assert host.stdout is not None and await host.stdout.receive() == b"open\n"
        processes = running(host.pid)[1:]
        host.kill()
    assert len(processes) >= 2
    await until_gone(processes)


async def test_the_first_machine_that_is_to_use_kvm_opens_either_way_and_its_failure_is_remembered(
    tmp_path: Path,
) -> None:
    (tmp_path / "workspace").mkdir()
    spec = MachineSpec(session="trial", workspace=tmp_path / "workspace", owned=True)
    async with await open_by_trial(spec, kernel.find(CACHE.expanduser() / "vm"), tmp_path) as sandbox:
        notes = sandbox.capabilities.notes
    emulated = NOT_WORKING in notes
    assert emulated != (USED in notes) and (tmp_path / RECORD).exists() == emulated


async def test_a_machine_that_does_not_start_shows_what_its_console_said(tmp_path: Path) -> None:
    cache = CACHE.expanduser() / "vm"
    broken = tmp_path / "cache/vm" / kernel.find(cache).directory.name
    shutil.copytree(kernel.find(cache).directory, broken)
    for module in (broken / "modules").glob("*-9p.ko"):
        module.write_bytes(b"no module")
    (tmp_path / "workspace").mkdir()
    spec = MachineSpec(session="broken", workspace=tmp_path / "workspace", owned=True, cache=tmp_path / "cache")
    with pytest.raises(SandboxUnavailable, match="could not run: /bin/busybox insmod /modules/09-9p"):
        await open_sandbox("qemu", spec)
