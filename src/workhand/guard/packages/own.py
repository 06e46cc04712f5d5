"""Wheels that a person gives: what they say of themselves is checked, and their projects are asked of no index.

Whoever can put a name into an index that is asked decides what is installed by it; a name of one's own is thus safe
only if no index hears of it.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from email import message_from_bytes
from pathlib import Path

from workhand.guard.packages.pages import Offered, normal, plain, project_of
from workhand.guard.packages.wheels import Kept, Wheels, digest

METADATA_BYTES_MAX = 4 << 20
UNREADABLE = (zipfile.BadZipFile, RuntimeError, EOFError, OSError, zlib.error)
"""What ``zipfile`` raises for an archive that is damaged, cut off, locked, or packed in an unknown way."""


class NoWheel(ValueError):
    """A file that cannot be installed by its name; the sentence says why."""


def add(wheels: Wheels, file: Path) -> Kept:
    """Keep a wheel of the person's own.  Raises ``NoWheel``."""
    with wheels.part() as part:
        shutil.copyfile(file, part)  # what is checked is what is kept
        project, requires = _checked(part, file.name)
        offered = Offered(file.name, digest(part), requires_python=requires)
        size = part.stat().st_size
        wheels.put(part, offered.sha256)
    wheels.record(project, offered, own=True)
    return Kept(project, offered, size, own=True)


def _checked(content: Path, filename: str) -> tuple[str, str]:
    """Give the project of a wheel, and what it requires of Python."""
    project = project_of(filename, sdists=False)
    if not project:
        raise NoWheel("its name is none of a wheel, such as thing-1.0-py3-none-any.whl")
    version = filename.split("-")[1]
    try:
        with zipfile.ZipFile(content) as archive:
            heads = [name for name in archive.namelist() if _is_head(name, project)]
            if len(heads) != 1:
                raise NoWheel(f"it has no metadata of {project}")
            with archive.open(heads[0]) as opened:
                said = message_from_bytes(opened.read(METADATA_BYTES_MAX))
    except UNREADABLE as error:
        raise NoWheel(f"it cannot be read as an archive: {error}") from error
    stated = (normal(str(said.get("Name", ""))), _alike(str(said.get("Version", ""))))
    if stated != (project, _alike(version)):
        raise NoWheel(f"its metadata is that of {stated[0] or 'no project'} {stated[1]}".rstrip())
    return project, plain(str(said.get("Requires-Python", "")))


def _is_head(name: str, project: str) -> bool:
    folder, _, file = name.partition("/")
    return file == "METADATA" and folder.endswith(".dist-info") and normal(folder.partition("-")[0]) == project


def _alike(version: str) -> str:
    """Give a version as names of files have it, where a hyphen is none."""
    return plain(version).replace("-", "_").lower()
