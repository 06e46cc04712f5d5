"""The host's end of the connections that come from inside a machine, and of those that lead into it.

Each that comes becomes one end of a pair of sockets; the door that it came to gets the other.  What comes out of a
machine is not trusted: more connections than allowed, a number used twice or a count
that cannot be ends that connection only.  A connection counts until both of its ends are closed:
the inside can open and drop them much faster than anything behind the door notices.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any

from workhand.sandbox.inside.tunnel import TUNNELS_MAX, SocketEnd, Tunnels
from workhand.sandbox.spec import Door


class Doorway:
    def __init__(self, doors: Mapping[int, Door], send: Callable[[dict[str, Any], bytes], None]) -> None:
        self._doors = doors
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._tunnels = Tunnels(self._post, self._watch)
        self._given: list[socket.socket] = []  # to the door, which closes them
        self._opened = 0  # from here, numbered downwards from -1: the inside numbers its own upwards
        self._closed = False

    def take(self, header: Mapping[str, Any], payload: bytes) -> None:
        """Do what a frame from inside says."""
        number, event, count = header.get("tunnel"), header.get("event"), header.get("count")
        if self._closed or not (isinstance(number, int) and isinstance(event, str) and isinstance(count, int)):
            return
        if event != "open":
            self._tunnels.take(number, event, count, payload)
        elif count not in self._doors or number < 1 or number in self._tunnels.open or self._full():
            self._post(number, "reset", 0, b"")
        else:
            ours, theirs = socket.socketpair()
            self._given.append(theirs)
            self._tunnels.enter(number, SocketEnd(ours))
            self._doors[count](theirs)

    def _full(self) -> bool:
        self._given = [given for given in self._given if given.fileno() >= 0]
        return len(self._given) >= TUNNELS_MAX or self._tunnels.full()

    def open_terminal(self, rows: int, columns: int) -> tuple[int, socket.socket]:
        """Open a terminal inside: its number, and a socket that is its keyboard and its screen."""
        number, theirs = self.enter()
        self.resize(number, rows, columns, event="terminal")
        return number, theirs

    def enter(self) -> tuple[int, socket.socket]:
        """Begin this end of a tunnel, to something that the inside is about to be asked for, and give the other."""
        self._opened -= 1
        ours, theirs = socket.socketpair()
        self._tunnels.enter(self._opened, SocketEnd(ours))
        return self._opened, theirs

    def resize(self, terminal: int, rows: int, columns: int, *, event: str = "size") -> None:
        self._send({"op": "terminal", "tunnel": terminal, "event": event, "rows": rows, "columns": columns}, b"")

    def connect(self, port: int) -> socket.socket:
        """Connect to a port of the loopback inside."""
        ours, theirs = socket.socketpair()
        self.lead(ours, port)
        return theirs

    def lead(self, connection: socket.socket, port: int) -> None:
        """Lead a connection to a port of the loopback inside; where nothing listens, or too much is open, it ends."""
        if self._closed or self._tunnels.full():
            return connection.close()
        self._opened -= 1
        self._tunnels.enter(self._opened, SocketEnd(connection))
        return self._send({"op": "connect", "tunnel": self._opened, "port": port}, b"")

    def close(self) -> None:
        """Close every connection, once."""
        self._closed = True
        self._tunnels.close()

    def _post(self, tunnel: int, event: str, count: int, payload: bytes) -> None:
        if not self._closed:
            self._send({"op": "tunnel", "tunnel": tunnel, "event": event, "count": count}, payload)

    def _watch(self, fd: int, ready: Callable[[], Any], events: int) -> None:
        if events & selectors.EVENT_READ:
            self._loop.add_reader(fd, ready)
        else:
            self._loop.remove_reader(fd)
        if events & selectors.EVENT_WRITE:
            self._loop.add_writer(fd, ready)
        else:
            self._loop.remove_writer(fd)
