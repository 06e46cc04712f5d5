"""Hold what a store is made of on the disk: where things are, who may touch them now, how they appear.

Everything is made in ``staging`` and appears by one rename, so a kill leaves either nothing or all of it.
Whoever adds or reads holds the shared lock; whoever removes holds it alone, and may then take what
is in ``staging`` to be a dead process's.  The kernel drops a lock with its process.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workhand.errors import SandboxError

LOCK_WAIT_S, LOCK_POLL_S = 60.0, 0.02
FORMAT = 1
NAME = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The directories of one store."""

    directory: Path

    @property
    def layers(self) -> Path:
        return self.directory / "layers"

    @property
    def snapshots(self) -> Path:
        return self.directory / "snapshots"

    @property
    def forks(self) -> Path:
        return self.directory / "forks"

    @property
    def indexes(self) -> Path:
        return self.directory / "indexes"

    @property
    def staging(self) -> Path:
        return self.directory / "staging"

    def open(self) -> None:
        """Make what is missing, and sweep what a killed process has left, unless somebody is at work."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (self.layers, self.snapshots, self.forks, self.indexes, self.staging):
            each.mkdir(mode=0o700, exist_ok=True)
        with self._locked(fcntl.LOCK_EX, wait_s=0) as held:
            if held:
                self._sweep()

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._locked(fcntl.LOCK_SH, wait_s=LOCK_WAIT_S) as held:
            if not held:
                raise SandboxError(f"The snapshots in {str(self.directory)!r} are being collected; try again.")
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._locked(fcntl.LOCK_EX, wait_s=LOCK_WAIT_S) as held:
            if not held:
                raise SandboxError(f"The snapshots in {str(self.directory)!r} are in use; try again.")
            self._sweep()
            yield

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Give an empty directory to make something in; what has not been renamed away is removed."""
        made = Path(tempfile.mkdtemp(dir=self.staging))
        try:
            yield made
        finally:
            if made.exists():
                shutil.rmtree(made)

    def chain(self, snapshot: str) -> list[Path]:
        """Give the layers of a snapshot, the topmost first."""
        try:
            stated = json.loads(self._record(snapshot).read_bytes())
            names = [str(name) for name in stated["layers"]]
        except FileNotFoundError as error:
            raise SandboxError(f"There is no snapshot {snapshot!r}; it was collected, or never taken.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise SandboxError(f"The snapshot {snapshot!r} cannot be read: {error!r}.") from error
        if not all(NAME.fullmatch(name) for name in names):
            raise SandboxError(f"The snapshot {snapshot!r} names layers that there cannot be: {names!r}.")
        return [self.layers / name for name in names]

    def write(self, snapshot: str, chain: list[Path]) -> None:
        """Let a snapshot appear, or stand on other layers."""
        with self.staged() as made:
            part = made / "record"
            part.write_text(json.dumps({"format": FORMAT, "layers": [layer.name for layer in chain]}), encoding="ascii")
            part.replace(self._record(snapshot))

    def has(self, snapshot: str) -> bool:
        return self._record(snapshot).exists()

    def renew(self, snapshot: str) -> None:
        """Make a snapshot young, since it was asked for again."""
        os.utime(self._record(snapshot))

    def written_s(self, snapshot: str) -> float:
        return self._record(snapshot).stat().st_mtime

    def forget(self, snapshot: str) -> None:
        self._record(snapshot).unlink()

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.snapshots.glob("*.json"))

    def drop(self, path: Path) -> None:
        """Remove a directory of the store at once, and then what was in it."""
        with self.staged() as made:
            path.rename(made / "dropped")

    def _record(self, snapshot: str) -> Path:
        if not NAME.fullmatch(snapshot):
            raise SandboxError(f"{snapshot!r} is not the id of a snapshot, which has 32 hexadecimal digits.")
        return self.snapshots / f"{snapshot}.json"

    def _sweep(self) -> None:
        for left in self.staging.iterdir():
            shutil.rmtree(left)
        for part in self.indexes.glob("*.part"):
            part.unlink()

    @contextmanager
    def _locked(self, kind: int, *, wait_s: float) -> Iterator[bool]:
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _lock(descriptor, kind, time.monotonic() + wait_s)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, kind: int, until_s: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                return False
            time.sleep(LOCK_POLL_S)
        else:
            return True
