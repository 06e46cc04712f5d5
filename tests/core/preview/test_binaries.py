"""Images, archives and other binaries: what a preview reads from their bytes."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile

import pytest

from workhand.core.preview import preview


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("docs/a.txt", "first")
        archive.writestr("b.bin", b"\0" * 9)
    return made.getvalue()


def _tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("docs/a.txt", b"first"), ("b.bin", b"\0" * 900)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06\0\0\0"


def _jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" * 10
    return b"\xff\xd8\xff\xe0\x00\x04ab" + frame


VP8X = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(_png(640, 480), ["PNG image, 640 x 480 pixels"], id="png"),
        pytest.param(_jpeg(640, 480), ["JPEG image, 640 x 480 pixels"], id="jpeg"),
        pytest.param(b"GIF89a" + struct.pack("<HH", 640, 480), ["GIF image, 640 x 480 pixels"], id="gif"),
        pytest.param(VP8X, ["WebP image, 640 x 480 pixels"], id="webp"),
        pytest.param(_png(640, 480)[:20], ["PNG image"], id="an image that was cut off"),
        pytest.param(_zip(), ["zip archive, 2 entries", "docs/a.txt 5", "b.bin 9"], id="zip"),
        pytest.param(_tar(), ["tar archive, 2 entries", "docs/a.txt 5", "b.bin 900"], id="tar"),
        pytest.param(
            b"\x7fELF\x02\x01\x01" + b"\0" * 40 + b"libm.so.6\0\x01usage: tool FILE\0\x02",
            ["ELF program", "…", "libm.so.6", "usage: tool FILE"],
            id="strings in a program",
        ),
        pytest.param(b"\0\x01\x02\x03" * 40, ["binary data"], id="nothing to read"),
    ],
)
def test_a_binary_is_named_and_what_is_cheap_to_read_is_read(content: bytes, lines: list[str]) -> None:
    shown = preview(content, path="it", bytes_max=400)
    body = shown.text.split("\n")
    assert (shown.kind, body[1:-2], body[-1]) == ("binary", lines, f"first bytes: {content[:32].hex(' ', 4)}")
