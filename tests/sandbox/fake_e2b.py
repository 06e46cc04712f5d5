"""An E2B service of ours: the part of its published API that a machine needs, on the loopback.

Its machines are processes under bubblewrap, as root of a file system of their own, without a network; what their
programs write comes out as a Connect stream.  The client of the service itself is run against this, too.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import io
import json
import os
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "e2b_0123456789abcdef"
TOKEN = "token of one machine"
PLACES = ("home", "opt", "etc", "tmp", "root")
MESSAGE = struct.Struct(">BI")


class Machine:
    def __init__(self, directory: Path, asked: dict[str, Any]) -> None:
        self.directory = directory
        self.asked = asked
        self.timeouts: list[int] = []
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.removed = threading.Event()
        for place in PLACES:
            (directory / place).mkdir(parents=True)
        (directory / "tmp").chmod(0o1777)
        (directory / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")

    def inside(self, path: str) -> Path:
        assert path.startswith(tuple(f"/{place}/" for place in PLACES)) and ".." not in path
        return self.directory / path.strip("/")

    def start(self, program: dict[str, Any]) -> subprocess.Popen[bytes]:
        argv = ["bwrap", "--unshare-pid", "--unshare-net", "--die-with-parent", "--as-pid-1", "--cap-add", "ALL"]
        argv += ["--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "HOST_OF_ENVD", "yes"]
        argv += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
        for name in ("bin", "sbin", "lib", "lib64"):
            argv += ["--symlink", f"usr/{name}", f"/{name}"]
        for place in PLACES:
            argv += ["--bind", str(self.directory / place), f"/{place}"]
        argv += ["--chdir", program.get("cwd") or "/", "--", program["cmd"], *program.get("args", [])]
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env={"PATH": os.defpath})
        self.processes[process.pid] = process
        return process

    def remove(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(OSError):  # a daemon that has no input ends, and all that it started
                process.stdin and process.stdin.close()
        self.removed.set()


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.machines: dict[str, Machine] = {}
        self.made: list[Machine] = []
        self.token: str | None = TOKEN
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def remove(self, identity: str) -> Machine | None:
        machine = self.machines.pop(identity, None)
        if machine is not None:
            machine.remove()
        return machine

    def stop(self) -> None:
        for identity in list(self.machines):
            self.remove(identity)
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts; the second must not wait for the first
    server: Service

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self._answer(204 if self.path == "/health" else 404)

    def do_DELETE(self) -> None:
        if self._allowed():
            self._answer(204 if self.server.remove(self.path.split("/")[2]) else 404)

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        parts = url.path.strip("/").split("/")
        if "sandboxes" in parts[:2]:
            if self._allowed():
                action = self._make if url.path == "/v2/sandboxes" else self._keep
                action(parts[1])
        elif self.headers.get("X-Access-Token") != TOKEN:
            self._answer(401, {"code": "unauthenticated", "message": "no token"})
        else:
            machine = self.server.machines.get(self.headers["E2b-Sandbox-Id"])
            if machine is None:
                return self._answer(502, {"code": 502, "message": "The sandbox was not found"})
            {"files": self._files, "Start": self._start, "SendInput": self._input}[parts[-1]](machine)
        return None

    def _chunks(self) -> bytes:
        found = b""
        size = 1 if self.headers.get("Transfer-Encoding") == "chunked" else 0
        while size:
            size = int(self.rfile.readline(), 16)
            found += self.rfile.read(size)
            self.rfile.readline()  # also after the last one, which is empty
        return found

    def _allowed(self) -> bool:
        if self.headers.get("X-API-KEY") != KEY:
            self._answer(401, {"code": 401, "message": f"the key {self.headers.get('X-API-KEY')} is not one"})
            return False
        return True

    def _answer(self, status: int, value: object = None) -> None:
        content = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(OSError):  # who asked may have been killed
            self.end_headers()
            self.wfile.write(content)

    def _make(self, _: str) -> None:
        identity = f"machine{len(self.server.made)}"
        machine = Machine(self.server.directory / identity, json.loads(self.body))
        self.server.machines[identity] = machine
        self.server.made.append(machine)
        made = {
            "sandboxID": identity,
            "templateID": machine.asked["templateID"],
            "clientID": "",
            "envdVersion": "0.6.0",
        }
        self._answer(201, {**made, **({"envdAccessToken": self.server.token} if self.server.token else {})})

    def _keep(self, identity: str) -> None:
        machine = self.server.machines.get(identity)
        if machine is None:
            return self._answer(404, {"code": 404, "message": "no such sandbox"})
        machine.timeouts.append(json.loads(self.body)["timeout"])
        return self._answer(204)

    def _files(self, machine: Machine) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        written = []
        for part in email.message_from_bytes(head + self.body, policy=email.policy.HTTP).iter_parts():
            name = self.query.get("path") or part.get_filename() or ""
            path = machine.inside(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            path.write_bytes(content)
            written.append({"name": path.name, "type": "file", "path": name})
        self._answer(200, written)

    def _start(self, machine: Machine) -> None:
        size = MESSAGE.unpack_from(self.body)[1]
        asked = json.loads(self.body[MESSAGE.size : MESSAGE.size + size])
        self.send_response(200)
        self.send_header("Content-Type", "application/connect+json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        process = machine.start(asked["process"])
        lock = threading.Lock()
        self._event(lock, {"start": {"pid": process.pid}})
        self._event(lock, {"keepalive": {}})
        if not asked.get("stdin") and process.stdin is not None:
            process.stdin.close()
        threads = [
            threading.Thread(target=self._show, args=(lock, name, stream), daemon=True)
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for thread in threads:
            thread.start()
        status = process.wait()
        for thread in threads:
            thread.join()
        with contextlib.suppress(OSError):
            process.stdin and process.stdin.close()
        ended = {"exitCode": status, "exited": True, "status": f"exit status {status}"}
        self._event(lock, {"end": ended})
        self._message(lock, 2, {})
        with contextlib.suppress(OSError):
            self.wfile.write(b"0\r\n\r\n")

    def _show(self, lock: threading.Lock, name: str, stream: io.BufferedReader) -> None:
        with stream:
            while content := stream.read1(1 << 15):
                self._event(lock, {"data": {name: base64.b64encode(content).decode()}})

    def _event(self, lock: threading.Lock, event: dict[str, Any]) -> None:
        self._message(lock, 0, {"event": event})

    def _message(self, lock: threading.Lock, flags: int, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        message = MESSAGE.pack(flags, len(text)) + text
        with lock, contextlib.suppress(OSError):  # nobody may listen any more
            self.wfile.write(b"%x\r\n%s\r\n" % (len(message), message))

    def _input(self, machine: Machine) -> None:
        asked = json.loads(self.body)
        process = machine.processes[asked["process"]["pid"]]
        assert process.stdin is not None
        try:
            process.stdin.write(base64.b64decode(asked["input"]["stdin"]))
            process.stdin.flush()
        except (OSError, ValueError):
            return self._answer(404, {"code": "not_found", "message": "process ended"})
        return self._answer(200, {})
