"""A daemon that somebody has taken over can say what it likes, and harms nothing but its own machine.

Here a program stands in the daemon's place.  Whatever it says, a request on the host ends in time with
an answer of its own, an ``OSError`` or ``SandboxLost``; nothing else is raised, and nothing piles up.
"""

from __future__ import annotations

import errno
import json
import struct
import sys
import zlib
from pathlib import Path

import anyio
import pytest

from tests.sandbox.test_client import frame
from workhand.core.canonical import encode
from workhand.core.ports import Capabilities, Delta, Executed
from workhand.errors import SandboxLost
from workhand.sandbox.client import HEADER_BYTES_MAX, DaemonSandbox, start_daemon, unwound_on_failure
from workhand.sandbox.spec import Door

pytestmark = pytest.mark.anyio

ASKED = b"ten bytes."
SOON_S = 0.2
GRACE_S = 30.0  # what the client adds to the time that a request asks for
GROWTH_BYTES_MAX = 100 << 20
NUMBER = "9" * 300
NESTED = json.loads("[" * 600 + "]" * 600)
START = "import json, os, struct, sys\n"
SAY = (
    "def say(header, payload=b''):\n"
    "    text = header if isinstance(header, bytes) else json.dumps(header).encode()\n"
    "    rest = memoryview(struct.pack('>II', len(text), len(payload)) + text + payload)\n"
    "    while rest: rest = rest[os.write(1, rest):]\n"
    "def asked():\n"
    "    sizes = struct.unpack('>II', os.read(0, 8)); rest = sum(sizes)\n"
    "    while rest: rest -= len(os.read(0, rest))\n"
)


async def open_hostile(script: str, *, door: Door | None = None) -> DaemonSandbox:
    """Open a sandbox whose daemon is ready, and then this script; ``say`` is there for it."""
    code = f"{START}{SAY}say({{'ready': True}})\n{script}"
    async with unwound_on_failure() as resources:
        wire = await start_daemon(
            [sys.executable, "-I", "-S", "-c", code],
            pass_fds=(),
            environ={},
            directory="/",
            ready_s=30,
            resources=resources,
            doors={} if door is None else {0: door},
        )
        return DaemonSandbox(wire, Capabilities("hostile", "none", "none", "none"), resources)


async def open_saying(*frames: bytes) -> DaemonSandbox:
    """Open a sandbox whose daemon waits for one request, and says these bytes."""
    said = zlib.compress(b"".join(frames))  # an argument of a command cannot be long
    script = f"import zlib\nasked()\nrest = memoryview(zlib.decompress({said!r}))\n"
    return await open_hostile(script + "while rest: rest = rest[os.write(1, rest):]\nasked()")


async def ask_briefly(sandbox: DaemonSandbox) -> Executed:
    """Ask for something whose answer is not waited for."""
    return await sandbox.shell_view("main", wait_s=SOON_S - GRACE_S, output_bytes_max=10)


def raw(text: bytes) -> bytes:
    return struct.pack(">II", len(text), 0) + text


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(raw(b"[" * 500_000), id="deep lists"),
        pytest.param(raw(b'{"id":1,"a":' + b'{"a":' * 150_000), id="deep objects"),
        pytest.param(raw(b'{"id":1' + b"0" * 5_000 + b"}"), id="a number of five thousand digits"),
        pytest.param(struct.pack(">II", HEADER_BYTES_MAX + 1, 0), id="a header one byte too long"),
        pytest.param(struct.pack(">ii", -1, -1), id="negative lengths"),
        pytest.param(raw(b""), id="an empty header"),
        pytest.param(raw(b'{"id":1}{"id":1}'), id="two headers in one"),
        pytest.param(raw(b"null"), id="null"),
    ],
)
async def test_what_is_no_frame_ends_the_machine(said: bytes) -> None:
    async with await open_saying(said) as sandbox:
        with pytest.raises(SandboxLost, match="not a frame"):
            await sandbox.read("x", bytes_max=10)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([{"id": 2}, {"id": -1}, {"id": 0}, {"id": int(NUMBER)}], id="numbers nobody waits for"),
        pytest.param([{"id": 1.0}, {"id": "1"}, {"id": [1]}, {"id": None}, {"id": True}], id="what is no number"),
        pytest.param([{"id": float("nan")}, {"id": float("inf")}], id="what JSON does not have"),
        pytest.param([{"ready": True}, {"ready": False}, {"ready": {"id": 1}}], id="ready again"),
        pytest.param([{"id": 2, "live": True}, {"live": True}], id="live output of others"),
        pytest.param([{"tunnel": int(NUMBER), "event": "data", "count": 0}], id="a tunnel far away"),
        pytest.param([{"tunnel": 1, "event": "taken", "count": 1 << 70}], id="a count of no tunnel"),
        pytest.param([{"tunnel": True, "event": "open" * 10_000, "count": False}], id="an event of no name"),
        pytest.param([{"id": [{}] * 100_000}], id="a header of a hundred thousand objects"),
    ],
)
async def test_what_is_nobodys_answer_is_passed_over(headers: list[object]) -> None:
    async with await open_saying(*(frame(header, b"wrong") for header in headers), frame({"id": 1}, ASKED)) as sandbox:
        assert await sandbox.read("x", bytes_max=10) == ASKED


