"""A machine in a container keeps the promises of every machine, through Docker's own client and our engine."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.sandbox.fake_engine import IMAGE, Engine
from tests.sandbox.test_contract import (  # noqa: F401  # collected here, with the sandbox of this module
    test_a_child_that_keeps_the_pipes_open_does_not_hold_the_answer,
    test_a_closed_sandbox_is_lost_and_can_be_closed_again,
    test_a_command_that_reads_gets_what_is_typed,
    test_a_missing_program_is_an_error_with_its_name,
    test_a_program_gives_both_streams_and_its_status,
    test_a_shell_command_is_shown_live,
    test_a_shell_keeps_directory_variables_functions_and_jobs,
    test_after_the_sandbox_is_killed_every_call_says_that_it_is_lost,
    test_binary_content_passes_through_a_program_unchanged,
    test_cancelling_an_execution_kills_it,
    test_files_come_back_byte_for_byte,
    test_programs_run_side_by_side,
    test_the_environment_of_the_host_does_not_come_along,
)
from workhand.core.ports import Executed
from workhand.errors import SandboxUnavailable
from workhand.sandbox import docker as backend
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.spec import NETWORK_PORT, TRUSTED_FILE, MachineSpec

pytest.importorskip("docker", reason="Docker's client is not installed")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="the engine of the tests needs bubblewrap"),
]

Opener = Callable[..., Awaitable[DaemonSandbox]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "engine").mkdir()
    engine = Engine(tmp_path / "engine")
    yield engine
    engine.stop()


@pytest.fixture
def spec(tmp_path: Path) -> MachineSpec:
    (tmp_path / "workspace").mkdir()
    return MachineSpec(session=str(tmp_path), workspace=tmp_path / "workspace", owned=True)


@pytest.fixture
async def sandbox(engine: Engine, spec: MachineSpec) -> AsyncIterator[DaemonSandbox]:
    async with await backend.open_docker(spec, backend.Engine(url=engine.url)) as sandbox:
        yield sandbox


async def run(sandbox: DaemonSandbox, script: str) -> Executed:
    return await sandbox.execute(("sh", "-c", script), timeout_s=30, output_bytes_max=1 << 20)


async def ended(engine: Engine) -> bool:
    """Wait until the engine has removed every container."""
    for container in tuple(engine.containers.values()):
        await anyio.to_thread.run_sync(container.removed.wait, 20)
    return not engine.containers


async def test_the_container_is_asked_for_as_tightly_as_the_engine_can(engine: Engine, spec: MachineSpec) -> None:
    limits = SandboxLimits(processes=7, memory_bytes=1 << 28, cpus=0.5, tmp_bytes=1 << 20)
    async with await backend.open_docker(replace(spec, limits=limits), backend.Engine(url=engine.url)) as sandbox:
        assert sandbox.capabilities.backend == "docker" and sandbox.capabilities.isolation == "namespace"
        assert (sandbox.capabilities.limits, sandbox.capabilities.network) == ("cgroup v2", "none")
        assert all(note.endswith(".") for note in sandbox.capabilities.notes)
    (wanted,) = engine.made
    held = wanted["HostConfig"]
    assert {name: held[name] for name in ("NetworkMode", "ReadonlyRootfs", "CapDrop", "SecurityOpt", "AutoRemove")} == {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "AutoRemove": True,
    }
    assert (held["PidsLimit"], held["Memory"], held["MemorySwap"], held["NanoCpus"]) == (7, 1 << 28, 1 << 28, 500000000)
    assert (held["ShmSize"], held["LogConfig"]["Type"]) == (1 << 25, "none")  # frames must not fill the engine's disk
    assert "size=1048576" in held["Tmpfs"]["/tmp"]
    assert (wanted["StdinOnce"], wanted["Tty"], wanted["User"].split(":")[0] == "0") == (True, False, False)


async def test_it_runs_in_the_workspace_with_a_read_only_system_and_no_network(
    sandbox: DaemonSandbox, spec: MachineSpec
) -> None:
    script = "pwd; echo made > file; touch /etc/x /opt/workhand/x 2>/dev/null || echo fixed; grep -c : /proc/net/dev"
    assert await run(sandbox, script) == Executed(0, b"/home/agent\nfixed\n1\n")
    assert (spec.workspace / "file").read_text() == "made\n"
    assert sorted(path.name for path in spec.workspace.iterdir()) == ["file"]


async def test_what_is_kept_is_shown_and_cannot_be_changed(engine: Engine, spec: MachineSpec, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    kept.chmod(0o777)
    async with await backend.open_docker(replace(spec, kept=kept), backend.Engine(url=engine.url)) as sandbox:
        (kept / "late").write_text("late")
        assert await sandbox.read(".workhand/late", bytes_max=10) == b"late"
        with pytest.raises(OSError):
            await sandbox.write(".workhand/late", b"other")
        assert (await run(sandbox, "mv .workhand x 2>/dev/null || echo stays")).stdout == b"stays\n"


async def test_connections_from_inside_come_out_at_the_door(engine: Engine, spec: MachineSpec) -> None:
    given: queue.Queue[socket.socket] = queue.Queue()

    def serve() -> None:
        with given.get(timeout=20) as visitor:
            visitor.settimeout(20)
            assert visitor.recv(9) == b"ping"
            visitor.sendall(b"pong")

    spec = replace(spec, doors={NETWORK_PORT: given.put}, trusted=b"PEM")
    async with await backend.open_docker(spec, backend.Engine(url=engine.url)) as sandbox:
        script = (
            f"import os, socket; s = socket.create_connection(('127.0.0.1', {NETWORK_PORT})); s.sendall(b'ping');"
            "print(s.recv(9).decode(), os.environ['SSL_CERT_FILE'])"
        )
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, serve)
            done = await sandbox.execute(("python3", "-c", script), timeout_s=30, output_bytes_max=1 << 20)
        assert done == Executed(0, f"pong {TRUSTED_FILE}\n".encode())
        assert await sandbox.read(TRUSTED_FILE, bytes_max=10) == b"PEM"


async def test_closing_removes_the_container(engine: Engine, spec: MachineSpec) -> None:
    async with await backend.open_docker(spec, backend.Engine(url=engine.url)) as sandbox:
        await sandbox.shell_run("main", "sleep 1000 &", timeout_s=10, output_bytes_max=10)
        assert len(engine.containers) == 1
    assert engine.containers == {}


async def test_a_container_that_cannot_be_started_is_removed(engine: Engine, spec: MachineSpec) -> None:
    engine.broken = True
    with pytest.raises(SandboxUnavailable, match="cannot start it"):
        await backend.open_docker(spec, backend.Engine(url=engine.url))
    assert (len(engine.made), engine.containers) == (1, {})


async def test_a_container_ends_when_its_relay_is_killed(engine: Engine, spec: MachineSpec) -> None:
    async with await backend.open_docker(spec, backend.Engine(url=engine.url)) as sandbox:
        await sandbox.shell_run("main", "sleep 1000 &", timeout_s=10, output_bytes_max=10)
        os.kill(sandbox.pid, signal.SIGKILL)
        assert await ended(engine)


async def test_what_a_relay_left_behind_is_swept_and_what_is_others_is_not(engine: Engine, spec: MachineSpec) -> None:
    async with await backend.open_docker(spec, backend.Engine(url=engine.url)) as sandbox:
        (own,) = engine.containers.values()
        place = own.wanted["Labels"]["workhand.holder"].rpartition("/")[0]
        assert own.wanted["Labels"]["workhand.holder"].startswith(f"{place}/{sandbox.pid}@")
        holders = (f"{place}/{sandbox.pid}@1", "elsewhere/1@1")
        for name, holder in zip(("left", "other"), holders, strict=True):
            wanted = {**own.wanted, "Labels": {"workhand.holder": holder}}
            engine.containers[name] = type(own)(name, wanted, engine.directory / name)
        second = replace(spec, session="second")
        async with await backend.open_docker(second, backend.Engine(url=engine.url)):
            assert set(engine.containers) == {own.identity, "other", f"{4:064x}"[:-1] + "2"}


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"SecurityOptions": ["name=apparmor"]}, "filters no system calls"),
        ({"SecurityOptions": ["name=seccomp,profile=unconfined"]}, "filters no system calls"),
        ({"PidsLimit": False}, "PidsLimit"),
        ({"MemoryLimit": False}, "MemoryLimit"),
    ],
)
async def test_an_engine_that_cannot_hold_a_machine_is_refused(
    engine: Engine, spec: MachineSpec, info: dict[str, object], words: str
) -> None:
    engine.info.update(info)
    with pytest.raises(SandboxUnavailable, match=words):
        await backend.open_docker(spec, backend.Engine(url=engine.url))
    assert engine.made == []


async def test_what_is_missing_is_named_with_what_brings_it(engine: Engine, spec: MachineSpec, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
    table = {
        backend.Engine(url=engine.url, image="none:1"): "`docker pull none:1`",
        backend.Engine(url=f"unix://{tmp_path}/nothing"): "`apt-get install docker.io`",
        backend.Engine(url=f"unix://{tmp_path}/left"): "is it running",
        backend.Engine(url="tcp://127.0.0.1:1"): "give a unix:// address",
    }
    for wanted, words in table.items():
        with pytest.raises(SandboxUnavailable, match=words):
            await backend.open_docker(spec, wanted)
    assert engine.containers == {} and backend.Engine().image == IMAGE


async def test_an_engine_that_sees_other_files_is_refused(engine: Engine, spec: MachineSpec, tmp_path: Path) -> None:
    """As from within a container that was given the engine's socket, or with users mapped."""
    (tmp_path / "elsewhere").mkdir()
    engine.moved = {str(spec.workspace): str(tmp_path / "elsewhere")}
    with pytest.raises(SandboxUnavailable, match="does not share the workspace"):
        await backend.open_docker(spec, backend.Engine(url=engine.url))
    assert await ended(engine)


async def test_settings_are_in_no_argument_and_no_environment(sandbox: DaemonSandbox) -> None:
    shown = Path(f"/proc/{sandbox.pid}/cmdline").read_bytes() + Path(f"/proc/{sandbox.pid}/environ").read_bytes()
    assert b"unix://" not in shown and json.dumps("image").encode() not in shown
