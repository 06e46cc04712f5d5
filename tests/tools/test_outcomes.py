"""What calls bring, in a machine that is real: compact forms that lead back, and files that are no text."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from workhand.agents import executor
from workhand.core.canonical import Json, digest, encode
from workhand.core.events import ToolCall
from workhand.core.ports import Outcome, Sandbox
from workhand.core.preview.media import kind_of
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import MachineSpec
from workhand.tools.folder import Folder
from workhand.tools.printing import prints_kept
from workhand.tools.toolbox import SandboxToolbox

pytestmark = pytest.mark.anyio

COMPACT_CHARS_MAX = 130  # about 30 tokens
DEEP = "a-directory-with-a-long-name/" * 5 + "file.txt"


class Machine:
    """A toolbox over a bare process, with its workspace."""

    def __init__(self, directory: Path) -> None:
        self.workspace = directory
        self.toolbox = SandboxToolbox(executor.policy("x:y", seed=""), self.open, self.deliver, self.folder)

    @property
    def folder(self) -> Folder:
        return Folder(self.workspace / ".workhand")

    async def open(self) -> Sandbox:
        return await open_sandbox(
            "unsafe", MachineSpec(session=str(self.workspace), workspace=self.workspace, owned=True)
        )

    async def deliver(self, path: str, content: bytes) -> None:
        raise AssertionError(path)

    async def __call__(self, tool: str, **arguments: Json) -> Outcome:
        call = ToolCall("c1", tool, encode(arguments).decode())
        return await self.toolbox.run(call, lambda seen: None)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    await machine.toolbox.aclose()


@pytest.mark.parametrize(
    ("tool", "arguments", "compact"),
    [
        ("file_read", {"path": "a.txt", "offset": 2, "limit": 2}, "file_read a.txt lines 2-3 of 1,000"),
        (
            "file_write",
            {"path": "b.txt", "content": "one\n"},
            f"file_write b.txt: 4 bytes, sha256 {digest(b'one' + bytes([10]))[:12]}",
        ),
        (
            "file_edit",
            {"path": "a.txt", "old": "\n999\n", "new": "\n"},
            "file_edit a.txt: 1 place, -4 bytes, 3,886 in all",
        ),
        ("file_find", {"regex": "99$", "glob": "*.txt"}, "file_find '99$' in *.txt under .: 10 lines found"),
        ("file_find", {"glob": "*.txt"}, "file_find files *.txt under .: 1 file found"),
        ("shell_run", {"command": "echo  one;\nexit 3"}, "shell_run echo one; exit 3: exit 3"),
        ("shell_run", {"command": "echo " + "x" * 500}, f"shell_run echo {'x' * 66}…: exit 0"),
        ("shell_run", {"command": "sleep 30", "timeout_s": 1}, "shell_run sleep 30: still running"),
    ],
)  # fmt: skip
async def test_a_compact_form_is_the_call_in_a_few_words_and_its_handle(
    machine: Machine, tool: str, arguments: dict[str, Json], compact: str
) -> None:
    (machine.workspace / "a.txt").write_text("".join(f"{number}\n" for number in range(1_000)))
    outcome = await machine(tool, **arguments)
    assert outcome.compact == compact


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("file_write", {"path": DEEP, "content": "x\n" * 10_000}),
        ("file_read", {"path": DEEP}),
        ("file_edit", {"path": DEEP, "old": "x", "new": "yy", "every": True}),
        ("file_find", {"path": DEEP, "regex": "(x|y)" * 50}),
        ("shell_run", {"command": f"cat {DEEP} | head -c 10"}),
    ],
)
async def test_compact_forms_are_short_whatever_was_called(
    machine: Machine, tool: str, arguments: dict[str, Json]
) -> None:
    (machine.workspace / DEEP).parent.mkdir(parents=True)
    (machine.workspace / DEEP).write_text("x\n" * 12_345)
    outcome = await machine(tool, **arguments)
    assert outcome.ok
    assert len(outcome.compact) <= COMPACT_CHARS_MAX


def picture(form: str, **options: object) -> bytes:
    """Encode a real picture of 321x123 pixels."""
    content = io.BytesIO()
    Image.new("RGB", (321, 123), "red").save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (picture("PNG"), "PNG image, 321 x 123 pixels"),
        (picture("JPEG"), "JPEG image, 321 x 123 pixels"),
        (picture("JPEG", progressive=True), "JPEG image, 321 x 123 pixels"),
        (picture("GIF"), "GIF image, 321 x 123 pixels"),
        (picture("WEBP"), "WebP image, 321 x 123 pixels"),
        (picture("WEBP", lossless=True), "WebP image, 321 x 123 pixels"),
        (picture("WEBP", exif=b"Exif\0\0"), "WebP image, 321 x 123 pixels"),
        (picture("PNG")[:18], "PNG image"),
        (picture("JPEG")[:30], "JPEG image"),
        (picture("WEBP")[:27], "WebP image"),
        (b"\xff\xd8\xff\xff\xff\xff", "JPEG image"),
        (b"%PDF-1.7\n", "PDF document"),
        (b"PK\x03\x04...", "zip archive"),
        (b"a\0b", "binary data"),
        (b"BM is how a text may begin", ""),
        (b"BM\0\0", "BMP image"),
        (b"text", ""),
        ("Grüße\n".encode("latin-1"), ""),
        (b"", ""),
    ],
)
def test_a_file_is_known_by_its_first_bytes(content: bytes, kind: str) -> None:
    assert kind_of(content) == kind


async def test_a_picture_is_described_and_kept_rather_than_refused(machine: Machine) -> None:
    content = picture("PNG")
    (machine.workspace / "a picture.png").write_bytes(content)
    outcome = await machine("file_read", path="a picture.png")
    said = f"a picture.png: PNG image, 321 x 123 pixels, {len(content):,} bytes"
    assert outcome == Outcome(
        f"{said}. It is no text; a program in shell_run can look into it: python3, or xxd 'a picture.png' | head",
        f"file_read {said}",
        content,
        as_is=True,
        hidden=True,
    )


@pytest.mark.parametrize(
    "command",
    [
        "cat .workhand/results/c5-shell_run.txt",
        "  cat ./.workhand/progress.md ",
        "cat /home/agent/.workhand/calls/c1.json",
        "head -n 20 .workhand/results/x.txt",
        "head -50 .workhand/results/x.txt",
        "tail -n +100 .workhand/results/x.txt",
        "sed -n 10,20p .workhand/results/x.txt",
        "sed -n '10,$p' .workhand/results/x.txt",
        "grep -n error .workhand/results/x.txt",
        "grep -nE -A 3 '^(a|b);$' .workhand/history/9.md",
        "grep -rn error .workhand/results/",
        "cat '.workhand/results/c 5.txt'",
    ],
)
def test_a_command_that_only_prints_a_kept_file_is_known(command: str) -> None:
    assert prints_kept(command)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "cat",
        "cat notes.txt",
        "cat .workhand",
        "cat .workhand/../notes.txt",
        "cat .workhandy/x",
        "cat .workhand/a .workhand/b",
        "cat notes.txt .workhand/a",
        "cat .workhand/a > copy.txt",
        "cat .workhand/a | sort",
        "cat .workhand/a; make",
        "cat .workhand/a && make",
        "cat .workhand/a & ",
        "cat < .workhand/a",
        "make\ncat .workhand/a",
        "cat $(make) .workhand/a",
        "cat `make`/.workhand/a",
        'cat "$(make)/.workhand/a"',
        "cat ${x:=1}.workhand/a",
        "sed 1,2p .workhand/a",
        "sed -i -n 1p .workhand/a",
        "sed -n 'w out' .workhand/a",
        "sed -n '1,2p;w out' .workhand/a",
        "sed -n -f script .workhand/a",
        "grep a notes.txt .workhand/a",
        "awk 1 .workhand/a",
        "python3 .workhand/a",
        "cat '.workhand/a",
        "(cat .workhand/a)",
        "X=1 cat .workhand/a",
    ],
)
def test_a_command_that_may_do_more_is_not_one(command: str) -> None:
    assert not prints_kept(command)


@pytest.mark.parametrize(("lines", "as_is"), [(100, True), (10_000, False)])
async def test_what_is_printed_back_enters_whole_up_to_the_limit_of_reading(
    machine: Machine, lines: int, as_is: bool
) -> None:
    path = ".workhand/results/c5-shell_run.txt"
    await machine.folder.keep(path, b"a line of it\n" * lines)
    outcome = await machine("shell_run", command=f"cat {path}")
    assert (outcome.as_is, outcome.original) == (as_is, b"a line of it\n" * lines)
    assert (await machine("file_read", path=path)).as_is


async def test_paths_that_no_file_can_have_are_missing(machine: Machine) -> None:
    (machine.workspace / "there").write_text("")
    paths = ("there", "not there", "a/" + "x" * 5_000, "there/below")
    assert await machine.toolbox.missing(paths) == paths[1:]
