"""Carry a workspace to a machine that cannot see this host's files, and bring back what has changed there.

What comes back is not trusted: places are reached by walking directories without following a link, nothing reaches
past the workspace, and all of it is counted before any of it is laid out.  A file takes its place whole or not at
all.  Links are made as they are, as on every machine; that is why nothing on the host follows one.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import anyio
from anyio import to_thread

from workhand.errors import SandboxError, SandboxUnavailable
from workhand.sandbox.bubblewrap import HOME, KEPT
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.limits import MIB

TRANSFER_S = 600.0
BYTES_MAX = 240 * MIB  # in each direction, and in memory: what fits in a frame
LISTING_BYTES_MAX = 64 * MIB
FILES_MAX = 200_000
CARRIERS = 16  # files under way at once: each waits for a machine that is far away
WORDS_BYTES = 1_000
FIELDS = 6
TIME_MAX = 1 << 62
LEFT_OUT = ("-path", f"{HOME}/{KEPT}", "-prune", "-o")
LIST = ("find", HOME, "-mindepth", "1", *LEFT_OUT, "-printf", r"%P\0%y\0%m\0%s\0%T@\0%l\0")
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NO_DIRECTORY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is at a name in the machine."""

    kind: str  # as ``find`` says it: d, f, l
    mode: int
    bytes: int
    modified_ns: int
    link: str


class Copy:
    """A workspace of this host's, and its copy in a machine."""

    def __init__(self, sandbox: DaemonSandbox, workspace: Path) -> None:
        self.sandbox = sandbox
        self.workspace = workspace
        self.known: dict[str, Found] = {}  # what is there and equal here, as far as we know

    async def send(self) -> None:
        """Make the copy.  Raises ``SandboxUnavailable`` if the workspace is too large, or does not arrive."""
        packed = await to_thread.run_sync(pack, self.workspace)
        argv = ("tar", "-xzf", "-", "--no-same-owner", "-C", HOME)
        done = await self.sandbox.execute(argv, stdin=packed, timeout_s=TRANSFER_S, output_bytes_max=WORDS_BYTES)
        if done.exit_code != 0:
            raise SandboxUnavailable(f"The workspace did not arrive at the remote machine: {done.stderr.decode()!r}.")
        self.known = await self._list()

    async def bring_back(self) -> None:
        """Change here what has changed there; a file that changed on both sides is here as it is there.

        Raises ``SandboxError`` if something cannot be brought, after all else was.
        """
        try:
            async with asyncio.timeout(TRANSFER_S):
                found = await self._list()
                changed = {name: each for name, each in found.items() if each != self.known.get(name)}
                if sum(each.bytes for each in changed.values()) > BYTES_MAX:
                    raise SandboxError(
                        f"More than {BYTES_MAX:,} bytes have changed at the remote machine; remove some."
                    )
                await self._take(changed, [name for name in self.known if name not in found])
        except TimeoutError:
            raise SandboxError(f"What changed at the remote machine did not come within {TRANSFER_S:g} s.") from None
        except OSError as error:
            raise SandboxError(f"What changed at the remote machine cannot be laid out here: {error}.") from error

    async def _list(self) -> dict[str, Found]:
        done = await self.sandbox.execute(LIST, timeout_s=TRANSFER_S, output_bytes_max=LISTING_BYTES_MAX)
        if done.exit_code != 0:
            words = done.stderr[-WORDS_BYTES:].decode(errors="replace").strip()
            raise SandboxError(f"The remote machine cannot list its workspace: {words!r}; make all of it readable.")
        if done.dropped_bytes or done.stdout.count(b"\0") > FIELDS * FILES_MAX:
            raise SandboxError(f"There are more than {FILES_MAX:,} files at the remote machine; remove some.")
        return parse(os.fsdecode(done.stdout))

    async def _take(self, changed: dict[str, Found], gone: list[str]) -> None:
        files = {name: each for name, each in changed.items() if each.kind == "f"}
        waiting = iter(files.items())
        failed: list[str] = []

        async def carry() -> None:
            for name, each in waiting:
                try:
                    content = await self.sandbox.read(f"{HOME}/{name}", bytes_max=each.bytes)
                    await to_thread.run_sync(lay, top, name, each, content[: each.bytes])
                    self.known[name] = each
                except (OSError, SandboxError) as error:
                    failed.append(f"{name!r}: {error}")

        top = os.open(self.workspace, OPEN_DIRECTORY)
        try:
            await to_thread.run_sync(prepare, top, changed, gone)
            async with anyio.create_task_group() as group:
                for _ in range(CARRIERS):
                    group.start_soon(carry)
        finally:
            os.close(top)
        if failed:
            raise SandboxError(f"{len(failed)} files did not come back from the remote machine, the first {failed[0]}.")
        self.known = {name: each for name, each in {**self.known, **changed}.items() if name not in gone}


