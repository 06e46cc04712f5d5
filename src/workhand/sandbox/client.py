"""Speak to a daemon inside a sandbox: the host's half, which is the ``Sandbox`` port.

The reading side is an asyncio protocol, not a task: frames are taken apart as
they arrive, each settles the future of its request, and no task outlives a
call.  What comes out of a sandbox is not trusted: lengths are bounded, and a
frame that is not one ends the sandbox rather than the session's worker.

``SandboxLost`` is raised by every call once the pipe is closed.  A cancelled
``execute`` kills its command inside; a cancelled shell call only stops waiting.
"""

from __future__ import annotations

import asyncio
import codecs
import errno
import json
import os
import signal
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import anyio
from anyio.abc import SocketStream

from workhand.core.ports import Capabilities, Delta, Executed, FileStatus, Watch
from workhand.errors import SandboxLost, SandboxUnavailable
from workhand.sandbox.doorway import Doorway
from workhand.sandbox.meter import Meter
from workhand.sandbox.piped import Piped
from workhand.sandbox.spec import Door

LENGTHS = struct.Struct(">II")
HEADER_BYTES_MAX = 1 << 20
PAYLOAD_BYTES_MAX = 256 << 20
WORDS_BYTES_MAX = 4_096
NAME_CHARS_MAX = 4_096  # of what the inside calls a file
STATUSES = range(1 - signal.NSIG, 256)  # that a program can end with; below zero by a signal
UNREAD_BYTES_MAX = 16 << 20  # of what is said about tunnels and waits to be read inside; what they carry has windows
GRACE_S = 30.0  # past a request's own time limit, before the daemon counts as lost
CLOSE_S = 3.0
FILE_S = 120.0

Checkpoint: TypeAlias = Callable[[Path], Awaitable[None]]


@dataclass(slots=True)
class Pending:
    """A request that waits for its answer."""

    answer: asyncio.Future[tuple[dict[str, Any], bytes]]
    watch: Watch | None
    decoder: codecs.IncrementalDecoder


class Wire(asyncio.SubprocessProtocol):
    """Take frames apart, and know whether the process and its pipe are still there."""

    def __init__(self, doors: Mapping[int, Door]) -> None:
        self.loop = asyncio.get_running_loop()
        self.doorway = Doorway(doors, self._send_of_tunnel)
        self.ready: asyncio.Future[dict[str, Any]] = self.loop.create_future()
        self.exited = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.unread_bytes = 0  # about tunnels, since the pipe last took everything
        self.pending: dict[int, Pending] = {}
        self.received = bytearray()
        self.words = bytearray()  # the last of standard error: why it ended
        self.reason: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.SubprocessTransport, transport)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()
        self.unread_bytes = 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.words += data
            del self.words[:-WORDS_BYTES_MAX]
        elif self.reason is None:
            self.received += data
            self._take_frames()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd != 2:
            self.lose("its pipe is closed")

    def process_exited(self) -> None:
        self.exited.set()
        self.lose(f"it ended with status {self.transport.get_returncode()}")

    def lose(self, reason: str) -> None:
        """Fail everything that waits, once."""
        self.reason = self.reason or reason
        self.writable.set()
        for pending in self.pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(self.lost())
        self.pending.clear()
        self.doorway.close()
        if not self.ready.done():
            self.ready.cancel()

    def lost(self) -> SandboxLost:
        return SandboxLost(f"The sandbox is gone: {self.reason}; the next action opens another one.")

    def _take_frames(self) -> None:
        while self.reason is None and len(self.received) >= LENGTHS.size:
            header_bytes, payload_bytes = LENGTHS.unpack_from(self.received)
            if header_bytes > HEADER_BYTES_MAX or payload_bytes > PAYLOAD_BYTES_MAX:
                return self._distrust()
            start, end = LENGTHS.size + header_bytes, LENGTHS.size + header_bytes + payload_bytes
            if len(self.received) < end:
                return None
            text, payload = bytes(self.received[LENGTHS.size : start]), bytes(self.received[start:end])
            del self.received[:end]
            try:
                header = json.loads(text)
            except (ValueError, RecursionError):
                return self._distrust()
            if not isinstance(header, dict):
                return self._distrust()
            self._dispatch(header, payload)
        return None

    def _distrust(self, reason: str = "it sent what is not a frame of the protocol") -> None:
        self.lose(reason)
        self.transport.kill()

    def _dispatch(self, header: dict[str, Any], payload: bytes) -> None:
        if header.get("ready") and not self.ready.done():
            self.ready.set_result(header)
        if "tunnel" in header:
            return self.doorway.take(header, payload)
        number = header.get("id")
        pending = self.pending.get(number) if type(number) is int else None  # and not a bool
        if pending is None or pending.answer.done():
            return
        if header.get("live"):
            text = pending.decoder.decode(payload)
            if pending.watch is not None and text:  # in the loop's own time: a watcher's error is not the wire's
                self.loop.call_soon(pending.watch, Delta("output", text))
        else:
            pending.answer.set_result((header, payload))

    def _send_of_tunnel(self, header: dict[str, Any], payload: bytes) -> None:
        """Send what a tunnel says.  An inside could have us say ever more, and read none of it."""
        sent = self.send(header, payload)
        if not self.writable.is_set():
            self.unread_bytes += sent - len(payload)
        if self.unread_bytes > UNREAD_BYTES_MAX and self.reason is None:
            self._distrust("it does not read what its connections are told")

    def send(self, header: dict[str, Any], payload: bytes = b"") -> int:
        """Write a frame; give its length."""
        pipe = cast(asyncio.WriteTransport, self.transport.get_pipe_transport(0))
        text = json.dumps(header).encode()
        pipe.write(LENGTHS.pack(len(text), len(payload)) + text)
        if payload:
            pipe.write(payload)
        return LENGTHS.size + len(text) + len(payload)


