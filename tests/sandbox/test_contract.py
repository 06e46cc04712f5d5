"""Every sandbox keeps the same promises, whatever holds it."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from contextlib import suppress

import anyio
import pytest

from tests.sandbox.conftest import Opener
from workhand.core.ports import Delta, Executed, FileStatus
from workhand.errors import SandboxLost
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import Kind

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
GONE = """pid=$(cat "$1") || exit 2  # the process whose number is in a file
for i in $(seq 500); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.01; done; exit 1"""
ROOM = 1 << 20


async def run(sandbox: DaemonSandbox, *argv: str, stdin: bytes = b"") -> Executed:
    return await sandbox.execute(argv, stdin=stdin, timeout_s=LIMIT_S, output_bytes_max=ROOM)


async def shell(sandbox: DaemonSandbox, command: str, *, name: str = "main", timeout_s: float = LIMIT_S) -> Executed:
    return await sandbox.shell_run(name, command, timeout_s=timeout_s, output_bytes_max=ROOM)


async def shell_until(sandbox: DaemonSandbox, command: str, end: bytes) -> bytes:
    """What a command that goes on had written when its output first ended so."""
    done = await shell(sandbox, command, timeout_s=0.5)
    said = done.stdout
    with anyio.fail_after(LIMIT_S):
        while not said.endswith(end):  # which takes an emulated machine its time
            assert done.exit_code is None
            done = await sandbox.shell_view("main", wait_s=0.5, output_bytes_max=ROOM)
            said += done.stdout
    assert done.exit_code is None
    return said


async def written(sandbox: DaemonSandbox, path: str) -> None:
    """Wait until there is something in a file."""
    with anyio.fail_after(LIMIT_S):
        while True:
            with suppress(FileNotFoundError):
                if await sandbox.read(path, bytes_max=1):
                    return
            await anyio.sleep(0.02)


async def test_a_program_gives_both_streams_and_its_status(sandbox: DaemonSandbox) -> None:
    assert await run(sandbox, "sh", "-c", "echo out; echo err >&2; exit 3") == Executed(3, b"out\n", b"err\n")


async def test_a_program_ended_by_a_signal_says_which(sandbox: DaemonSandbox) -> None:
    assert (await run(sandbox, "sh", "-c", "kill -9 $$")).exit_code == -signal.SIGKILL


async def test_binary_content_passes_through_a_program_unchanged(sandbox: DaemonSandbox) -> None:
    content = bytes(range(256)) * 4_000
    assert (await run(sandbox, "cat", stdin=content)).stdout == content


async def test_a_program_need_not_read_its_input(sandbox: DaemonSandbox) -> None:
    assert await run(sandbox, "true", stdin=bytes(1 << 20)) == Executed(0, b"")


async def test_a_missing_program_is_an_error_with_its_name(sandbox: DaemonSandbox) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        await run(sandbox, "no-such-program")
    assert raised.value.filename == "no-such-program"


@pytest.mark.parametrize("argv", [(), ("",), ("echo", "a\0b")])
async def test_a_command_that_cannot_be_one_is_an_error(sandbox: DaemonSandbox, argv: tuple[str, ...]) -> None:
    with pytest.raises(OSError):
        await run(sandbox, *argv)


async def test_past_its_time_limit_the_whole_group_is_killed(sandbox: DaemonSandbox) -> None:
    script = "sleep 1000 & echo $! > child; wait"
    done = await sandbox.execute(("sh", "-c", script), timeout_s=3, output_bytes_max=ROOM)
    assert done.exit_code is None
    assert (await run(sandbox, "sh", "-c", GONE, "sh", "child")).exit_code == 0


async def test_a_child_that_keeps_the_pipes_open_does_not_hold_the_answer(sandbox: DaemonSandbox) -> None:
    assert await run(sandbox, "sh", "-c", "sleep 1000 & echo started") == Executed(0, b"started\n")


async def test_long_output_keeps_its_head_and_tail_and_counts_the_rest(sandbox: DaemonSandbox) -> None:
    script = "echo first; head -c 10000000 /dev/zero; echo last"
    done = await sandbox.execute(("sh", "-c", script), timeout_s=LIMIT_S, output_bytes_max=1_000)
    assert (len(done.stdout), done.stdout[:6], done.stdout[-5:]) == (1_000, b"first\n", b"last\n")
    assert done.dropped_bytes == 10_000_000 + 6 + 5 - 1_000


async def test_output_is_shown_live_and_whole_characters_at_a_time(sandbox: DaemonSandbox) -> None:
    seen: list[str] = []

    def watch(delta: object) -> None:
        assert isinstance(delta, Delta) and delta.source == "output"
        seen.append(delta.text)

    script = r"printf 'h\303'; sleep 0.2; printf '\251 end'"
    await sandbox.execute(("sh", "-c", script), timeout_s=LIMIT_S, output_bytes_max=ROOM, watch=watch)
    assert seen[0] == "h" and "".join(seen) == "hé end"


async def test_cancelling_an_execution_kills_it(sandbox: DaemonSandbox) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(run, sandbox, "sh", "-c", "echo $$ > pid; exec sleep 1000")
        await written(sandbox, "pid")
        group.cancel_scope.cancel()
    assert (await run(sandbox, "sh", "-c", GONE, "sh", "pid")).exit_code == 0


async def test_programs_run_side_by_side(sandbox: DaemonSandbox) -> None:
    async def meet(own: str, other: str) -> None:
        script = f"touch {own}; until [ -e {other} ]; do sleep 0.01; done"
        assert (await run(sandbox, "sh", "-c", script)).exit_code == 0

    async with anyio.create_task_group() as group:
        group.start_soon(meet, "one", "two")
        group.start_soon(meet, "two", "one")


async def test_the_environment_of_the_host_does_not_come_along(sandbox: DaemonSandbox) -> None:
    done = await run(sandbox, "env")
    names = {line.partition("=")[0] for line in done.stdout.decode().splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "TERM", "PAGER", "USER", "PWD"}


async def test_a_program_that_was_installed_in_the_home_is_found(sandbox: DaemonSandbox) -> None:
    place = "mkdir -p ~/.local/bin; printf '#!/bin/sh\necho found' > ~/.local/bin/bolts; chmod +x ~/.local/bin/bolts"
    went = await sandbox.shell_run("main", f"{place}; bolts", timeout_s=30, output_bytes_max=1_000)
    assert went.stdout == b"found\n"


async def test_the_unsafe_kind_takes_home_from_the_environment(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user may have no entry in the system's list of users."""
    monkeypatch.setenv("HOME", "/somewhere")
    done = await run(await opener("unsafe"), "sh", "-c", "echo $HOME")
    assert done.stdout == b"/somewhere\n"


