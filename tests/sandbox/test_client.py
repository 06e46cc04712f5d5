"""What comes out of a sandbox is not trusted: a daemon that misbehaves is lost, and nothing worse."""

from __future__ import annotations

import ast
import json
import struct
import sys
from pathlib import Path

import pytest

from workhand.core.ports import Capabilities, Executed
from workhand.errors import SandboxLost, SandboxUnavailable
from workhand.sandbox import inside
from workhand.sandbox.client import DaemonSandbox, start_daemon, unwound_on_failure

CAPABILITIES = Capabilities("fake", "none", "none", "none")


def frame(header: object, payload: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack(">II", len(text), len(payload)) + text + payload


async def open_fake(*frames: bytes) -> DaemonSandbox:
    """Open a sandbox whose daemon is ready, waits for one request, and says these bytes."""
    script = (
        f"import os\nos.write(1, {frame({'ready': True})!r})\nos.read(0, 65536)\n"
        f"for part in {frames!r}: os.write(1, part)\nos.read(0, 65536)"
    )
    async with unwound_on_failure() as resources:
        wire = await start_daemon(
            [sys.executable, "-I", "-S", "-c", script],
            pass_fds=(),
            environ={},
            directory="/",
            ready_s=30,
            resources=resources,
        )
        return DaemonSandbox(wire, CAPABILITIES, resources)


@pytest.mark.parametrize(
    "said",
    [
        struct.pack(">II", 0xFFFFFFFF, 0),
        struct.pack(">II", 2, 0xFFFFFFFF),
        struct.pack(">II", 4, 0) + b"nope",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"\xff\xff",
    ],
)
@pytest.mark.anyio
async def test_bytes_that_are_no_frame_end_the_sandbox(said: bytes) -> None:
    async with await open_fake(said) as sandbox:
        with pytest.raises(SandboxLost, match="not a frame"):
            await sandbox.read("x", bytes_max=1)


@pytest.mark.anyio
async def test_a_daemon_that_ends_is_lost() -> None:
    async with await open_fake(b"half a frame") as sandbox:
        with pytest.raises(SandboxLost):
            await sandbox.execute(("true",), timeout_s=1, output_bytes_max=1)
            await sandbox.execute(("true",), timeout_s=1, output_bytes_max=1)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ({"id": 1, "exit": "0", "split": -5, "dropped": None}, Executed(None, b"", b"output")),
        ({"id": 1, "exit": 0, "split": 999, "dropped": -1}, Executed(0, b"output")),
        ({"id": 1, "exit": 0, "split": [2], "dropped": 3}, Executed(0, b"", b"output", 3)),
    ],
)
@pytest.mark.anyio
async def test_claims_that_make_no_sense_are_cut_to_what_does(header: object, wanted: Executed) -> None:
    strange = [frame({"id": 99}), frame({"id": "1"}), frame({"id": 1, "live": True}, b"x"), frame({})]
    async with await open_fake(*strange, frame(header, b"output")) as sandbox:
        assert await sandbox.execute(("true",), timeout_s=30, output_bytes_max=10) == wanted


@pytest.mark.anyio
async def test_an_answer_may_come_in_pieces() -> None:
    whole = frame({"id": 1}, b"content")
    async with await open_fake(*(bytes([byte]) for byte in whole)) as sandbox:
        assert await sandbox.read("x", bytes_max=10) == b"content"


@pytest.mark.anyio
async def test_a_program_that_is_no_daemon_is_unavailable_with_its_last_words() -> None:
    for command, words in ((["sh", "-c", "echo broken >&2"], "broken"), (["true"], "ended"), (["/none"], "started")):

        async def attempt(command: list[str] = command) -> None:
            async with unwound_on_failure() as resources:
                await start_daemon(command, pass_fds=(), environ={}, directory="/", ready_s=30, resources=resources)

        with pytest.raises(SandboxUnavailable, match=words):
            await attempt()


@pytest.mark.parametrize("path", sorted(Path(inside.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_what_runs_inside_is_python_3_9_and_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom) and node.level == 0}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