@pytest.mark.parametrize(
    "number", [1 << 70, 1 << 31, 99_999, 0, -1, -(1 << 70), "2", None, NESTED, {"a": 1}, 2.5, True]
)
async def test_an_error_of_no_known_number_is_an_error_of_input_and_output(number: object) -> None:
    async with await open_saying(frame({"id": 1, "errno": number, "path": "x"})) as sandbox:
        with pytest.raises(OSError) as raised:
            await sandbox.read("x", bytes_max=10)
    assert raised.value.errno == (errno.EPERM if number is True else errno.EIO)


@pytest.mark.parametrize("path", ["\ud800", "a\0b", "x" * 900_000, None, 7, NESTED, {"x": "\udfff"}])
async def test_the_path_of_an_error_can_be_written_to_the_log_and_is_short(path: object) -> None:
    async with await open_saying(frame({"id": 1, "errno": errno.ENOENT, "path": path})) as sandbox:
        with pytest.raises(FileNotFoundError) as raised:
            await sandbox.read("x", bytes_max=10)
    assert len(encode(str(raised.value.filename))) < 5_000


@pytest.mark.parametrize("found", ["\ud800", "x" * 400_000, NESTED, 7])
async def test_what_a_file_is_said_to_be_can_be_written_to_the_log_and_is_short(found: object) -> None:
    said = {"id": 1, "kind": "file", "path": found, "bytes": int(NUMBER), "digest": found}
    async with await open_saying(frame(said)) as sandbox:
        status = await sandbox.status("x", digest=True)
    assert status is not None and len(encode(status)) < 10_000


async def test_a_status_of_no_known_kind_is_none() -> None:
    for kind in ("device", ["file"], {"file": 1}, 1):
        async with await open_saying(frame({"id": 1, "kind": kind})) as sandbox:
            assert await sandbox.status("x") is None


async def test_more_than_was_asked_for_is_cut() -> None:
    async with await open_saying(frame({"id": 1}, b"x" * 11)) as sandbox:
        assert await sandbox.read("x", bytes_max=10) == b"x" * 10
    for header, wanted in (
        ({"id": 1, "exit": 0, "split": 11}, Executed(0, b"x" * 10, b"x" * 9)),
        ({"id": 1, "exit": 0, "split": 0}, Executed(0, b"", b"x" * 10)),
    ):
        async with await open_saying(frame(header, b"x" * 20)) as sandbox:
            assert await sandbox.execute(("true",), timeout_s=30, output_bytes_max=10) == wanted
    async with await open_saying(frame({"id": 1, "exit": 0}, b"x" * 20)) as sandbox:
        assert await sandbox.shell_run("a", "b", timeout_s=30, output_bytes_max=10) == Executed(0, b"x" * 10)


@pytest.mark.parametrize("status", [1 << 70, -(1 << 70), -1_000, 256, "0", [0], 1.5])
async def test_a_status_that_no_program_ends_with_is_none(status: object) -> None:
    async with await open_saying(frame({"id": 1, "exit": status})) as sandbox:
        assert await sandbox.execute(("true",), timeout_s=30, output_bytes_max=10) == Executed(None, b"")


