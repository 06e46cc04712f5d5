"""Carry connections over the wire: both of its ends are here, so that they cannot disagree.

Inside, a listener on the loopback opens a tunnel for each connection; outside, each tunnel
is one end of a pair of sockets.  The outside opens tunnels, too: to a terminal, or to what
listens on the loopback inside.  What a socket brings becomes frames, and frames are written to
the socket.  Each side sends at most ``WINDOW_BYTES`` that the other has not yet written out, so
a slow reader holds up its own connection and nothing else.
"""

from __future__ import annotations

import selectors
import socket

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    Post = Callable[[int, str, int, bytes], None]  # tunnel, event, count of bytes, payload

    class End(Protocol):
        def fileno(self) -> int: ...
        def receive(self, size: int, /) -> bytes: ...
        def send(self, content: bytes | bytearray, /) -> int: ...
        def finish(self) -> None: ...
        def close(self) -> None: ...

    Watch = Callable[[int, Callable[[], Any], int], None]  # descriptor, what to do, events; none: stop

CHUNK_BYTES = 1 << 16
WINDOW_BYTES = 1 << 18
TUNNELS_MAX = 128
BACKLOG = 64


class SocketEnd:
    """A socket as the end of a tunnel."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.fileno = sock.fileno
        self.receive = sock.recv
        self.send = sock.send
        self.close = sock.close

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)


class Tunnel:
    """One connection: a socket or a terminal at this end, frames to the other."""

    def __init__(self, number: int, end: End, post: Post, watch: Watch) -> None:
        self.number = number
        self.end = end
        self.post = post
        self.watch = watch
        self.credit = WINDOW_BYTES  # what may be sent to the other side
        self.owed = WINDOW_BYTES  # what the other side may send
        self.waiting = bytearray()  # for the socket
        self.over = self.read_ended = self.write_ended = self.closing = self.closed = False
        self._rewatch()

    def take(self, event: str, count: int, payload: bytes) -> None:
        """Do what a frame of the other side says; one that breaks the rules ends the connection."""
        if self.closed:
            return
        if event == "data" and len(payload) <= self.owed and not self.closing:
            self.owed -= len(payload)
            self.waiting += payload
            self._write()
        elif event == "taken" and 0 < count <= WINDOW_BYTES - self.credit:
            self.credit += count
        elif event == "end" and not self.closing:
            self.closing = True
            self._write()
        else:
            self.close(tell=event != "reset")
        self._rewatch()

    def close(self, *, tell: bool) -> None:
        if self.closed:
            return
        self.closed = True
        self.watch(self.end.fileno(), self._ready, 0)
        self.end.close()
        if tell:
            self.post(self.number, "reset", 0, b"")

    def ended(self, status: int) -> None:
        """Read to the end: the program there is over, which not every kernel tells of its terminal."""
        self.over = True
        while self.credit and not (self.read_ended or self.closed):
            self._read()
        self._rewatch()

    def _ready(self) -> None:
        self._write()
        self._read()
        self._rewatch()

    def _read(self) -> None:
        if self.closed or self.read_ended or not self.credit:
            return
        try:
            chunk = self.end.receive(min(CHUNK_BYTES, self.credit))
        except BlockingIOError:
            if not self.over:
                return
            chunk = b""
        except OSError:  # The other end is gone, with what it had still to say.
            return self.close(tell=True)
        if chunk:
            self.credit -= len(chunk)
            self.post(self.number, "data", 0, chunk)
        else:
            self.read_ended = True
            self.post(self.number, "end", 0, b"")
        return None

    def _write(self) -> None:
        if self.closed or self.write_ended:
            return
        written = 0
        try:
            while self.waiting:
                sent = self.end.send(self.waiting[:CHUNK_BYTES])
                del self.waiting[:sent]
                written += sent
        except BlockingIOError:
            pass  # The socket is full; it is watched until it is not.
        except OSError:
            return self.close(tell=True)
        if written:
            self.owed += written
            self.post(self.number, "taken", written, b"")
        if self.closing and not self.waiting:
            self.write_ended = True
            self._shut()
        return None

    def _shut(self) -> None:
        try:
            self.end.finish()
        except OSError:  # The other end closed it first.
            self.close(tell=False)

    def _rewatch(self) -> None:
        if self.closed:
            return
        if self.read_ended and self.write_ended:
            return self.close(tell=False)
        wanted = selectors.EVENT_READ if self.credit and not self.read_ended else 0
        wanted |= selectors.EVENT_WRITE if self.waiting else 0
        self.watch(self.end.fileno(), self._ready, wanted)
        return None


class Tunnels:
    """All connections at one end of a wire."""

    def __init__(self, post: Post, watch: Watch) -> None:
        self.post = post
        self.watch = watch
        self.open: dict[int, Tunnel] = {}
        self.opened = 0

    def listen(self, port: int) -> None:
        """Open a tunnel for whatever connects to a port of the loopback."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self.watch(listener.fileno(), lambda: self._accept(listener, port), selectors.EVENT_READ)

    def _accept(self, listener: socket.socket, port: int) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:  # It went away while it waited.
            return
        self._forget()
        if len(self.open) >= TUNNELS_MAX:
            return sock.close()
        self.opened += 1
        self.post(self.opened, "open", port, b"")
        self.open[self.opened] = Tunnel(self.opened, SocketEnd(sock), self.post, self.watch)
        return None

    def connect(self, number: int, port: int) -> None:
        """Begin this end of a tunnel that leads to a port of the loopback.

        Nothing waits for the connection: if it is refused, reading from it says so, and that ends the tunnel.
        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        end = SocketEnd(sock)
        sock.connect_ex(("127.0.0.1", port))
        self.enter(number, end)

    def enter(self, number: int, end: End) -> Tunnel:
        """Begin this end of a tunnel that the other end has opened, or is about to."""
        self._forget()
        self.open[number] = Tunnel(number, end, self.post, self.watch)
        return self.open[number]

    def full(self) -> bool:
        self._forget()
        return len(self.open) >= TUNNELS_MAX

    def take(self, number: int, event: str, count: int, payload: bytes) -> None:
        tunnel = self.open.get(number)
        if tunnel is not None:
            tunnel.take(event, count, payload)

    def close(self) -> None:
        for tunnel in self.open.values():
            tunnel.close(tell=False)
        self.open.clear()

    def _forget(self) -> None:
        self.open = {number: tunnel for number, tunnel in self.open.items() if not tunnel.closed}
