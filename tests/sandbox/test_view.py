"""A picture or a page is looked at: as it is where models take it, else drawn in the machine."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workhand.cli.session.provisions import LINKS, SHOWN
from workhand.core.canonical import digest
from workhand.core.preview.media import size_of, type_of
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import MachineSpec
from workhand.tools.view import PICTURE_BYTES_MAX, SIDE_DRAWN, FileView, file_view

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("require_bubblewrap")]


def png(width: int, height: int, *, noise: bytes = b"") -> bytes:
    """Make a grey picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    beside = chunk(b"teXt", noise) if noise else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + beside + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[DaemonSandbox]:
    tmp_path.chmod(0o755)
    spec = MachineSpec(session="view", workspace=tmp_path, owned=True, shown=SHOWN, links=LINKS)
    async with await open_sandbox("bubblewrap", spec) as opened:
        yield opened


@pytest.fixture
def drawing() -> None:
    if not all(map(shutil.which, ("chromium", "pdftoppm"))):
        assert "CI" not in os.environ
        pytest.skip("there is no Chromium, or no pdftoppm, to draw with")


async def test_a_picture_that_models_take_is_shown_as_it_is(sandbox: DaemonSandbox) -> None:
    content = png(40, 30)
    await sandbox.write("chart.png", content)
    seen = await file_view(FileView("chart.png"), sandbox)
    assert (seen.head, seen.picture, seen.hidden) == ("chart.png, 40 x 30 pixels", "image/png", True)
    assert digest(seen.original) == digest(content)


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize(
    ("name", "content", "size"),
    [
        ("wide.png", png(4_000, 1_000), (SIDE_DRAWN, 375)),
        ("heavy.png", png(300, 200, noise=b"x" * PICTURE_BYTES_MAX), (300, 200)),
        ("old.gif", b"GIF89a\x02\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x02\0\x01\0\0\x02\x02\x0c\n\0;", (2, 1)),
    ],
)
async def test_another_picture_is_drawn_in_its_proportions(
    sandbox: DaemonSandbox, name: str, content: bytes, size: tuple[int, int]
) -> None:
    await sandbox.write(name, content)
    seen = await file_view(FileView(name), sandbox)
    assert (seen.ok, type_of(seen.original), size_of(seen.original)) == (True, "image/png", size), seen.head


@pytest.mark.usefixtures("drawing")
async def test_a_page_of_a_document_is_drawn(sandbox: DaemonSandbox) -> None:
    await sandbox.write("two.html", b"<h1>One</h1><h1 style='break-before:page'>Two</h1>")
    made = await sandbox.execute(("render", "two.html", "two.pdf"), timeout_s=60, output_bytes_max=1_000)
    assert made.exit_code == 0, made
    one, two, three = [await file_view(FileView("two.pdf", page), sandbox) for page in (1, 2, 3)]
    assert one.head.startswith("two.pdf page 1, ") and one.picture == "image/png"
    assert digest(one.original) != digest(two.original)
    assert (three.ok, three.picture) == (False, "")


async def test_what_cannot_be_drawn_is_said(sandbox: DaemonSandbox) -> None:
    await sandbox.write("notes.xyz", b"\0\1\2")
    seen = await file_view(FileView("notes.xyz"), sandbox)
    assert (seen.ok, seen.head) == (False, "There is no way to draw .xyz here; see render --help.")
