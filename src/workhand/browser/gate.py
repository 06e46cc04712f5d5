"""A listener on the host's loopback that leads to a browser in its machine, for who knows its secret path.

Any user of the host can connect to the loopback, and who drives a browser has its owner's logins.  So the first line
of a connection must be the browser's own address, whose last part is drawn at chance by the browser; every other one is
closed without a word.  The line must be there at once, as that of a client that means it is: nothing is waited for, and
few may hold a connection without speaking.  The line is looked at and not taken, so what passes is passed on as it is.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable

WAITING_MAX = 8


class Gate:
    def __init__(self, path: str, lead: Callable[[socket.socket], None]) -> None:
        """Begin to listen; ``lead`` takes over a connection that may pass."""
        self._path = path
        self._first = f"GET {path} HTTP/1.1\r\n".encode()
        self._lead = lead
        self._loop = asyncio.get_running_loop()
        self._waiting: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING_MAX)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)

    @property
    def url(self) -> str:
        """Where the browser is, with its secret."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"

    def close(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in tuple(self._waiting):
            self._let_go(connection).close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # It went away while it waited.
            return
        connection.setblocking(False)
        if len(self._waiting) == WAITING_MAX:
            self._let_go(self._waiting[0]).close()
        self._waiting.append(connection)
        self._loop.add_reader(connection, self._hear, connection)

    def _hear(self, connection: socket.socket) -> None:
        self._let_go(connection)
        try:
            said = connection.recv(len(self._first), socket.MSG_PEEK)
        except OSError:  # It broke off.
            said = b""
        if hmac.compare_digest(said, self._first):
            self._lead(connection)
        else:
            connection.close()

    def _let_go(self, connection: socket.socket) -> socket.socket:
        self._waiting.remove(connection)
        self._loop.remove_reader(connection)
        return connection