def pack(workspace: Path) -> bytes:
    """Pack a workspace, but for what is kept for the model.  Raises ``SandboxUnavailable`` if it is too large."""
    packed, held, count = io.BytesIO(), 0, 0

    def counted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal held, count
        if entry.name == f"./{KEPT}":
            return None
        held, count = held + entry.size, count + 1
        if held > BYTES_MAX or count > FILES_MAX:
            raise SandboxUnavailable(
                f"The workspace {str(workspace)!r} is more than the {BYTES_MAX:,} bytes or {FILES_MAX:,} files "
                "that are sent to a remote machine; move what is not needed out of it."
            )
        return entry

    try:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            archive.add(workspace, ".", filter=counted)
    except OSError as error:
        raise SandboxUnavailable(f"The workspace {str(workspace)!r} cannot be sent: {error}.") from error
    return packed.getvalue()


def parse(listing: str) -> dict[str, Found]:
    """Read what a machine says is in its workspace.  Raises ``SandboxError`` for what cannot be in one."""
    found: dict[str, Found] = {}
    fields = iter(listing.split("\0")[:-1])
    try:
        for name, kind, mode, size, modified, link in zip(*[fields] * FIELDS, strict=True):
            parts = name.split("/")
            if not {"", ".", ".."}.isdisjoint(parts):
                raise SandboxError(f"The remote machine named {name!r}, which is no place in a workspace.")
            if kind not in "dfl" or parts[0] == KEPT:
                continue  # A pipe or a device means nothing to another machine.
            seconds, _, fraction = modified.partition(".")
            modified_ns = min(max(int(seconds + fraction[:9].ljust(9, "0")), 0), TIME_MAX)
            content = (max(int(size), 0), modified_ns) if kind != "d" else (0, 0)  # a directory's say nothing
            found[name] = Found(kind, int(mode, 8) & 0o777, *content, link)
    except ValueError as error:
        raise SandboxError(f"The remote machine sent no list of its workspace: {error}.") from error
    return found


def prepare(top: int, changed: dict[str, Found], gone: list[str]) -> None:
    """Take away what is gone, and make what has no content."""
    for name in sorted(gone, reverse=True):  # what is in a directory before the directory
        take_away(top, name)
    for name, found in changed.items():
        if found.kind != "f":
            lay(top, name, found, b"")


def lay(top: int, name: str, found: Found, content: bytes) -> None:
    """Put what was found in its place, whatever is there; what is in a directory stays in it."""
    *above, last = name.split("/")
    if found.kind == "d":
        with entered(top, [*above, last]) as made:
            os.fchmod(made, found.mode | stat.S_IRWXU)
        return
    part = f".workhand-{sha256(os.fsencode(last)).hexdigest()[:16]}"
    with entered(top, above) as folder:
        clear(folder, part)
        try:
            if found.kind == "l":
                os.symlink(found.link, part, dir_fd=folder)
            else:
                with open(os.open(part, MAKE_FILE, 0o600, dir_fd=folder), "wb") as file:
                    file.write(content)
                    os.fchmod(file.fileno(), found.mode)
            give(folder, part, top)
            os.utime(part, ns=(found.modified_ns, found.modified_ns), dir_fd=folder, follow_symlinks=False)
            if is_directory(folder, last):
                clear(folder, last)
            os.replace(part, last, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            clear(folder, part)


def take_away(top: int, name: str) -> None:
    """Remove what the machine has removed; a directory only if nothing else has come into it."""
    *above, last = name.split("/")
    try:
        with entered(top, above, make=False) as folder:
            if is_directory(folder, last):
                os.rmdir(last, dir_fd=folder)
            else:
                clear(folder, last)
    except OSError as error:
        if error.errno not in (*NO_DIRECTORY, errno.ENOTEMPTY):
            raise


@contextmanager
def entered(top: int, parts: list[str], *, make: bool = True) -> Iterator[int]:
    """Open a directory below another; make it, in the place of whatever else is there, unless told not to."""
    here = os.dup(top)
    try:
        for name in parts:
            try:
                below = os.open(name, OPEN_DIRECTORY, dir_fd=here)
            except OSError as error:
                if not make or error.errno not in NO_DIRECTORY:
                    raise
                clear(here, name)
                os.mkdir(name, 0o755, dir_fd=here)
                give(here, name, top)
                below = os.open(name, OPEN_DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def give(folder: int, name: str, top: int) -> None:
    """Give what was made to the owner of the workspace."""
    if os.geteuid() == 0:
        owner = os.fstat(top)
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder, follow_symlinks=False)


def is_directory(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def clear(folder: int, name: str) -> None:
    """Remove whatever is there."""
    if is_directory(folder, name):
        shutil.rmtree(name, dir_fd=folder)
    else:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
