"""Suspend a machine to a file while its session is at rest, and resume it from there.

A machine ends with the process that holds it.  Where its backend can write all that runs inside to a file, which is
gVisor started by root, the next machine of the session, or of a fork of it, goes on from that.  The file is used
once, and only for a machine that is built like the one before; if anything differs, or gVisor finds a file that was
open inside changed, an ordinary machine is opened instead.

    DIRECTORY/SESSION-DIGEST        all that ran, for the owner only; the digest is of how the machine was built
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from workhand.errors import SandboxError, SandboxUnavailable
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.gvisor import open_gvisor
from workhand.sandbox.probe import Kind
from workhand.sandbox.spec import MachineSpec

PART = "part"
DIGITS = 16


@dataclass(frozen=True, slots=True)
class Image:
    """What one machine had in its memory."""

    path: Path
    session: str
    size_bytes: int
    changed_at: float


@dataclass(frozen=True, slots=True)
class Suspended:
    """The machines of sessions at rest: at most so many bytes of them, the latest first."""

    directory: Path
    bytes_max: int

    async def suspend(self, sandbox: DaemonSandbox, spec: MachineSpec) -> None:
        """Close a machine, and keep what runs in it if that can be done."""
        self.forget(spec.session)
        part = self.directory / f"{spec.session}.{PART}"
        try:
            if self.bytes_max > 0 and sandbox.can_checkpoint:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                await sandbox.checkpoint(part)
                part.rename(self.directory / f"{spec.session}-{digest(spec)}")
                self.bound()
        except (SandboxError, OSError):  # then the next machine is a fresh one, as the model is told
            part.unlink(missing_ok=True)
        finally:
            await sandbox.close()

    async def resume(self, spec: MachineSpec, kinds: Sequence[Kind]) -> DaemonSandbox | None:
        """Go on from where a session's machine was suspended, if its kind is among those that are wanted.

        Whatever comes of it, the next machine does not begin there again.
        """
        image = self.directory / f"{spec.session}-{digest(spec)}"
        try:
            return await open_gvisor(spec, image) if "gvisor" in kinds and image.is_file() else None
        except (SandboxUnavailable, OSError):
            return None
        finally:
            self.forget(spec.session)

    def share(self, session: str, fork: str) -> bool:
        """Let a fork go on from there, too, and say whether there was anything."""
        found = list(self.images(session))
        for image in found:
            os.link(image.path, self.directory / f"{fork}-{image.path.name.rpartition('-')[2]}")
        return bool(found)

    def forget(self, session: str) -> None:
        for image in self.images(session):
            image.path.unlink(missing_ok=True)
        (self.directory / f"{session}.{PART}").unlink(missing_ok=True)

    def bound(self) -> None:
        """Give up the oldest machines until the others take no more than they may."""
        left = self.bytes_max
        for image in sorted(self.images(), key=lambda each: each.changed_at, reverse=True):
            left -= image.size_bytes
            if left < 0:
                image.path.unlink(missing_ok=True)

    def images(self, session: str | None = None) -> Iterator[Image]:
        """Give what is there of one session, or of all."""
        for path in sorted(self.directory.glob(f"*-{'?' * DIGITS}")):
            of = path.name.rpartition("-")[0]
            if session is None or session == of:
                with suppress(FileNotFoundError):  # a session has gone on meanwhile
                    found = path.stat()
                    yield Image(path, of, found.st_size, found.st_mtime)


def digest(spec: MachineSpec) -> str:
    """Tell machines apart that could not go on as one another: what is inside, and what we speak with there."""
    inside = Path(__file__).with_name("inside")
    built = (
        spec.daemon_settings({}),
        spec.limits,
        spec.kept is not None,
        str(spec.root),
        spec.trusted,
        sorted(spec.shown),
        sorted(spec.links.items()),
        spec.lent,
        [(module.name, module.read_bytes()) for module in sorted(inside.glob("*.py"))],
    )
    return sha256(repr(built).encode()).hexdigest()[:DIGITS]
