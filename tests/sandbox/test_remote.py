"""A machine of an E2B service keeps the promises of every machine, through our service that speaks its API."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.sandbox.fake_e2b import KEY
from tests.sandbox.fake_e2b import Service as FakeService
from tests.sandbox.test_contract import (  # noqa: F401  # collected here, with the sandbox of this module
    test_a_closed_sandbox_is_lost_and_can_be_closed_again,
    test_a_program_gives_both_streams_and_its_status,
    test_a_shell_keeps_directory_variables_functions_and_jobs,
    test_after_the_sandbox_is_killed_every_call_says_that_it_is_lost,
    test_binary_content_passes_through_a_program_unchanged,
    test_files_come_back_byte_for_byte,
    test_the_environment_of_the_host_does_not_come_along,
)
from workhand.core.ports import Executed
from workhand.errors import SandboxError, SandboxLost, SandboxUnavailable
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.remote import Service, open_copy, open_e2b
from workhand.sandbox.spec import NETWORK_PORT, TRUSTED_FILE, MachineSpec
from workhand.sandbox.transfer import BYTES_MAX, Found, lay, parse, take_away

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        shutil.which("bwrap") is None or os.geteuid() != 0,
        reason="the machines of the tests need bubblewrap, and root for mounts of their own",
    ),
]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeService]:
    fake = FakeService(tmp_path / "service")
    yield fake
    fake.stop()


@pytest.fixture
def service(fake: FakeService) -> Service:
    return Service(key=KEY, url=fake.url, machine_url=fake.url)


@pytest.fixture
def spec(tmp_path: Path) -> MachineSpec:
    (tmp_path / "workspace").mkdir()
    return MachineSpec(session=str(tmp_path), workspace=tmp_path / "workspace", owned=True)


@pytest.fixture
async def sandbox(service: Service, spec: MachineSpec) -> AsyncIterator[DaemonSandbox]:
    sandbox = await open_e2b(spec, service)
    yield sandbox
    with contextlib.suppress(SandboxError):  # some tests leave none that could give anything back
        await sandbox.close()


async def run(sandbox: DaemonSandbox, script: str) -> Executed:
    return await sandbox.execute(("sh", "-c", script), timeout_s=30, output_bytes_max=1 << 20)


async def test_the_machine_is_asked_for_without_internet_on_a_lease(sandbox: DaemonSandbox, fake: FakeService) -> None:
    assert fake.made[0].asked == {
        "templateID": "base",
        "timeout": 300,
        "allow_internet_access": False,
        "autoPause": True,
    }
    given = sandbox.capabilities
    assert (given.backend, given.isolation, given.limits, given.network) == ("e2b", "remote", "rlimits", "none")
    assert all(note.endswith(".") for note in given.notes) and any("machine0" in note for note in given.notes)


async def test_commands_run_as_a_user_that_cannot_become_root(sandbox: DaemonSandbox) -> None:
    script = "pwd; id -u; grep -E 'NoNewPrivs|CapBnd' /proc/self/status; touch /opt/workhand/x || echo fixed"
    done = await run(sandbox, script)
    assert done.stdout == b"/home/agent\n1000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nfixed\n"


async def test_the_workspace_goes_there_and_comes_back(service: Service, spec: MachineSpec) -> None:
    (spec.workspace / "sub").mkdir()
    (spec.workspace / "sub" / "changed").write_bytes(bytes(range(256)))
    (spec.workspace / "sub" / "gone").write_text("gone")
    (spec.workspace / "script").write_text("old")
    os.symlink("/etc/passwd", spec.workspace / "link")
    async with await open_e2b(spec, service) as sandbox:
        assert await sandbox.read("sub/changed", bytes_max=999) == bytes(range(256))
        await run(sandbox, "rm sub/gone; printf new >> sub/changed; mkdir made; echo x > made/file; chmod 700 script")
        (spec.workspace / "late").write_text("made here meanwhile")
    found = {str(path.relative_to(spec.workspace)) for path in spec.workspace.rglob("*")}
    assert found == {"sub", "sub/changed", "script", "link", "made", "made/file", "late"}
    assert (spec.workspace / "sub" / "changed").read_bytes() == bytes(range(256)) + b"new"
    assert (spec.workspace / "script").stat().st_mode & 0o777 == 0o700
    assert os.readlink(spec.workspace / "link") == "/etc/passwd"
    owner = spec.workspace.stat().st_uid
    assert {path.lstat().st_uid for path in spec.workspace.rglob("made*")} == {owner}


async def test_only_what_changed_comes_back(service: Service, spec: MachineSpec) -> None:
    for name in ("changed", "untouched"):
        (spec.workspace / name).write_text("old")
    copy = await open_copy(spec, service)
    async with copy.sandbox as sandbox:
        (spec.workspace / "untouched").write_text("edited here meanwhile")
        await run(sandbox, "echo one > changed")
        await copy.bring_back()
        assert (spec.workspace / "changed").read_text() == "one\n"
        await run(sandbox, "touch -r changed time; echo two > changed; touch -r time changed; mkdir changed2")
        await run(sandbox, "echo two! > changed")
    assert (spec.workspace / "changed").read_text() == "two!\n" and (spec.workspace / "changed2").is_dir()
    assert (spec.workspace / "untouched").read_text() == "edited here meanwhile"


async def test_a_kind_that_changes_is_what_it_is_there(service: Service, spec: MachineSpec) -> None:
    for name in ("file-to-dir", "link-to-dir", "dir-to-file/file", "gone/deep/file"):
        (spec.workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (spec.workspace / name).write_text("old")
    script = (
        "rm -r *; mkdir file-to-dir link-to-dir; echo in > file-to-dir/x; echo in > link-to-dir/passwd;"
        "echo file > dir-to-file; mkfifo pipe; touch empty;"
        "printf 1234567 > exact; chmod 4751 exact; touch -d @1.5 exact"
    )
    async with await open_e2b(spec, service) as sandbox:
        await run(sandbox, script)
        (spec.workspace / "link-to-dir").unlink()
        (spec.workspace / "link-to-dir").symlink_to("/etc")  # as an agent may have left it
    found = {str(path.relative_to(spec.workspace)) for path in spec.workspace.rglob("*")}
    assert found == {
        "file-to-dir",
        "file-to-dir/x",
        "link-to-dir",
        "link-to-dir/passwd",
        "dir-to-file",
        "exact",
        "empty",
    }
    exact = (spec.workspace / "exact").stat()
    assert (exact.st_mode & 0o7777, exact.st_size, exact.st_mtime_ns) == (0o751, 7, 1_500_000_000)
    assert (spec.workspace / "link-to-dir" / "passwd").read_text() == "in\n"


@pytest.mark.parametrize("spoiled", ["closed", "one"])
async def test_what_cannot_come_back_is_said_and_its_machine_is_kept(
    service: Service, spec: MachineSpec, fake: FakeService, spoiled: str
) -> None:
    (spec.workspace / "here").write_text("here")
    sandbox = await open_e2b(spec, service)
    await run(sandbox, f"rm here; mkdir closed; echo x > one; echo y > two; chmod 000 {spoiled}")
    with pytest.raises(SandboxError, match=r"Nothing there is removed\. .* sandbox 'machine0'") as raised:
        await sandbox.close()
    assert list(fake.machines) == ["machine0"]
    names = {path.name for path in spec.workspace.iterdir()}
    if spoiled == "one":  # All else is here.
        assert names == {"closed", "two"} and "1 files did not come back" in str(raised.value)
    else:  # It is not known what there is: nothing has changed here.
        assert names == {"here"} and "cannot list" in str(raised.value)


async def test_a_workspace_that_does_not_arrive_leaves_no_machine(
    service: Service, spec: MachineSpec, fake: FakeService
) -> None:
    with (spec.workspace / "sparse").open("wb") as sparse:
        sparse.truncate(BYTES_MAX + 1)
    with pytest.raises(SandboxUnavailable, match="move what is not needed"):
        await open_e2b(spec, service)
    assert len(fake.made) == 1 and fake.machines == {}


def listing(name: str = "a", kind: str = "f", mode: str = "644", size: str = "1", time: str = "1.5") -> str:
    return "\0".join((name, kind, mode, size, time, "", ""))


@pytest.mark.parametrize(
    "said",
    [
        *map(listing, ("../a", "/etc/passwd", "a/../b", "a//b", ".", "")),
        *(listing(mode="rw"), listing(size="many"), listing(time="today"), "a\0f\0", "a\0f"),
    ],
)
def test_a_listing_that_names_no_place_in_a_workspace_is_refused(said: str) -> None:
    with pytest.raises(SandboxError):
        parse(listing() + said)


def test_a_listing_is_held_to_what_a_file_can_be() -> None:
    said = listing(mode="6777", size="-1", time="9" * 30) + listing(".workhand/x") + listing("p", "p")
    assert parse(said) == {"a": Found("f", 0o777, 0, 1 << 62, "")}


@pytest.mark.parametrize(("name", "link"), [("link/file", ""), ("link/below/file", ""), ("link/new", "/x")])
def test_nothing_is_laid_through_a_link(tmp_path: Path, name: str, link: str) -> None:
    (tmp_path / "outside" / "below").mkdir(parents=True)
    (tmp_path / "outside" / "file").write_text("outside")
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "link").symlink_to("../outside")
    top = os.open(tmp_path / "workspace", os.O_RDONLY)
    for gone in ("link/file", "nothing/file"):
        take_away(top, gone)
    assert os.listdir(top) == ["link"] and os.readlink("link", dir_fd=top) == "../outside"
    lay(top, name, Found("l" if link else "f", 0o644, 6, 0, link), b"inside")
    os.close(top)
    assert {path.name for path in (tmp_path / "outside").rglob("*")} == {"below", "file"}
    assert (tmp_path / "outside" / "file").read_text() == "outside"
    assert os.path.lexists(tmp_path / "workspace" / name) and not (tmp_path / "workspace" / "link").is_symlink()


async def test_what_is_kept_arrives_before_the_next_request_and_cannot_be_changed(
    service: Service, spec: MachineSpec, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    (kept / "results").mkdir(parents=True)
    (kept / "early").write_text("early")
    async with await open_e2b(replace(spec, kept=kept), service) as sandbox:
        assert await sandbox.read(".workhand/early", bytes_max=10) == b"early"
        (kept / "results" / "late").write_text("late")
        assert await sandbox.read(".workhand/results/late", bytes_max=10) == b"late"
        script = "echo x > .workhand/early || rm -f .workhand/early || mv .workhand aside || echo stays"
        assert (await run(sandbox, script)).stdout == b"stays\n"
    assert not (spec.workspace / ".workhand").exists()


async def test_connections_from_inside_come_out_at_the_door(service: Service, spec: MachineSpec) -> None:
    given: queue.Queue[socket.socket] = queue.Queue()

    def serve() -> None:
        with given.get(timeout=20) as visitor:
            visitor.settimeout(20)
            assert visitor.recv(9) == b"ping"
            visitor.sendall(b"pong")

    async with await open_e2b(replace(spec, doors={NETWORK_PORT: given.put}, trusted=b"PEM"), service) as sandbox:
        script = (
            f"import os, socket; s = socket.create_connection(('127.0.0.1', {NETWORK_PORT})); s.sendall(b'ping');"
            "print(s.recv(9).decode(), os.environ['SSL_CERT_FILE'])"
        )
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, serve)
            done = await sandbox.execute(("python3", "-c", script), timeout_s=30, output_bytes_max=1 << 20)
        assert done == Executed(0, f"pong {TRUSTED_FILE}\n".encode())
        assert await sandbox.read(TRUSTED_FILE, bytes_max=10) == b"PEM"


async def test_closing_removes_the_machine(service: Service, spec: MachineSpec, fake: FakeService) -> None:
    async with await open_e2b(spec, service) as sandbox:
        await sandbox.shell_run("main", "sleep 1000 &", timeout_s=10, output_bytes_max=10)
        assert list(fake.machines) == ["machine0"]
    assert fake.machines == {}


async def test_a_machine_whose_relay_is_killed_is_left_to_its_lease(
    service: Service, spec: MachineSpec, fake: FakeService
) -> None:
    sandbox = await open_e2b(spec, service)
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(SandboxLost):
        await run(sandbox, "sleep 100")
    with pytest.raises(SandboxError, match="keeps its files: sandbox 'machine0'"):
        await sandbox.close()
    assert list(fake.machines) == ["machine0"] and fake.made[0].asked["timeout"] == 300


OPENED_BY_A_HOST = """
import asyncio, sys
from pathlib import Path
from workhand.sandbox.remote import Service, open_e2b
from workhand.sandbox.spec import MachineSpec

