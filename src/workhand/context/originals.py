"""Where a context keeps what it shows only in part: in memory, in a directory, or with a function of the caller.

Paths are relative and start with ``.workhand/``; they stand in what the model
reads.  If the directory is the one that the agent's own file tools work in, the
model can open an original there by itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from workhand.errors import ConfigError, StoreError


class Originals(Protocol):
    def keep(self, path: str, content: bytes) -> None:
        """Keep content whole at a path, and be done with it when this returns."""
        ...

    def read(self, path: str) -> bytes:
        """Give what is at a path.  Raises ``StoreError`` if nothing is."""
        ...

    def has(self, path: str) -> bool: ...


class Memory:
    """Originals that last as long as the context does."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def keep(self, path: str, content: bytes) -> None:
        self._files[path] = content

    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise StoreError(f"Nothing is kept at {path!r}; give the context the place where its originals are.")
        return self._files[path]

    def has(self, path: str) -> bool:
        return path in self._files


class Directory:
    """Originals as files under one directory, which links in it cannot lead out of."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, path: str, content: bytes) -> None:
        target = self._inside(path)
        if target is None:
            raise ConfigError(f"{path!r} leads out of {str(self._root)!r}; remove the link that is in its way.")
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise

    def read(self, path: str) -> bytes:
        target = self._inside(path)
        try:
            if target is not None:
                return target.read_bytes()
        except OSError as error:
            raise StoreError(f"{path!r} cannot be read in {str(self._root)!r} ({error.strerror}).") from error
        raise StoreError(f"{path!r} leads out of {str(self._root)!r}, and is not read.")

    def has(self, path: str) -> bool:
        target = self._inside(path)
        return target is not None and target.exists()

    def _inside(self, path: str) -> Path | None:
        """Give where a path leads, unless that is out of the directory."""
        root = self._root.resolve()
        target = (root / path).resolve()
        return target if target.is_relative_to(root) else None


class Handed:
    """Originals that a function of the caller takes, and that only the caller can give back."""

    def __init__(self, take: Callable[[str, bytes], None]) -> None:
        self._take = take
        self._paths: set[str] = set()

    def keep(self, path: str, content: bytes) -> None:
        self._take(path, content)
        self._paths.add(path)

    def read(self, path: str) -> bytes:
        raise StoreError(f"{path!r} was handed to the function that keeps originals; read it where that put it.")

    def has(self, path: str) -> bool:
        return path in self._paths


Keep: TypeAlias = Originals | Path | Callable[[str, bytes], None] | None


def originals(keep: Keep) -> Originals:
    """Give the place that a caller named: nothing is memory, a path a directory, a function takes them."""
    if keep is None:
        return Memory()
    if isinstance(keep, Path):
        return Directory(keep)
    return Handed(keep) if callable(keep) else keep
