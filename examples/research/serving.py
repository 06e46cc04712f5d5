"""The site of the Hellmoor Water Board, on this computer's loopback."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SITE = Path(__file__).parent / "site"
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css", ".csv": "text/csv", ".pdf": "application/pdf"}


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.strip("/") or "index"
        file = SITE / (name if "." in name else f"{name}.html")
        if file.parent != SITE or not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", KINDS[file.suffix])
        self.send_header("Content-Length", str(len(content)))
        if file.suffix in (".csv", ".pdf"):  # else a browser would show them, and files are wanted
            self.send_header("Content-Disposition", f'attachment; filename="{file.name}"')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: the session shows what was asked for."""


@contextmanager
def serving() -> Iterator[int]:
    """Serve the site, and give the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