async def test_a_shell_keeps_directory_variables_functions_and_jobs(sandbox: DaemonSandbox) -> None:
    await shell(sandbox, "mkdir sub; cd sub; export A=1; B=2; f() { echo f$1; }; (exit 7)")
    done = await shell(sandbox, "echo $?; basename $PWD; echo $A $B; f x")
    assert done == Executed(0, b"7\nsub\n1 2\nfx\n")
    await shell(sandbox, "sleep 1000 & echo $! > pid")
    assert (await shell(sandbox, "kill -0 $(cat pid) && jobs | grep -c sleep")).stdout == b"1\n"


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("echo a\necho b", b"a\nb\n"),
        ("cat <<'END'\n$x 'y' \"z\"\nEND", b"$x 'y' \"z\"\n"),
        ("for i in 1 2; do\n  echo $i\ndone", b"1\n2\n"),
        ("echo 'it'\\''s'; echo \"a!b\"", b"it's\na!b\n"),
        ("echo hello # a comment", b"hello\n"),
        ("", b""),
        ("# nothing", b""),
        ("printf 'no newline'", b"no newline"),
        ("printf 'a\\r\\n\\tb\\n'", b"a\r\n\tb\n"),
        ("cat /dev/null; read -t 0 || echo idle", b"idle\n"),
        ("printf '\\036\\377\\xc3\\x28\\036 0\\036'", b"\x1e\xff\xc3(\x1e 0\x1e"),
        ("echo grüße 漢字 🙂", "grüße 漢字 🙂\n".encode()),
        ("set -- a b; echo $2", b"b\n"),
        ("PS1='prompt '; export PS1", b""),
        ("stty echo onlcr opost; printf 'x\\n'", b"x\r\n"),
    ],
)
async def test_a_shell_shows_what_a_command_wrote(sandbox: DaemonSandbox, command: str, output: bytes) -> None:
    assert await shell(sandbox, command) == Executed(0, output)
    assert await shell(sandbox, "echo after") == Executed(0, b"after\n")


