"""The host's end of the connections that come from inside a machine.

Each becomes one end of a pair of sockets; the door gets the other.  What comes out of a
machine is not trusted: more connections than allowed, a number used twice or a count
that cannot be ends that connection only.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any

from workhand.sandbox.inside.tunnel import Tunnels
from workhand.sandbox.spec import Door


class Doorway:
    def __init__(self, door: Door | None, send: Callable[[dict[str, Any], bytes], None]) -> None:
        self._door = door
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._tunnels = Tunnels(self._post, self._watch)
        self._closed = False

    def take(self, header: Mapping[str, Any], payload: bytes) -> None:
        """Do what a frame from inside says."""
        number, event, count = header.get("tunnel"), header.get("event"), header.get("count")
        if self._closed or not (isinstance(number, int) and isinstance(event, str) and isinstance(count, int)):
            return
        if event != "open":
            self._tunnels.take(number, event, count, payload)
        elif self._door is None or number in self._tunnels.open or self._tunnels.full():
            self._post(number, "reset", 0, b"")
        else:
            ours, theirs = socket.socketpair()
            self._tunnels.enter(number, ours)
            self._door(theirs)

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
