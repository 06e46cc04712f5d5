"""A folder that nobody can be shown is not served; what is asked for wrongly is said in a sentence."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.utilities.test_commands import call

ABSENT = "serve: This machine has no way to ask the host for that; the user can give it one.\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_server_whose_folder_cannot_be_shown_is_ended(tmp_path: Path) -> None:
    port = free_port()
    went = call(tmp_path, "serve", ".", "--port", str(port))
    assert (went.returncode, went.stdout, went.stderr) == (1, "", ABSENT)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        went = call(tmp_path, "serve", ".", "--port", str(port))
    assert went.stderr == (
        f"serve: Port {port} cannot be taken: Address already in use; choose another, or leave --port out.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "serve: give a folder, --running with --port, ls, or stop with a port; see serve --help.\n"),
        (["--running"], 2, "serve: give a folder, --running with --port, ls, or stop with a port; see serve --help.\n"),
        (["stop", "x"], 2, "serve: a port is a number from 1 to 65535, not 'x'; see serve --help.\n"),
        (["none"], 1, "serve: {}/none: No such file or directory.\n"),
        (["ls"], 1, ABSENT),
    ],
)
def test_what_cannot_be_served_is_said_in_one_sentence(
    tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    went = call(tmp_path, "serve", *arguments)
    assert (went.returncode, went.stdout, went.stderr) == (status, "", sentence.format(tmp_path))
