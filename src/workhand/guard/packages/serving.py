"""The index that programs inside ask: ``/projects/NAME/`` and ``/files/SHA256/FILENAME``, over HTTP at a door.

A name leaves this computer only when the index has to be asked, and only after the gatekeeper has seen it; a file is
sent only when it is here whole and has the digest that its page gave.  What is here is given when the index fails.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import anyio
import h11
from anyio import to_thread

from workhand.guard.egress.wire import CHUNK_BYTES, Side
from workhand.guard.exchange import Ruling
from workhand.guard.packages import pages
from workhand.guard.packages.pages import Offered, Unreadable
from workhand.guard.packages.upstream import Index, IndexFailed
from workhand.guard.packages.wheels import Mismatch, Wheels

FILE_BYTES_MAX = 4 << 30
METADATA_BYTES_MAX = 4 << 20
FRESH_S = 600.0
PAGES_MAX = 1_000  # that are remembered
AT_ONCE = 8  # questions to the index
METADATA = ".metadata"
REASONS = {403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 502: "Bad Gateway"}


class Gate(Protocol):
    async def package(self, project: str, what: str, *, leaves: bool) -> Ruling:
        """Judge the wish for a package, which leaves this computer when the index is asked."""
        ...

    def package_came(self, project: str, what: str, received_bytes: int) -> None: ...


class Failed(Exception):
    """A request is answered with this, and no more."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class Packages:
    """The index of one session's machine; without an index behind it, it has what is kept."""

    wheels: Wheels
    gate: Gate
    index: Index | None = None
    sdists: bool = False
    now: Callable[[], float] = anyio.current_time
    known: dict[str, tuple[float, tuple[Offered, ...]]] = field(default_factory=dict)
    asking: anyio.CapacityLimiter = field(default_factory=partial(anyio.CapacityLimiter, AT_ONCE))

    async def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection from inside until it ends."""
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        side = Side(h11.SERVER, reader, writer)
        try:
            while isinstance(request := await side.receive(), h11.Request):
                await self._answer(side, request)
                if not side.again():
                    return await side.discard()
        except (h11.ProtocolError, OSError, TimeoutError):
            return  # It broke off, or spoke something else: there is nobody left to tell.
        finally:
            side.close()

    async def _answer(self, side: Side, request: h11.Request) -> None:
        if await side.body(0) is None:
            return await _send(side, 405, b"")
        accept = next((value for name, value in request.headers if name == b"accept"), b"").decode("latin-1")
        path = request.target.decode("latin-1").partition("?")[0]
        try:
            if request.method != b"GET":
                raise Failed(405, "only GET is understood here")
            match [unquote(part) for part in path.split("/")]:
                case ["", "projects", name, *rest] if rest in ([], [""]):
                    project = pages.normal(name)
                    kind, content = pages.written(project, await self._files(project), accept)
                    await _send(side, 200, content, kind)
                case ["", "files", sha256, filename]:
                    await self._file(side, sha256, filename)
                case _:
                    raise Failed(404, "there is no such page")
        except Failed as failed:
            said = b"" if request.method == b"HEAD" else f"workhand: {failed}.\n".encode()
            await _send(side, failed.status, said, reason=str(failed))

    # -- pages ---------------------------------------------------------------------------

    async def _files(self, project: str) -> tuple[Offered, ...]:
        """Give the files of a project: the person's own, or those of the index, or those that are kept."""
        if not project:
            raise Failed(404, "that is no name of a project")
        kept = await to_thread.run_sync(self.wheels.kept, project)
        here = tuple(self._whole(each.offered) for each in kept)
        own = any(each.own for each in kept)
        until, known = self.known.get(project, (0.0, ()))
        if own or self.index is None:
            await self._permit(project, f"the page of {project}", leaves=False)
            known = tuple(each for each, was in zip(here, kept, strict=True) if was.own or not own)
        elif until <= self.now():
            await self._permit(project, f"the page of {project}", leaves=True)
            known = await self._asked(self.index, project, here)
        if not known:
            raise Failed(404, f"there is no package {project} here")
        return known

    def _whole(self, offered: Offered) -> Offered:
        """Promise nothing of a file that is kept but what is kept."""
        there = offered.metadata_sha256 and self.wheels.path(offered.metadata_sha256)
        return offered if there else replace(offered, metadata_sha256="")

    async def _asked(self, index: Index, project: str, here: tuple[Offered, ...]) -> tuple[Offered, ...]:
        try:
            async with self.asking:
                page = await index.page(project)
            self.gate.package_came("", f"the page of {project}", len(page.content) if page else 0)
            if page is None:
                return here
            read = partial(pages.read, page.content, page.content_type, page.url, project, sdists=self.sdists)
            found = await to_thread.run_sync(read)
        except (IndexFailed, Unreadable, OSError) as error:
            if here:
                return here
            raise Failed(502, f"{project} cannot be had: {error}") from error
        if len(self.known) >= PAGES_MAX:
            del self.known[next(iter(self.known))]
        self.known[project] = (self.now() + FRESH_S, found)
        return found

    async def _permit(self, project: str, what: str, *, leaves: bool) -> None:
        ruling = await self.gate.package(project, what, leaves=leaves)
        if not ruling.allowed:
            raise Failed(403, f"refused by rule {ruling.rule!r}: {ruling.reason}".rstrip("."))

    # -- files ---------------------------------------------------------------------------

    async def _file(self, side: Side, sha256: str, filename: str) -> None:
        project = pages.project_of(filename.removesuffix(METADATA), sdists=self.sdists)
        offered = [each for each in await self._files(project) if each.filename == filename.removesuffix(METADATA)]
        if not offered or offered[0].sha256 != sha256:
            raise Failed(404, f"there is no such file of {project or 'any package'}")
        each = offered[0]
        await self._permit(project, filename, leaves=False)
        if filename.endswith(METADATA):
            path = await self._had(each.url + METADATA, each.metadata_sha256, METADATA_BYTES_MAX)
        else:
            path = await self._had(each.url, each.sha256, FILE_BYTES_MAX)
            if each.url:  # it is of the index, and found by its name when that is not asked
                await to_thread.run_sync(self.wheels.record, project, each)
        size = path.stat().st_size
        head = [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))]
        async with await anyio.open_file(path, "rb") as file:
            await side.send(h11.Response(status_code=200, reason=b"OK", headers=head))
            while chunk := await file.read(CHUNK_BYTES):
                await side.send(h11.Data(data=chunk))
            await side.send(h11.EndOfMessage())
        self.gate.package_came(project, filename, size)

    async def _had(self, url: str, sha256: str, bytes_max: int) -> Path:
        """Give a content that is here, or have it come."""
        if not sha256:
            raise Failed(404, "there is no such file")
        if path := self.wheels.path(sha256):
            return path
        if self.index is None or not url:
            raise Failed(404, "it is not kept any more")
        with self.wheels.part() as part:
            try:
                async with self.asking:
                    await self.index.fetch(url, part, bytes_max)
                return await to_thread.run_sync(self.wheels.put, part, sha256)
            except (IndexFailed, Mismatch, OSError) as error:
                raise Failed(502, f"the file cannot be had: {error}") from error


async def _send(side: Side, status: int, content: bytes, kind: str = "text/plain", reason: str = "") -> None:
    """Answer; the reason stands where installers look for it, too."""
    said = "".join(char for char in reason or REASONS.get(status, "OK") if " " <= char <= "~")[:200]
    head = [("Content-Type", kind), ("Content-Length", str(len(content)))]
    response = h11.Response(status_code=status, reason=said.encode(), headers=head)
    await side.send(response, h11.Data(data=content), h11.EndOfMessage())
