"""What a workspace held: a path to a node for each thing in it, and what lies between two such manifests.

A manifest is compared, named and written by its content alone, so equal workspaces have equal
names wherever they are.  Owners are left out, since a workspace changes hands; so are the times of
directories, which say nothing, and the bits that lend an owner's rights, which a copy that is
the host's must never have.  Paths are the kernel's bytes, decoded as ``os.fsdecode`` does, and
may hold what no text may; JSON in ASCII carries that, and canonical JSON would refuse it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias, get_args

from workhand.errors import SandboxError

Kind: TypeAlias = Literal["directory", "file", "link"]
MODE_MASK = 0o1777
ROOT = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in a workspace."""

    kind: Kind
    mode: int = 0  # of a directory or a file
    size: int = 0  # of a file, in bytes
    mtime_ns: int = 0  # of a file
    content: str = ""  # the SHA-256 of a file, the target of a link


Manifest: TypeAlias = Mapping[str, Node]
EMPTY: Manifest = {}


@dataclass(frozen=True, slots=True)
class Change:
    """What one manifest has over another: a layer is exactly this."""

    put: Manifest  # what is not the same, and every directory above it
    gone: tuple[str, ...]  # what is not there any more


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def difference(before: Manifest, after: Manifest) -> Change:
    """Say what turns one manifest into another."""
    gone = sorted(path for path in before if path not in after)
    put = {path for path, node in after.items() if before.get(path) != node}
    touched = [*put, *gone]
    while touched:
        above = parent_of(touched.pop())
        if above not in put and above in after and after[above].kind == "directory":
            put.add(above)
            touched.append(above)
    return Change({path: after[path] for path in sorted(put)}, tuple(gone))


def applied(change: Change, before: Manifest) -> Manifest:
    """Give the manifest that a change makes of another."""
    after = dict(before)
    for path in change.gone:
        after.pop(path, None)
    return after | dict(change.put)


def hidden(change: Change, after: Manifest) -> list[str]:
    """Give the paths that a layer must hide in those below it: the rest went with a directory, or behind a file."""
    return [path for path in change.gone if (above := after.get(parent_of(path))) and above.kind == "directory"]


def name_of(manifest: Manifest) -> str:
    """Give the id of the snapshot that holds this."""
    return sha256(_json(_rows(manifest))).hexdigest()[:32]


def name_of_change(change: Change) -> str:
    return sha256(encode_change(change)).hexdigest()[:32]


def encode(manifest: Manifest) -> bytes:
    return _json(_rows(manifest))


def encode_change(change: Change) -> bytes:
    return _json({"put": _rows(change.put), "gone": list(change.gone)})


def decode(raw: bytes) -> Manifest:
    """Read a manifest that anybody may have written."""
    manifest = _nodes(_load(raw))
    for path in manifest:
        if path != ROOT and ((above := manifest.get(parent_of(path))) is None or above.kind != "directory"):
            raise SandboxError(f"The manifest holds {path!r} in what is not a directory; its archive is damaged.")
    if ROOT not in manifest or manifest[ROOT].kind != "directory":
        raise SandboxError("The manifest holds no workspace; its archive is damaged.")
    return manifest


def decode_change(raw: bytes) -> Change:
    stated = _load(raw)
    gone = stated.get("gone")
    put = stated.get("put")
    if not isinstance(gone, list) or not isinstance(put, dict) or not all(isinstance(path, str) for path in gone):
        raise SandboxError("A layer's list of changes cannot be read; `check` says which snapshots it touches.")
    return Change(_nodes(put), tuple(map(str, gone)))


def _rows(manifest: Manifest) -> dict[str, list[str | int]]:
    return {path: [node.kind, node.mode, node.size, node.mtime_ns, node.content] for path, node in manifest.items()}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _load(raw: bytes) -> dict[str, object]:
    try:
        loaded = json.loads(raw)
    except ValueError as error:
        raise SandboxError(f"A manifest is not JSON: {error}; it is damaged.") from error
    if not isinstance(loaded, dict):
        raise SandboxError(f"A manifest is a {type(loaded).__name__!r} and not an object; it is damaged.")
    return loaded


def _nodes(rows: dict[str, object]) -> dict[str, Node]:
    return {_path(path): _node(path, row) for path, row in rows.items()}


def _path(path: str) -> str:
    parts = path.split("/") if path else []
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise SandboxError(f"The manifest holds the path {path!r}, which no workspace has; it is damaged.")
    return path


def _node(path: str, row: object) -> Node:
    match row:
        case [str(kind), int(mode), int(size), int(mtime_ns), str(content)] if (
            kind in get_args(Kind) and 0 <= mode <= MODE_MASK and size >= 0 and "\0" not in content
        ):
            return Node(kind, mode & MODE_MASK, size, mtime_ns, content)  # type: ignore[arg-type] # one of the kinds
        case _:
            raise SandboxError(f"The manifest says {row!r} of {path!r}, which cannot be read; it is damaged.")
