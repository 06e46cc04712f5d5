"""Run a daemon in a sandbox of an E2B service, through the service's API, and remove it at the end.

Its API is plain HTTP and JSON, and its way to run programs is Connect, whose streams are messages with five bytes in
front of each; so no client library is needed, and the one there is would turn what a program writes into text.

The machine is on a lease that we renew, and sleeps with its files when nobody does.  We remove it at the end,
unless the host has said that it still owes something: then it is left to its lease.  The daemon runs as a user that
cannot become root, for what root inside holds fixed: the daemon's own files, and what is kept for the model.
What comes into that folder here is sent before the next request is.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from workhand.sandbox.relays.splice import settings, splice

REQUEST_S, CREATE_S = 30.0, 120.0
PING_S, SILENCE_S = 50, 150.0  # how often the service says that a stream is alive, and how long we believe it without
RENEW_S = 60.0
UPLOAD_BYTES = 8 << 20  # in one request, or one file
MESSAGE_BYTES_MAX = 16 << 20
WORDS_MAX = 300
MESSAGE = struct.Struct(">BI")
LAST = 2  # the flag of a stream's last message
STREAMS = {"stdout": 1, "stderr": 2}
PORT = 49_983  # where every machine of the service answers


class Machine:
    """One sandbox of the service, and the daemon in it."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        self.api = httpx2.Client(base_url=wanted["url"], headers={"X-API-KEY": wanted["key"]}, timeout=REQUEST_S)
        self.ended = threading.Event()
        self.identity: str | None = None
        self.known: dict[str, tuple[int, int]] = {}  # what has been sent of what is kept, as it was

    def make(self) -> None:
        """Make the sandbox, and start to renew its lease."""
        asked = {"templateID": self.wanted["template"], "timeout": self.wanted["lease_s"]}
        asked |= {"allow_internet_access": False, "autoPause": True}
        made = said(self.api.post("/v2/sandboxes", json=asked, timeout=CREATE_S)).json()
        self.identity = str(made["sandboxID"])
        threading.Thread(target=self._renew, daemon=True).start()
        if not made.get("envdAccessToken"):
            raise OSError("its machines can be commanded from within; the service must give access tokens")
        domain = made.get("domain") or self.wanted["domain"]
        self.envd = httpx2.Client(
            base_url=self.wanted["machine_url"] or f"https://{PORT}-{self.identity}.{domain}",
            headers={
                "X-Access-Token": made["envdAccessToken"],
                "E2b-Sandbox-Id": self.identity,
                "E2b-Sandbox-Port": str(PORT),
                "Authorization": "Basic " + base64.b64encode(b"root:").decode(),
            },
            timeout=REQUEST_S,
        )

    def _renew(self) -> None:
        while not self.ended.wait(RENEW_S):
            try:
                said(self.api.post(f"/sandboxes/{self.identity}/timeout", json={"timeout": self.wanted["lease_s"]}))
            except httpx2.HTTPError:
                continue  # The lease outlasts several that fail; a machine that is gone ends its stream.

    def end(self) -> None:
        """Remove the sandbox, if it owes nothing."""
        self.ended.set()
        if self.identity is not None and not os.fstat(self.wanted["owed"]).st_size:
            answer = self.api.delete(f"/sandboxes/{self.identity}")
            if answer.status_code != httpx2.codes.NOT_FOUND:
                said(answer)

    def put(self, files: dict[str, bytes]) -> None:
        """Write files of root's, as many at once as one request may carry."""
        batch: dict[str, bytes] = {}
        for path, content in files.items():
            if batch and sum(map(len, batch.values())) + len(content) > UPLOAD_BYTES:
                self._upload(batch)
                batch = {}
            batch[path] = content
        if batch:
            self._upload(batch)

    def _upload(self, files: dict[str, bytes]) -> None:
        query = {"username": "root", **({"path": next(iter(files))} if len(files) == 1 else {})}
        said(self.envd.post("/files", params=query, files=[("file", each) for each in files.items()]))

    def refresh(self) -> None:
        """Send what has come into the folder of what is kept, or has changed there."""
        if self.wanted["kept"] is None:
            return
        changed: dict[str, bytes] = {}
        for folder, _, names in os.walk(self.wanted["kept"]):
            for path in (Path(folder, name) for name in names):
                if self._changed(path):
                    changed[f"{self.wanted['kept_inside']}/{path.relative_to(self.wanted['kept'])}"] = path.read_bytes()
        self.put(changed)

    def _changed(self, path: Path) -> bool:
        found = path.stat()
        before, now = self.known.get(str(path)), (found.st_mtime_ns, found.st_size)
        self.known[str(path)] = now
        return before != now

    def start(self) -> Iterator[dict[str, Any]]:
        """Start the daemon; give what happens to it, its start first."""
        program = {"cmd": self.wanted["argv"][0], "args": self.wanted["argv"][1:], "envs": {}, "cwd": "/"}
        content = json.dumps({"process": program, "stdin": True}).encode()
        headers = {
            "Content-Type": "application/connect+json",
            "Connect-Protocol-Version": "1",
            "Keepalive-Ping-Interval": str(PING_S),
        }
        timeout = httpx2.Timeout(REQUEST_S, read=SILENCE_S)
        body = MESSAGE.pack(0, len(content)) + content
        with self.envd.stream("POST", "/process.Process/Start", content=body, headers=headers, timeout=timeout) as got:
            if got.is_error:
                got.read()
            self.connection: socket.socket = got.extensions["network_stream"].get_extra_info("socket")
            for message in messages(said(got).iter_bytes()):
                yield message.get("event", {})

    def receive(self) -> Iterator[tuple[int, bytes]]:
        for event in self.events:
            for name, content in event.get("data", {}).items():
                if name in STREAMS:
                    yield STREAMS[name], base64.b64decode(content)

    def send(self, content: bytes) -> None:
        try:
            self.refresh()
            told = {"stdin": base64.b64encode(content).decode()}
            said(self.envd.post("/process.Process/SendInput", json={"process": {"pid": self.pid}, "input": told}))
        except httpx2.HTTPError as error:
            raise OSError(str(error)) from error

    def hang_up(self) -> None:
        """End the daemon's stream at this end: whether the service would end it is its own affair."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It has ended already.

    def run(self) -> None:
        """Make the machine and pass on what its daemon says and is told, until either side is gone."""
        self.make()
        self.put({path: text.encode() for path, text in self.wanted["files"].items()})
        self.refresh()
        self.events = self.start()
        self.pid = int(next(self.events)["start"]["pid"])
        name = f"sandbox {self.identity!r} of {self.wanted['url']}"
        splice(self, {"limits": "rlimits", "name": name, "notes": [f"It is {name}."]})


def said(answer: httpx2.Response) -> httpx2.Response:
    """Give an answer back if it is none of refusal; else raise with what was said."""
    if answer.is_error:
        raise httpx2.HTTPError(f"{answer.status_code} to {answer.request.url.path}: {answer.text[:WORDS_MAX]}")
    return answer


def messages(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Take a stream apart; raise ``OSError`` if it ends with an error, or is none."""
    received = bytearray()
    for chunk in chunks:
        received += chunk
        while len(received) >= MESSAGE.size:
            flags, size = MESSAGE.unpack_from(received)
            if size > MESSAGE_BYTES_MAX:
                raise OSError(f"a message of {size:,} bytes is more than {MESSAGE_BYTES_MAX:,}")
            if len(received) < MESSAGE.size + size:
                break
            message = json.loads(received[MESSAGE.size : MESSAGE.size + size])
            del received[: MESSAGE.size + size]
            if flags & LAST:
                if message.get("error"):
                    raise OSError(f"its stream ended: {message['error']}")
                return
            yield message


def main() -> None:
    wanted = settings()
    machine = Machine(wanted)
    try:
        try:
            machine.run()
        finally:
            machine.end()
    except (httpx2.HTTPError, OSError, ValueError, KeyError, StopIteration, binascii.Error) as error:
        words = f"The E2B service at {wanted['url']!r} opens no machine, or lost it: {error}."
        raise SystemExit(words.replace(wanted["key"], "(the key)")) from None


if __name__ == "__main__":
    main()