async def test_each_request_gets_its_own_answer_in_whatever_order_they_come() -> None:
    script = (
        "asked(); asked()\n"
        "say({'id': 2}, b'two'); say({'id': 2}, b'again'); say({'id': 3}, b'early'); say({'id': 1}, b'one')\n"
        "asked(); say({'id': 3}, b'three'); asked()"
    )
    read: dict[str, bytes] = {}
    async with await open_hostile(script) as sandbox:

        async def ask(path: str) -> None:
            read[path] = await sandbox.read(path, bytes_max=10)

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "one")
            await anyio.lowlevel.checkpoint()
            group.start_soon(ask, "two")
        await ask("three")
    assert read == {"one": b"one", "two": b"two", "three": b"three"}


async def test_the_answer_to_a_cancelled_request_is_nobodys() -> None:
    script = (
        "asked(); asked(); asked()\n"
        "say({'id': 1, 'live': True}, b'late'); say({'id': 1}, b'late'); say({'id': 2}, b'own'); asked()"
    )
    seen: list[object] = []
    async with await open_hostile(script) as sandbox:
        with anyio.move_on_after(0.2):
            await sandbox.execute(("true",), timeout_s=30, output_bytes_max=10, watch=seen.append)
        assert await sandbox.read("x", bytes_max=10) == b"own"
    assert seen == []


async def test_live_output_that_is_no_text_is_replaced() -> None:
    seen: list[Delta] = []
    said = [frame({"id": 1, "live": True}, b"\xff\xfe\xed\xa0\x80"), frame({"id": 1, "exit": 0})]
    async with await open_saying(*said) as sandbox:
        await sandbox.execute(("true",), timeout_s=30, output_bytes_max=10, watch=seen.append)  # type: ignore[arg-type]
    assert encode(seen) and all(set(delta.text) == {"\ufffd"} for delta in seen)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("asked(); asked()", id="silence"),
        pytest.param("os.write(1, struct.pack('>II', 2, 1 << 28) + b'{}x'); asked(); asked()", id="half"),
        pytest.param("while True: say({'id': 99}, bytes(1 << 20))", id="answers that nobody waits for"),
        pytest.param("while True: say({'id': 1, 'live': True}, bytes(1 << 20))", id="live output"),
        pytest.param("while True: os.write(1, struct.pack('>II', 2, 0) + b'{}')", id="empty frames"),
        pytest.param("while True: say({'tunnel': 1, 'event': 'data', 'count': 0}, bytes(1 << 16))", id="tunnel data"),
        pytest.param("while True: say({'ready': 'x' * (1 << 19)})", id="ready"),
        pytest.param("while True: os.write(2, bytes(1 << 20))", id="last words"),
    ],
)
async def test_who_does_not_answer_is_lost_in_time_and_nothing_piles_up(script: str) -> None:
    before = resident_bytes()
    async with await open_hostile(script) as sandbox:
        with pytest.raises(SandboxLost, match="did not answer"):
            await ask_briefly(sandbox)
    assert resident_bytes() - before < GROWTH_BYTES_MAX


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"tunnel": -int(NUMBER), "event": "open", "count": 0}, id="tunnels that cannot be"),
        pytest.param({"tunnel": int(NUMBER), "event": "open", "count": 0}, id="tunnels without a door"),
    ],
)
async def test_who_makes_us_answer_and_does_not_read_is_lost(header: dict[str, object]) -> None:
    before = resident_bytes()
    script = f"header = json.dumps({header!r}).encode()\nwhile True: say(header)"
    async with await open_hostile(script) as sandbox:
        with pytest.raises(SandboxLost, match="does not read"), anyio.fail_after(60):
            await sandbox.shell_view("main", wait_s=30, output_bytes_max=10)
    assert resident_bytes() - before < GROWTH_BYTES_MAX


async def test_who_does_not_end_is_killed() -> None:
    sandbox = await open_hostile("import time\nwhile True: time.sleep(1000)")
    pid = sandbox.pid
    await sandbox.close()
    assert not Path(f"/proc/{pid}").exists()


def test_the_numbers_of_this_file_are_those_of_the_protocol() -> None:
    assert json.loads(NUMBER) == int(NUMBER)
