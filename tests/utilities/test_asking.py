"""What programs in a machine ask the host for comes whole, or is said not to have come."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from workhand.utilities.asking import LENGTHS, ask
from workhand.utilities.budget import Unreadable


def frame(said: dict[str, object]) -> bytes:
    text = json.dumps(said).encode()
    return LENGTHS.pack(len(text), 0) + text


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, int]]:
    """Give the address of a host that answers one request with these bytes, and goes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                lengths = connection.recv(LENGTHS.size, socket.MSG_WAITALL)
                connection.recv(sum(LENGTHS.unpack(lengths)), socket.MSG_WAITALL)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()
        thread.join()


DONE = frame({"done": True, "ok": True, "sizes": [3, 2]})


def test_an_answer_comes_with_its_contents_behind_what_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(frame({"progress": 1, "total": 2, "message": "half"}) + DONE + b"abcde") as address:
        said, contents = ask({"service": "x"}, b"payload", address)
    assert (said["ok"], contents) == (True, [b"abc", b"de"])
    assert capsys.readouterr().err == "[1 of 2] half\n"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "ended the connection; it may be too much"),
        (DONE[:5], "ended the connection; it may be too much"),
        (DONE + b"abcd", "before all of its answer had come"),
        (DONE, "before all of its answer had come"),
        (frame({"done": True, "ok": False, "sizes": [], "error": "No such thing."}), "No such thing."),
    ],
)
def test_what_did_not_come_whole_or_was_refused_is_said(answer: bytes, complaint: str) -> None:
    with answering(answer) as address, pytest.raises(Unreadable, match=complaint):
        ask({"service": "x"}, address=address)


def test_where_nobody_answers_there_is_no_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(Unreadable, match="no way to ask the host"):
        ask({"service": "x"}, address=address)
