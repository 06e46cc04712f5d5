"""Write the archive that a kernel unpacks as its first root directory: "newc" cpio, uncompressed.

Uncompressed, because the kernel would have to unpack it on an emulated processor, each time.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping

MAGIC = b"070701"
END = "TRAILER!!!"
DIRECTORY, PROGRAM, FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644


def archive(members: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Write members, each a path with its mode and content; a directory comes before what is in it.

    Everything is root's and of no date, so that equal members make equal bytes.
    """
    return b"".join(
        _member(number, path, mode, content)
        for number, (path, (mode, content)) in enumerate([*members.items(), (END, (0, b""))], start=1)
    )


def _member(number: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    uid = gid = date = major = minor = special_major = special_minor = checksum = 0
    links = 1
    fields = (
        *(number, mode, uid, gid, links, date, len(content)),
        *(major, minor, special_major, special_minor, len(name), checksum),
    )
    head = MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
