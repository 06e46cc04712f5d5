"""The files of packages that this installation keeps: by digest, with a record for each name.

    files/SHA256                      the content, checked when it came
    projects/NAME/FILENAME.json       which content a file has, and what its page said of it

Several processes may read and write here at once: everything is made beside its place and put there whole.  When
there is too much, what was used longest ago goes first, but nothing of the person's own: without it, an index would be
asked for its project.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from workhand.guard.packages.pages import Offered

CHUNK_BYTES = 1 << 20
FILES_MAX = 20_000


class Mismatch(ValueError):
    """A content that is not the one that was announced."""


@dataclass(frozen=True, slots=True)
class Kept:
    project: str
    offered: Offered
    size_bytes: int
    own: bool  # given by the person: its project is asked of no index


@dataclass(frozen=True, slots=True)
class Wheels:
    directory: Path
    bytes_max: int = 4 << 30

    def kept(self, project: str = "*") -> tuple[Kept, ...]:
        """Give what is kept, of one project or of all."""
        found = (self._read(file) for file in sorted(self.directory.glob(f"projects/{project}/*.json")))
        return tuple(each for each in found if each is not None)

    def path(self, sha256: str) -> Path | None:
        """Give the content of a digest, and have it count as used now; nothing if it is not here."""
        path = self.directory / "files" / sha256
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    @contextmanager
    def part(self) -> Iterator[Path]:
        """Give the path of a file to be written, which is gone afterwards unless it was put in its place."""
        folder = self.directory / "files"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f".{secrets.token_hex(8)}.part"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def put(self, part: Path, sha256: str) -> Path:
        """Keep a content under its digest.  Raises ``Mismatch`` if it has another."""
        if digest(part) != sha256:
            raise Mismatch("its content is not the one that the index announced")
        place = self.directory / "files" / sha256
        part.chmod(0o600)
        part.replace(place)
        self._make_room(place)
        return place

    def record(self, project: str, offered: Offered, *, own: bool = False) -> None:
        """Have a content that is kept be found by its name."""
        folder = self.directory / "projects" / project
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"{offered.filename}.json"
        part = folder / f".{secrets.token_hex(8)}.part"
        part.write_text(json.dumps({**asdict(replace(offered, url="")), "own": own}))
        part.replace(place)

    def clear(self, project: str = "") -> tuple[Kept, ...]:
        """Remove what is kept of a project; without one, all that is not the person's own.  Give what went."""
        gone = tuple(each for each in self.kept(project or "*") if project or not each.own)
        for each in gone:
            (self.directory / "projects" / each.project / f"{each.offered.filename}.json").unlink(missing_ok=True)
        stay = {name for each in self.kept() for name in (each.offered.sha256, each.offered.metadata_sha256)}
        names = {name for each in gone for name in (each.offered.sha256, each.offered.metadata_sha256)}
        for path in self.directory.glob("files/*"):
            if path.name not in stay and (path.name in names or not project):
                path.unlink(missing_ok=True)
        return gone

    def _read(self, file: Path) -> Kept | None:
        """Read a record; what has lost its content is none, and goes."""
        try:
            stated = json.loads(file.read_bytes())
            own = stated.pop("own")
            offered = Offered(**stated)
            size = (self.directory / "files" / offered.sha256).stat().st_size
        except FileNotFoundError:
            file.unlink(missing_ok=True)
            return None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return Kept(file.parent.name, offered, size, own)

    def _make_room(self, newest: Path) -> None:
        there: list[tuple[float, int, Path]] = []
        for path in (self.directory / "files").iterdir():
            with suppress(FileNotFoundError):
                if not path.name.startswith(".") and path != newest:
                    there.append((path.stat().st_mtime, path.stat().st_size, path))
        there.sort(reverse=True)
        size, gone = newest.stat().st_size, []
        for number, (_, each, path) in enumerate(there, 1):
            size += each
            if size > self.bytes_max or number >= FILES_MAX:
                gone.append(path)
        own = {each.offered.sha256 for each in self.kept() if each.own} if gone else set()
        for path in gone:
            if path.name not in own:
                path.unlink(missing_ok=True)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