class DaemonSandbox:
    """A ``Sandbox`` whose inside is a daemon at the other end of a pipe."""

    def __init__(
        self,
        wire: Wire,
        capabilities: Capabilities,
        resources: AsyncExitStack,
        meter: Meter | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._wire = wire
        self._meter = meter
        self._capabilities = capabilities
        self._resources = resources
        self._checkpoint = checkpoint
        self._requests = 0

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def pid(self) -> int:
        """The process on the host that the sandbox ends with."""
        return self._wire.transport.get_pid()

    async def gone(self) -> int | None:
        """Wait for the end of the process on the host, and give its status; below zero by a signal."""
        await self._wire.exited.wait()
        return self._wire.transport.get_returncode()

    @property
    def doorway(self) -> Doorway:
        """Where connections go in and out; terminals are opened here."""
        return self._wire.doorway

    @property
    def alive(self) -> bool:
        return self._wire.reason is None

    def hits(self) -> tuple[str, ...]:
        return self._meter.hits() if self._meter is not None else ()

    def end(self, reason: str) -> None:
        """Kill the machine; whoever uses it is told why."""
        self._wire.lose(reason)
        self._wire.transport.kill()

    def when_closed(self, clean_up: Callable[[], None]) -> None:
        """Have something done once the machine is closed."""
        self._resources.callback(clean_up)

    async def __aenter__(self) -> DaemonSandbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(
        self,
        argv: tuple[str, ...],
        *,
        stdin: bytes = b"",
        timeout_s: float,
        output_bytes_max: int,
        watch: Watch | None = None,
    ) -> Executed:
        """Run one program; ``output_bytes_max`` holds for each of its two streams.

        Past it the first and the last half of a stream are kept.
        """
        if not argv:
            raise OSError(errno.EINVAL, "There is no program to run", "")
        request = {"op": "execute", "argv": argv, "timeout_s": timeout_s}
        request["output_bytes_max"] = most = _bounded(output_bytes_max)
        header, output = await self._ask(request, stdin, answer_s=timeout_s + GRACE_S, watch=watch)
        split = _whole(header, "split", len(output))
        stdout, stderr = output[:split][:most], output[split:][:most]
        return Executed(_status(header), stdout, stderr, _whole(header, "dropped"))

    async def shell_run(
        self, shell: str, command: str, *, timeout_s: float, output_bytes_max: int, watch: Watch | None = None
    ) -> Executed:
        """Run a command in a named shell; the output begins with what the shell showed since it was last looked at."""
        request = {"op": "shell_run", "shell": shell, "timeout_s": timeout_s}
        request["output_bytes_max"] = most = _bounded(output_bytes_max)
        content = command.encode(errors="surrogateescape")
        header, output = await self._ask(request, content, answer_s=timeout_s + GRACE_S, watch=watch)
        return Executed(_status(header), output[:most], dropped_bytes=_whole(header, "dropped"))

    async def shell_view(self, shell: str, *, wait_s: float, output_bytes_max: int) -> Executed:
        """Give what a shell has shown; an idle one answers at once, with the status of its last command."""
        most = _bounded(output_bytes_max)
        request = {"op": "shell_view", "shell": shell, "wait_s": wait_s, "output_bytes_max": most}
        header, output = await self._ask(request, answer_s=wait_s + GRACE_S)
        return Executed(_status(header), output[:most], dropped_bytes=_whole(header, "dropped"))

    async def shell_input(self, shell: str, text: str) -> None:
        """Type into a shell's terminal; a line longer than 4,095 bytes is more than a terminal takes."""
        content = text.encode(errors="surrogateescape")
        await self._ask({"op": "shell_input", "shell": shell}, content, answer_s=GRACE_S)

    async def start(self, argv: tuple[str, ...], *, environment: Mapping[str, str], directory: str = "") -> Piped:
        """Start a program whose pipes stay open; its directory is where commands run unless one is given."""
        if not argv:
            raise OSError(errno.EINVAL, "There is no program to run", "")
        opened = [self.doorway.enter() for _ in range(3)]
        sockets = [theirs for _, theirs in opened]
        try:
            request: dict[str, Any] = {"op": "start", "argv": argv, "environment": dict(environment)}
            request |= {"directory": directory, "tunnels": [number for number, _ in opened]}
            header, _ = await self._ask(request, answer_s=GRACE_S)
        except BaseException:
            for each in sockets:
                each.close()
            raise
        streams = [await SocketStream.from_socket(each) for each in sockets]
        return Piped(self._ask, _whole(header, "pid"), *streams)

    async def read(self, path: str, *, offset: int = 0, bytes_max: int) -> bytes:
        request = {"op": "read", "path": path, "offset": offset, "bytes_max": min(bytes_max, PAYLOAD_BYTES_MAX)}
        _, content = await self._ask(request, answer_s=FILE_S)
        return content[:bytes_max]

    async def write(self, path: str, content: bytes) -> None:
        if len(content) > PAYLOAD_BYTES_MAX:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        await self._ask({"op": "write", "path": path}, content, answer_s=FILE_S)

    async def status(self, path: str, *, digest: bool = False) -> FileStatus | None:
        header, _ = await self._ask({"op": "status", "path": path, "digest": digest}, answer_s=FILE_S)
        kind = header.get("kind")
        if kind not in ("file", "directory", "other"):
            return None
        return FileStatus(_name(header, "path"), kind, _whole(header, "bytes"), _name(header, "digest") or None)

    @property
    def can_checkpoint(self) -> bool:
        """Whether all that runs inside can be written to a file now."""
        return self._checkpoint is not None and self.alive and not self._wire.pending

    async def checkpoint(self, image: Path) -> None:
        """Write all that runs inside to a file, and end the machine.  The workspace stays, and is not in the file."""
        if self._checkpoint is None:
            raise SandboxUnavailable(f"A {self._capabilities.backend!r} machine cannot be kept; use gVisor, as root.")
        if self._wire.pending:
            raise SandboxUnavailable("The machine cannot be kept while a command is waited for; cancel that first.")
        await self._checkpoint(image)
        await self.close()

    async def close(self) -> None:
        """End everything inside and give back what was taken on the host.  The workspace stays."""
        with anyio.CancelScope(shield=True):
            await self._resources.aclose()

    async def _ask(
        self, request: dict[str, Any], payload: bytes = b"", *, answer_s: float | None, watch: Watch | None = None
    ) -> tuple[dict[str, Any], bytes]:
        if self._wire.reason is not None:
            raise self._wire.lost()
        self._requests += 1
        number = self._requests
        answer = self._wire.loop.create_future()
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._wire.pending[number] = Pending(answer, watch, decoder)
        self._wire.send({"id": number, "watch": watch is not None, **request}, payload)
        try:
            async with asyncio.timeout(answer_s):
                await self._wire.writable.wait()
                header, content = await answer
        except TimeoutError:
            self._wire.lose(f"it did not answer within {answer_s:g} s")
            self._wire.transport.kill()
            raise self._wire.lost() from None
        except asyncio.CancelledError:
            if self._wire.reason is None:
                self._wire.send({"op": "cancel", "id": number})
            raise
        finally:
            self._wire.pending.pop(number, None)
        if "errno" in header:
            number = _whole(header, "errno")
            number = number if number in errno.errorcode else errno.EIO
            raise OSError(number, os.strerror(number), _name(header, "path"))
        return header, content


def real_directory(workspace: Path) -> Path:
    if not workspace.is_dir():
        raise SandboxUnavailable(f"The workspace {str(workspace)!r} is not a directory; make it first.")
    return workspace.resolve()


@asynccontextmanager
async def unwound_on_failure() -> AsyncIterator[AsyncExitStack]:
    """Give a stack for what a sandbox holds; if opening it fails or is cancelled, everything goes back at once."""
    resources = AsyncExitStack()
    try:
        yield resources
    except BaseException:
        with anyio.CancelScope(shield=True):
            await resources.aclose()
        raise


def daemon_command(python: str, package_parent: str, settings: dict[str, object]) -> list[str]:
    """Compose the command that runs the daemon's package with an interpreter, and with nothing else on its path."""
    start = f"import sys; sys.path.insert(0, {package_parent!r}); from inside.daemon import main; main()"
    return [python, "-I", "-S", "-B", "-c", start, json.dumps(settings)]


async def start_daemon(
    argv: list[str],
    *,
    pass_fds: tuple[int, ...],
    environ: dict[str, str],
    directory: str,
    ready_s: float,
    resources: AsyncExitStack,
    doors: Mapping[int, Door] = MappingProxyType({}),
    greet: bool = False,
) -> Wire:
    """Start a daemon and wait until it is ready; raise ``SandboxUnavailable`` with its last words if it is not.

    One that goes on from a checkpoint is so when it is greeted.  Ending it is pushed onto ``resources``.
    """
    loop = asyncio.get_running_loop()
    with anyio.CancelScope(shield=True):  # cancelled half-way, asyncio would leave the process behind
        try:
            _, wire = await loop.subprocess_exec(
                partial(Wire, doors), *argv, pass_fds=pass_fds, env=environ, cwd=directory, start_new_session=True
            )
        except OSError as error:
            raise SandboxUnavailable(f"The program {argv[0]!r} cannot be started: {error.strerror}.") from error
    resources.push_async_callback(_end, wire)
    if greet:
        wire.send({"op": "greet"})
    try:
        async with asyncio.timeout(ready_s):
            await asyncio.wait([wire.ready])
            if wire.ready.cancelled():
                await wire.exited.wait()
    except TimeoutError:
        said = f" It said: {words}" if (words := _last_words(wire)) else ""
        raise SandboxUnavailable(
            f"The sandbox was not ready within {ready_s:g} s; the machine may be overloaded.{said}"
        ) from None
    if wire.ready.cancelled():
        words = _last_words(wire)
        raise SandboxUnavailable(words or f"The sandbox ended at once: {wire.reason}.")
    return wire


def _last_words(wire: Wire) -> str:
    return wire.words.decode(errors="replace").strip()


async def _end(wire: Wire) -> None:
    """Ask the daemon to end by closing its input, then kill it."""
    wire.lose("it was closed")
    pipe = wire.transport.get_pipe_transport(0)
    if pipe is not None:
        pipe.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await wire.exited.wait()
    except TimeoutError:
        wire.transport.kill()
        await wire.exited.wait()
    wire.transport.close()


def _bounded(output_bytes_max: int) -> int:
    return max(0, min(output_bytes_max, PAYLOAD_BYTES_MAX // 2))


def _status(header: dict[str, Any]) -> int | None:
    status = header.get("exit")
    return status if type(status) is int and status in STATUSES else None


def _whole(header: dict[str, Any], name: str, most: int = 1 << 62) -> int:
    """Take a number that the inside claims, as one that can be used."""
    number = header.get(name)
    return max(0, min(number, most)) if isinstance(number, int) else 0


def _name(header: dict[str, Any], field: str) -> str:
    """Take what the inside calls a file, cut, and without the halves of characters that no log can hold."""
    name = header.get(field)
    return name[:NAME_CHARS_MAX].encode(errors="replace").decode() if isinstance(name, str) else ""
