"""Ask the host for something: one request a connection, over the machine's own door to it."""

from __future__ import annotations

import json
import socket
import struct
import sys

from .budget import Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import Any, BinaryIO

ADDRESS = ("127.0.0.1", 3129)
LENGTHS = struct.Struct(">II")
ABSENT = "This machine has no way to ask the host for that; the user can give it one."


def ask(
    request: dict[str, Any], payload: bytes = b"", address: tuple[str, int] = ADDRESS
) -> tuple[dict[str, Any], list[bytes]]:
    """Give what the host answers, and the contents that come with it; progress is told on standard error.

    Raises ``Unreadable`` with the reason when it cannot be done.
    """
    text = json.dumps(request).encode()
    try:
        with socket.create_connection(address) as connection:
            connection.sendall(LENGTHS.pack(len(text), len(payload)) + text + payload)
            with connection.makefile("rb") as answer:
                said = last(answer)
                contents = [answer.read(size) for size in said["sizes"]]
    except ConnectionRefusedError as error:
        raise Unreadable(ABSENT) from error
    if [len(content) for content in contents] != said["sizes"]:
        raise Unreadable("The host ended the connection before all of its answer had come; ask again.")
    if not said.get("ok"):
        raise Unreadable(said.get("error") or "The host did not say why.")
    return said, contents


def last(answer: BinaryIO) -> dict[str, Any]:
    """Read frames up to the one that ends the answer."""
    while True:
        head = answer.read(LENGTHS.size)
        if len(head) < LENGTHS.size:
            raise Unreadable("The host ended the connection; it may be too much to ask for.")
        said: dict[str, Any] = json.loads(answer.read(LENGTHS.unpack(head)[0]))
        if said.get("done"):
            return said
        told(said)


def told(progress: dict[str, Any]) -> None:
    of = f" of {progress['total']:g}" if progress.get("total") else ""
    sys.stderr.write(f"[{progress.get('progress', 0):g}{of}] {progress.get('message', '')}\n")