async def test_a_shell_finds_its_way_back_to_the_terminal(sandbox: DaemonSandbox, kind: Kind) -> None:
    done = await shell(sandbox, "exec >/dev/null; echo hidden; exec >/dev/tty; echo shown")
    assert done.stdout == (b"bash: /dev/tty: Input/output error\n" if kind == "gvisor" else b"shown\n")
    assert await shell(sandbox, "exec >$(tty); echo after") == Executed(0, b"after\n")


async def test_a_very_long_command_runs_whole(sandbox: DaemonSandbox) -> None:
    text = "x" * 300_000
    assert await shell(sandbox, f"a='{text}'; echo ${{#a}}") == Executed(0, b"300000\n")


@pytest.mark.parametrize("command", ["if", "echo 'open", "cat <(", "break", "return 3", "${x?unset}", "set -u; $nope"])
async def test_a_broken_command_leaves_the_shell_usable(sandbox: DaemonSandbox, command: str) -> None:
    await shell(sandbox, command)
    assert await shell(sandbox, "echo after") == Executed(0, b"after\n")


async def test_a_command_that_reads_gets_what_is_typed(sandbox: DaemonSandbox) -> None:
    command = "read -p 'name? ' name; echo hello $name; exit_code=5; (exit 5)"
    assert await shell_until(sandbox, command, b"? ") == b"name? "
    await sandbox.shell_input("main", "Ada\n")
    assert await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM) == Executed(5, b"hello Ada\n")


async def test_python_can_be_used_interactively(sandbox: DaemonSandbox) -> None:
    await shell_until(sandbox, "python3 -q", b">>> ")
    await sandbox.shell_input("main", "print(6 * 7)\nexit(4)\n")
    done = await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.exit_code == 4 and b"42\n" in done.stdout


