"""Remember what each file of a workspace held, so that only what has changed is read again.

A file is taken to be unchanged while its inode, size, mode and both times are: nobody without the
clock in his hands can set the time of a change back.  A time has a grain, though; a file that
was changed within it before being read could be changed again unseen, so that one is not
remembered.  The index is a cache: where it is missing or damaged, everything is read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

Mark: TypeAlias = tuple[int, int, int, int, int]
GRAIN_NS = 20_000_000  # two ticks of the slowest kernel


@dataclass(frozen=True, slots=True)
class Known:
    mark: Mark
    content: str


Index: TypeAlias = Mapping[str, Known]


def mark_of(status: os.stat_result) -> Mark:
    return (status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_mode)


def is_settled(ctime_ns: int, now_ns: int) -> bool:
    """Say whether any change from this instant on gives a file another time."""
    return ctime_ns < now_ns - GRAIN_NS


def place(directory: Path, workspace: Path) -> Path:
    """Say where the index of a workspace is kept."""
    return directory / (sha256(os.fsencode(workspace)).hexdigest()[:32] + ".json")


def read(path: Path) -> Index:
    """Read the index of a workspace; nothing if there is none."""
    try:
        stated = json.loads(path.read_bytes())
        return {name: Known(_mark(mark), str(content)) for name, (mark, content) in stated["known"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError):  # Cut short, or of another version.
        return {}


def write(path: Path, known: Index, workspace: Path) -> None:
    """Write the index of a workspace, whole or not at all."""
    rows = {name: (each.mark, each.content) for name, each in known.items()}
    stated = {"workspace": str(workspace), "known": rows}
    part = path.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}.part")
    part.write_text(json.dumps(stated, separators=(",", ":")), encoding="ascii")
    part.replace(path)


def _mark(stated: list[int]) -> Mark:
    inode, ctime_ns, mtime_ns, size, mode = stated
    return (inode, ctime_ns, mtime_ns, size, mode)


def collect(directory: Path) -> None:
    """Remove the indexes of workspaces that are gone."""
    for path in directory.glob("*.json"):
        try:
            workspace = str(json.loads(path.read_bytes())["workspace"])
        except (ValueError, TypeError, KeyError):
            workspace = ""
        if not workspace or not os.path.isdir(workspace):
            path.unlink(missing_ok=True)
