"""A Docker engine of ours: the part of its published API that a machine needs, on a Unix socket.

Its containers are real processes under bubblewrap: mounts, tmpfs, the user and the missing network are what the
request asks for, so a machine that was asked for wrongly does not work.  The "image" is this host's ``/usr``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import socketserver
import struct
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

IMAGE = "python:3.12-slim-bookworm"
INFO = {
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "MemoryLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
    "CgroupVersion": "2",
}


class Container:
    def __init__(self, identity: str, wanted: dict[str, Any], directory: Path) -> None:
        self.identity = identity
        self.wanted = wanted
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None
        self.client: socket.socket | None = None
        self.over = threading.Event()
        self.removed = threading.Event()

    def volume(self, target: str) -> Path:
        path = self.directory / target.strip("/").replace("/", "-")
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        return path

    def argv(self) -> list[str]:
        host, wanted = self.wanted["HostConfig"], self.wanted
        found = ["bwrap", "--unshare-pid", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
        found += ["--unshare-net"] if host["NetworkMode"] == "none" else []
        for entry in ("PATH=/usr/bin:/bin", *wanted["Env"]):
            found += ["--setenv", *entry.split("=", 1)]
        found += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
        for name in ("bin", "sbin", "lib", "lib64"):
            found += ["--symlink", f"usr/{name}", f"/{name}"]
        for target, options in host["Tmpfs"].items():
            settings = dict(part.partition("=")[::2] for part in options.split(","))
            found += ["--perms", settings["mode"].rjust(4, "0"), "--size", settings["size"], "--tmpfs", target]
        for mount in sorted(host["Mounts"], key=lambda mount: str(mount["Target"])):
            source = mount["Source"] or self.volume(mount["Target"])
            found += ["--dir", os.path.dirname(mount["Target"])]  # which bubblewrap makes by itself for its user only
            found += ["--ro-bind" if mount["ReadOnly"] else "--bind", str(source), mount["Target"]]
        found += ["--remount-ro", "/"] if host["ReadonlyRootfs"] else []
        found += ["--chdir", wanted["WorkingDir"], "--"]
        if os.geteuid() == 0:
            uid, gid = wanted["User"].split(":")
            found += ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs", "--"]
        return [*found, *wanted["Entrypoint"], *(wanted.get("Cmd") or [])]

    def start(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.argv(), stdin=pipe, stdout=pipe, stderr=pipe, env={"PATH": os.defpath})
        threads = [threading.Thread(target=self._show, args=(number,), daemon=True) for number in (1, 2)]
        feeder = threading.Thread(target=self._feed, daemon=True)
        for thread in (feeder, *threads):
            thread.start()
        threading.Thread(target=self._wait, args=(threads, feeder), daemon=True).start()

    def _feed(self) -> None:
        """Pass on what the attached client sends; its end is the end of the input, for the input is opened once."""
        assert self.process is not None and self.process.stdin is not None and self.client is not None
        with contextlib.suppress(OSError):
            while content := self.client.recv(1 << 16):
                self.process.stdin.write(content)
                self.process.stdin.flush()
        if self.wanted["StdinOnce"]:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def _show(self, number: int) -> None:
        assert self.process is not None and self.client is not None
        stream = self.process.stdout if number == 1 else self.process.stderr
        assert isinstance(stream, io.BufferedReader)
        with stream, contextlib.suppress(OSError):
            while content := stream.read1(1 << 15):
                self.client.sendall(struct.pack(">BxxxL", number, len(content)) + content)

    def _wait(self, threads: list[threading.Thread], feeder: threading.Thread) -> None:
        assert self.process is not None and self.client is not None
        self.process.wait()
        for thread in threads:
            thread.join()
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)
        feeder.join()
        self.over.set()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            with contextlib.suppress(OSError):  # What runs as another user outlives bubblewrap, but not its input.
                if self.client is not None:
                    self.client.shutdown(socket.SHUT_RDWR)
            self.over.wait()
        self.over.set()


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.containers: dict[str, Container] = {}
        self.made: list[dict[str, Any]] = []  # every request for a container
        self.info: dict[str, Any] = dict(INFO)
        self.broken = False  # it makes containers, and cannot start them
        self.moved: dict[str, str] = {}  # what this engine sees in the place of our directories
        super().__init__(str(directory / "docker.sock"), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"unix://{self.directory}/docker.sock"

    def forget(self, container: Container) -> None:
        container.kill()
        self.containers.pop(container.identity, None)
        shutil.rmtree(container.directory, ignore_errors=True)
        container.removed.set()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for container in list(self.containers.values()):
            self.forget(container)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def log_message(self, format: str, *args: Any) -> None:
        return

    def address_string(self) -> str:
        return "unix"

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def _route(self, method: str) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = url.path.strip("/").split("/")
        if parts[0].startswith("v1."):
            del parts[0]
        identity = parts[1] if parts[0] == "containers" and len(parts) > 1 else ""
        rest = ("ID", *parts[2:]) if identity in self.server.containers else tuple(parts[1:])
        name = "_".join((method, parts[0].strip("_"), *rest)).lower()
        action = getattr(self, f"_{name}", None)
        if action is None:
            return self._answer(404, {"message": f"No such container: {identity}"})
        action(*([self.server.containers[identity]] if rest[:1] == ("ID",) else []))

    def _answer(self, status: int, value: object = None) -> None:
        content = b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(BrokenPipeError):  # who asked may have been killed
            self.end_headers()
            self.wfile.write(content)

    def _get_ping(self) -> None:
        self._answer(200, "OK")

    def _get_version(self) -> None:
        self._answer(200, {"ApiVersion": "1.47", "MinAPIVersion": "1.24", "Version": "27.0"})

    def _get_info(self) -> None:
        self._answer(200, self.server.info)

    def _get_containers_json(self) -> None:
        (label,) = json.loads(self.query["filters"])["label"]
        found = [
            {"Id": each.identity, "Labels": each.wanted["Labels"]}
            for each in self.server.containers.values()
            if label in (each.wanted["Labels"] or {})
        ]
        self._answer(200, found)

    def _post_containers_create(self) -> None:
        wanted = json.loads(self.body)
        self.server.made.append(wanted)
        if wanted["Image"] != IMAGE:
            return self._answer(404, {"message": f"No such image: {wanted['Image']}"})
        identity = f"{len(self.server.made):064x}"
        for mount in wanted["HostConfig"]["Mounts"]:
            mount["Source"] = self.server.moved.get(mount["Source"], mount["Source"])
        self.server.containers[identity] = Container(identity, wanted, self.server.directory / identity)
        self._answer(201, {"Id": identity, "Warnings": []})

    def _put_containers_id_archive(self, container: Container) -> None:
        mounts = {mount["Target"]: mount for mount in container.wanted["HostConfig"]["Mounts"]}
        mount = mounts.get(self.query["path"])
        if mount is None or mount["ReadOnly"]:
            return self._answer(400, {"message": "container rootfs is marked read-only"})
        with tarfile.open(fileobj=io.BytesIO(self.body)) as archive:
            archive.extractall(container.volume(mount["Target"]), filter="tar")
        self._answer(200)

    def _post_containers_id_attach(self, container: Container) -> None:
        assert {"stdin", "stdout", "stderr", "stream"} <= set(self.query)
        self.wfile.write(
            b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"
            b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        self.close_connection = True
        container.client = self.connection
        container.over.wait()

    def _post_containers_id_start(self, container: Container) -> None:
        if self.server.broken:
            return self._answer(500, {"message": "cannot start it"})
        container.start()
        self._answer(204)
        if container.wanted["HostConfig"]["AutoRemove"]:
            threading.Thread(target=self._remove_ended, args=(container,), daemon=True).start()
        return None

    def _remove_ended(self, container: Container) -> None:
        container.over.wait()
        self.server.forget(container)

    def _delete_containers_id(self, container: Container) -> None:
        self.server.forget(container)
        self._answer(204)
