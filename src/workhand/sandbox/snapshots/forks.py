"""Keep what a fork is made of, so that it can be mounted again and nobody removes what it stands on.

A fork is a directory here: what it stands on, and what was written to it since.  It is complete when it
appears and is there until it is discarded; the mount is only how it is seen, and is gone after a
restart of the host.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from workhand.errors import SandboxError
from workhand.sandbox.slots import give
from workhand.sandbox.snapshots import layers, overlay
from workhand.sandbox.snapshots.mounting import UPPER

RECORD = "fork.json"


@dataclass(frozen=True, slots=True)
class Fork:
    """A directory that stands on layers."""

    target: str
    snapshot: str
    layers: tuple[str, ...]  # the topmost first
    uid: int | None  # whose the files are


def place(directory: Path, target: Path) -> Path:
    """Say where the fork that is seen at a target is kept."""
    return directory / sha256(os.fsencode(target)).hexdigest()[:16]


def read(place: Path) -> Fork | None:
    try:
        stated = json.loads((place / RECORD).read_bytes())
        return Fork(stated["target"], stated["snapshot"], tuple(stated["layers"]), stated["uid"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise SandboxError(f"The fork in {str(place)!r} cannot be read: {error!r}; `discard` removes it.") from error


def every(directory: Path) -> Iterator[Fork]:
    for each in sorted(directory.iterdir()):
        if (found := read(each)) is not None:
            yield found


def is_written(place: Path) -> bool:
    """Say whether a fork holds anything that it did not begin with."""
    upper = place / UPPER
    return upper.is_dir() and any(upper.iterdir())


def make(staged: Path, fork: Fork, mode: int, place: Path) -> None:
    """Let a fork appear, not mounted yet."""
    upper = staged / UPPER
    upper.mkdir()
    if fork.uid is not None:
        os.chown(upper, fork.uid, fork.uid)
    upper.chmod(mode)
    write(staged, fork)
    staged.rename(place)


def write(place: Path, fork: Fork) -> None:
    part = place / f"{RECORD}.part"
    part.write_text(json.dumps(asdict(fork)), encoding="ascii")
    part.replace(place / RECORD)


def show(place: Path, fork: Fork, kept: Path) -> None:
    trees = [kept / name / layers.TREE for name in fork.layers]
    overlay.mount(place, trees, Path(fork.target), fork.uid)


def hand_over(place: Path, fork: Fork, uid: int) -> Fork:
    """Give a fork that is not mounted to another user: what was written to it, since the rest is mapped."""
    upper = place / UPPER
    give(upper, uid)
    given = Fork(fork.target, fork.snapshot, fork.layers, uid)
    write(place, given)
    return given