async def main():
    url, workspace, key = sys.argv[1], Path(sys.argv[2]), sys.stdin.readline().strip()
    spec = MachineSpec(session="host", workspace=workspace, owned=True)
    sandbox = await open_e2b(spec, Service(key=key, url=url, machine_url=url))
    print(sandbox.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_machine_whose_host_process_is_killed_is_left_to_its_lease(spec: MachineSpec, fake: FakeService) -> None:
    argv = (sys.executable, "-c", OPENED_BY_A_HOST, fake.url, str(spec.workspace))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdin is not None and host.stdout is not None
        host.stdin.write(KEY + "\n")
        host.stdin.flush()
        relay = os.pidfd_open(int(host.stdout.readline()))
        host.kill()
    assert select.select([relay], [], [], 20) == ([relay], [], [])  # the relay ends by itself
    os.close(relay)
    assert list(fake.machines) == ["machine0"]


async def test_a_machine_that_is_removed_over_there_is_lost(
    service: Service, spec: MachineSpec, fake: FakeService
) -> None:
    sandbox = await open_e2b(spec, service)
    fake.remove("machine0")
    with pytest.raises(SandboxLost):
        await run(sandbox, "sleep 100")
    with pytest.raises(SandboxError, match="The sandbox is gone"):
        await sandbox.close()


async def test_a_wrong_key_is_refused_and_said_nowhere(service: Service, spec: MachineSpec) -> None:
    wrong = replace(service, key="e2b_secret_of_somebody")
    with pytest.raises(SandboxUnavailable) as raised:
        await open_e2b(spec, wrong)
    assert "401" in str(raised.value) and "the key (the key) is not one" in str(raised.value)
    assert "secret" not in str(raised.value) and "secret" not in repr(wrong)


async def test_the_key_is_in_no_argument_and_no_environment(sandbox: DaemonSandbox) -> None:
    shown = Path(f"/proc/{sandbox.pid}/cmdline").read_bytes() + Path(f"/proc/{sandbox.pid}/environ").read_bytes()
    assert KEY.encode() not in shown
    seen = await run(sandbox, "env; cat /proc/*/cmdline /proc/*/environ; grep -rs e2b_ /home /opt /etc /tmp || true")
    assert KEY.encode() not in seen.stdout


async def test_what_is_missing_is_said(service: Service, spec: MachineSpec, fake: FakeService) -> None:
    fake.token = None
    table = {
        service: "must give access tokens",
        replace(service, key=""): "set E2B_API_KEY",
        replace(service, url="http://127.0.0.1:1"): "opens no machine",
    }
    for wanted, words in table.items():
        with pytest.raises(SandboxUnavailable, match=words):
            await open_e2b(spec, wanted)
    assert fake.machines == {}


def test_the_service_of_these_tests_serves_the_client_of_the_real_one(fake: FakeService) -> None:
    """What we believe of the API is what its own client says."""
    e2b = pytest.importorskip("e2b", reason="E2B's client is not installed")
    options = {"api_key": KEY, "api_url": fake.url, "sandbox_url": fake.url, "http_version": "1.1"}
    machine = e2b.Sandbox.create("base", timeout=300, allow_internet_access=False, **options)
    machine.files.write_files([{"path": f"/opt/{name}", "data": b"content"} for name in "ab"], user="root")
    machine.files.write("/opt/c", b"content", user="root")
    started = machine.commands.run(
        "read line; cat /opt/a; echo $line >&2; exit 3", background=True, stdin=True, user="root"
    )
    machine.commands.send_stdin(started.pid, "typed\n")
    with pytest.raises(e2b.CommandExitException) as raised:
        started.wait()
    assert (raised.value.exit_code, raised.value.stdout, raised.value.stderr) == (3, "content", "typed\n")
    machine.set_timeout(77)
    assert fake.made[0].timeouts == [77] and fake.made[0].asked["allow_internet_access"] is False
    assert machine.kill() and fake.machines == {}