async def test_control_c_works_though_the_host_ignores_it(kind: Kind, opener: Opener) -> None:
    """A shell script starts what runs in its background so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sandbox = await opener(kind)
    finally:
        signal.signal(signal.SIGINT, before)
    await shell(sandbox, "true")  # the shell has started: what is typed before is thrown away with the signal
    await shell_until(sandbox, "echo on; sleep 600", b"on\n")
    await sandbox.shell_input("main", "\x03")
    assert (await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM)).exit_code == 128 + signal.SIGINT


async def test_past_its_time_limit_a_shell_command_goes_on(sandbox: DaemonSandbox) -> None:
    command = "echo one; until [ -e go ]; do sleep 0.01; done; echo two"
    assert await shell_until(sandbox, command, b"\n") == b"one\n"
    with pytest.raises(OSError) as raised:
        await shell(sandbox, "echo three")
    assert raised.value.errno == errno.EBUSY
    assert (await sandbox.shell_view("main", wait_s=0, output_bytes_max=ROOM)).exit_code is None
    await sandbox.write("go", b"")
    assert await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM) == Executed(0, b"two\n")
    assert await shell(sandbox, "echo three") == Executed(0, b"three\n")


async def test_control_c_interrupts_a_loop_and_keeps_the_shell(sandbox: DaemonSandbox) -> None:
    await shell(sandbox, "A=kept")
    loop = "echo on; while true; do true; done"  # between two programs it could miss the signal
    await shell_until(sandbox, loop, b"on\n")
    await sandbox.shell_input("main", "\x03")
    done = await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM)
    assert done.exit_code == 128 + signal.SIGINT
    assert await shell(sandbox, "echo $A") == Executed(0, b"kept\n")


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -9 $$", -9), ("exec true", 0)])
async def test_the_end_of_a_shell_is_reported_and_the_next_is_fresh(
    sandbox: DaemonSandbox, command: str, status: int
) -> None:
    await shell(sandbox, "A=1")
    done = await shell(sandbox, f"echo last words; {command}")
    assert done.exit_code == status
    said = b"exit\n" if command == "exit 3" else b""  # by bash itself
    assert done.stdout.startswith(b"last words\n%s[the shell ended with status %d; " % (said, status))
    assert await shell(sandbox, "echo fresh $A") == Executed(0, b"fresh\n")


async def test_a_shell_that_ends_behind_our_back_is_reported_by_the_next_command(sandbox: DaemonSandbox) -> None:
    await shell(sandbox, "(sleep 0.2; kill -9 $$) & ")
    await run(sandbox, "sleep", "1")
    done = await shell(sandbox, "echo fresh")
    assert done.exit_code == 0
    assert b"[the shell ended with status -9" in done.stdout and done.stdout.endswith(b"fresh\n")


async def test_no_output_can_forge_the_end_of_a_command(sandbox: DaemonSandbox) -> None:
    everything = "set -x; set; declare -p; declare -f; export -p; env; cat /dev/fd/199; cat /proc/$$/cmdline; trap -p"
    done = await shell(sandbox, f"{{ {everything}; }} > shown 2>&1; set +x; cat shown; sleep 0.3; echo end; (exit 9)")
    assert done.exit_code == 9 and done.stdout.endswith(b"end\n")


async def test_shells_are_apart(sandbox: DaemonSandbox) -> None:
    await shell(sandbox, "A=1; cd /", name="one")
    await shell(sandbox, "A=2", name="two")
    assert (await shell(sandbox, "echo $A $PWD", name="one")).stdout == b"1 /\n"


async def test_a_shell_that_was_never_used_cannot_be_viewed(sandbox: DaemonSandbox) -> None:
    with pytest.raises(FileNotFoundError):
        await sandbox.shell_view("nobody", wait_s=0, output_bytes_max=ROOM)
    with pytest.raises(FileNotFoundError):
        await sandbox.shell_input("nobody", "x")


async def test_the_number_of_shells_is_bounded(sandbox: DaemonSandbox) -> None:
    for number in range(16):
        await shell(sandbox, "true", name=f"shell {number}")
    with pytest.raises(OSError) as raised:
        await shell(sandbox, "true", name="one more")
    assert raised.value.errno == errno.EMFILE


async def test_the_output_of_a_shell_is_bounded_too(sandbox: DaemonSandbox) -> None:
    command = "echo first; head -c 10000000 /dev/zero; echo last"
    done = await sandbox.shell_run("main", command, timeout_s=LIMIT_S, output_bytes_max=1_000)
    assert (len(done.stdout), done.stdout[:6], done.stdout[-5:]) == (1_000, b"first\n", b"last\n")
    assert done.dropped_bytes == 10_000_000 + 6 + 5 - 1_000


async def test_a_shell_command_is_shown_live(sandbox: DaemonSandbox) -> None:
    seen: list[str] = []
    ended: list[Executed] = []
    shown = anyio.Event()

    def watch(delta: object) -> None:
        assert isinstance(delta, Delta)
        seen.append(delta.text)
        shown.set()

    command = "echo one; until [ -e go ]; do sleep 0.01; done; echo two"
    async with anyio.create_task_group() as group:

        async def follow() -> None:
            ended.append(
                await sandbox.shell_run("main", command, timeout_s=LIMIT_S, output_bytes_max=ROOM, watch=watch)
            )

        group.start_soon(follow)
        with anyio.fail_after(LIMIT_S):
            await shown.wait()
        assert (seen, ended) == (["one\n"], [])
        await sandbox.write("go", b"")
    assert "".join(seen) == "one\ntwo\n" and ended == [Executed(0, b"one\ntwo\n")]


async def test_cancelling_a_shell_command_only_stops_waiting(sandbox: DaemonSandbox) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(shell, sandbox, "echo > begun; until [ -e go ]; do sleep 0.01; done; echo went on")
        await written(sandbox, "begun")
        group.cancel_scope.cancel()
    await sandbox.write("go", b"")
    assert (await sandbox.shell_view("main", wait_s=LIMIT_S, output_bytes_max=ROOM)).stdout == b"went on\n"


async def test_files_come_back_byte_for_byte(sandbox: DaemonSandbox) -> None:
    content = bytes(range(256)) * 20_000
    await sandbox.write("made/on the way/ü.bin", content)
    assert await sandbox.read("made/on the way/ü.bin", bytes_max=len(content) + 1) == content
    assert await sandbox.read("made/on the way/ü.bin", offset=257, bytes_max=3) == b"\x01\x02\x03"
    assert await sandbox.read("made/on the way/ü.bin", offset=len(content), bytes_max=3) == b""


async def test_writing_replaces_through_links_keeps_modes_and_leaves_nothing_beside(sandbox: DaemonSandbox) -> None:
    await sandbox.write("script", b"old")
    await run(sandbox, "sh", "-c", "chmod 750 script; ln -s script link")
    await sandbox.write("link", b"new")
    shown = await run(sandbox, "sh", "-c", "stat -c '%a %F' script link; cat script; ls -A | sort")
    assert shown.stdout == b"750 regular file\n777 symbolic link\nnewlink\nscript\n"


async def test_status_describes_files_directories_others_and_nothing(sandbox: DaemonSandbox) -> None:
    await sandbox.write("dir/file", b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert await sandbox.status("dir/../dir/file") == FileStatus("dir/file", "file", 3)
    assert await sandbox.status("dir/file", digest=True) == FileStatus("dir/file", "file", 3, digest)
    workspace = (await run(sandbox, "pwd")).stdout.decode().strip()
    assert await sandbox.status(f"{workspace}/dir/file") == FileStatus("dir/file", "file", 3)
    found = [await sandbox.status(path) for path in ("dir", "/dev/null", "nothing", "dir/file/below", "/usr")]
    assert [status and (status.path, status.kind) for status in found] == [
        ("dir", "directory"),
        ("/dev/null", "other"),
        None,
        None,
        ("/usr", "directory"),
    ]


async def test_files_that_cannot_be_read_or_written_say_why(sandbox: DaemonSandbox) -> None:
    await sandbox.write("file", b"")
    await run(sandbox, "sh", "-c", "mkdir dir; ln -s loop loop")
    wanted = {"nothing": errno.ENOENT, "dir": errno.EISDIR, "/dev/null": errno.EINVAL, "file/x": errno.ENOTDIR}
    for path, number in wanted.items():
        with pytest.raises(OSError) as raised:
            await sandbox.read(path, bytes_max=10)
        assert (raised.value.errno, raised.value.filename) == (number, path)
    for path in ("dir", "file/x"):
        with pytest.raises(OSError) as raised:
            await sandbox.write(path, b"x")
        assert raised.value.filename == path


async def test_nobody_waits_for_the_other_end_of_a_named_pipe(sandbox: DaemonSandbox) -> None:
    """It is made where there is memory: not every machine can make one in its workspace."""
    place = (await run(sandbox, "sh", "-c", "mktemp -d /dev/shm/pipe-XXXXXX")).stdout.decode().strip()
    await run(sandbox, "mkfifo", f"{place}/pipe")
    found = await sandbox.status(f"{place}/pipe")
    with pytest.raises(OSError) as raised:
        await sandbox.read(f"{place}/pipe", bytes_max=10)
    await run(sandbox, "rm", "-r", place)
    assert found == FileStatus(f"{place}/pipe", "other", 0) and raised.value.errno == errno.EINVAL


async def test_after_the_sandbox_is_killed_every_call_says_that_it_is_lost(sandbox: DaemonSandbox) -> None:
    async with anyio.create_task_group() as group:

        async def wait_in_vain() -> None:
            with pytest.raises(SandboxLost):
                await run(sandbox, "sleep", "1000")

        group.start_soon(wait_in_vain)
        await sandbox.write("file", b"")
        os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(SandboxLost):
        await sandbox.read("file", bytes_max=1)
    with pytest.raises(SandboxLost):
        await shell(sandbox, "true")


async def test_a_closed_sandbox_is_lost_and_can_be_closed_again(sandbox: DaemonSandbox) -> None:
    await sandbox.close()
    await sandbox.close()
    with pytest.raises(SandboxLost):
        await run(sandbox, "true")
