"""Pass on what a daemon elsewhere says and what it is told, until either side is gone.

The first frame from a daemon says that it is ready.  What the relay has found out about the machine, and
the daemon cannot know, is put into it; a claim of the daemon's own in its place is dropped.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any, Protocol

LENGTHS = struct.Struct(">II")
CHUNK_BYTES = 1 << 18
FIRST_BYTES_MAX = 1 << 16
STDIN, STDOUT = 0, 1
FACTS = "machine"


class Link(Protocol):
    """A connection to a daemon's standard streams; errors are ``OSError``."""

    def send(self, content: bytes) -> None: ...
    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Give what comes, with the number of its stream, until the daemon is gone."""

    def hang_up(self) -> None:
        """Let ``receive`` end, from another thread."""


def settings() -> dict[str, Any]:
    """Read what this relay is to do from the file that it was handed."""
    with open(int(sys.argv[1]), "rb") as handed:
        handed.seek(0)
        found: dict[str, Any] = json.load(handed)
        return found


def splice(link: Link, facts: dict[str, object]) -> None:
    """Join our standard streams to a daemon's; return when either side is gone."""
    Thread(target=_send, args=(link,), daemon=True).start()
    first = bytearray()
    ready = False
    for stream, content in link.receive():
        if stream != STDOUT or ready:
            write(stream, content)
            continue
        first += content
        if (stamped := stamp(first, facts)) is not None:
            ready = True
            write(STDOUT, stamped)


def _send(link: Link) -> None:
    try:
        while content := os.read(STDIN, CHUNK_BYTES):
            link.send(content)
    except OSError as error:
        sys.stderr.write(f"The machine takes nothing any more: {error}.\n")
    finally:
        link.hang_up()


def write(stream: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(stream, rest) :]


def stamp(received: bytearray, facts: dict[str, object]) -> bytes | None:
    """Put facts into the first frame of what was received; ``None`` until it is whole.

    What is no frame is left as it is: the host will say so.
    """
    if len(received) < LENGTHS.size:
        return None
    header_bytes, payload_bytes = LENGTHS.unpack_from(received)
    end = LENGTHS.size + header_bytes
    if header_bytes > FIRST_BYTES_MAX:
        return bytes(received)
    if len(received) < end:
        return None
    try:
        header = json.loads(received[LENGTHS.size : end])
    except ValueError:
        return bytes(received)
    if not isinstance(header, dict):
        return bytes(received)
    text = json.dumps({**header, FACTS: facts}).encode()
    return LENGTHS.pack(len(text), payload_bytes) + text + bytes(received[end:])
