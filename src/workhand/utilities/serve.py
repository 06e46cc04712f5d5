"""``serve``: show a folder, or a server that runs already, to the user; the host makes the address.

The server of a folder goes on in the background until the machine closes.  A name in the space of abstract sockets,
which goes with its process, is how it is found again and told to stop: nothing is left behind that could name another.
"""

from __future__ import annotations

import getopt
import os
import socket
import sys

from .asking import ask
from .budget import Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer
    from typing import Any

HELP = """\
serve DIR [--port N]        publish a folder: the user is shown an address that leads to it; printed is PORT ADDRESS
serve --running --port N    publish a server that runs already on 127.0.0.1:N, such as a development server
serve ls                    what is published: PORT ADDRESS WHAT
serve stop PORT             publish it no longer, and end the server if it is one of serve

A folder is served in the background, without a cache, until it is stopped or the machine closes; index.html is its
first page. Only the user, on their computer, can open the address; curl in this machine uses http://127.0.0.1:PORT/.

Exit status: 0 done, 1 not done (the reason is on standard error), 2 wrong arguments.
"""

STOP_S = 10.0


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "", ["port=", "running"])
    given = dict(options)
    port = _port(given["--port"]) if "--port" in given else 0
    if operands == ["ls"]:
        sys.stdout.write("".join(map(_line, _asked(op="list"))) or "none\n")
    elif operands[:1] == ["stop"] and len(operands) == 2:
        _stop(_port(operands[1]))
    elif "--running" in given and port and not operands:
        _publish(port, f"port {port}")
    elif len(operands) == 1 and "--running" not in given:
        port = start(os.path.abspath(operands[0]), port)
        try:
            _publish(port, operands[0])
        except Unreadable:
            end(port)
            raise
    else:
        raise getopt.GetoptError("give a folder, --running with --port, ls, or stop with a port")
    return 0


def start(directory: str, port: int) -> int:
    """Start a server of a folder in the background; it listens when this returns its port."""
    os.scandir(directory).close()
    server = _server(directory, port)
    port = server.server_address[1]
    stop = _ear(port)
    stop.listen(1)
    child = os.fork()
    if child:
        server.server_close()
        stop.close()
        os.waitpid(child, 0)
        return port
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):  # or whoever reads what this prints would wait for the server, too
        os.dup2(nothing, each)
    _serve(server, stop)
    os._exit(0)


def end(port: int) -> None:
    """End the server of a folder; another is left alone."""
    with _ear(None) as told:
        told.settimeout(STOP_S)
        try:
            told.connect(_name(port))
            told.recv(1)  # until it has gone
        except ConnectionRefusedError:
            pass


def _serve(server: ThreadingHTTPServer, stop: socket.socket) -> None:
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.accept()


def _server(directory: str, port: int) -> ThreadingHTTPServer:
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from socketserver import TCPServer

    class Server(ThreadingHTTPServer):
        def server_bind(self) -> None:
            TCPServer.server_bind(self)  # and ask nobody what this computer is called
            self.server_name, self.server_port = "localhost", self.server_address[1]

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    try:
        return Server(("127.0.0.1", port), partial(Handler, directory=directory))
    except OSError as error:
        reason = f"Port {port} cannot be taken: {error.strerror}; choose another, or leave --port out."
        raise Unreadable(reason) from error


def _ear(port: int | None) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if port is not None:
        made.bind(_name(port))
    return made


def _name(port: int) -> str:
    return f"\0workhand-serve-{port}"


def _publish(port: int, what: str) -> None:
    for each in _asked(op="open", port=port, what=what):
        if each["port"] == port:
            sys.stdout.write(f"{port} {each['address']}\n")


def _stop(port: int) -> None:
    end(port)
    _asked(op="close", port=port)


def _asked(**request: object) -> list[dict[str, Any]]:
    said, _ = ask({"service": "publish", **request})
    published: list[dict[str, Any]] = said["published"]
    return published


def _line(shown: dict[str, Any]) -> str:
    return f"{shown['port']} {shown['address']} {shown['what']}\n"


def _port(stated: str) -> int:
    if not stated.isdigit() or not 0 < int(stated) < 1 << 16:
        raise getopt.GetoptError(f"a port is a number from 1 to 65535, not {stated!r}")
    return int(stated)
