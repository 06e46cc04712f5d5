"""Keep layers: directories that hold what one change put there, and that are never written again.

A layer is named by its change, so two equal changes are one layer.  It is laid out as overlayfs wants it:
files, links and directories at their paths, and a device 0/0 where something below is to be hidden.  No
layer needs to be opaque, because every path that is gone is named.  Who is not root can make
no such device; his layers serve for copying only, and say so.

What a manifest says of a path is in the topmost layer of its chain that has that path: a layer
holds whatever is not the same as below it.  Nothing in a layer belongs to anybody but the host
or has more than ordinary permissions.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from workhand.errors import SandboxError
from workhand.sandbox.snapshots import content, manifest
from workhand.sandbox.snapshots.manifest import Change, Manifest, Node

LAYER, TREE, CHANGE, ABOUT = "layer", "tree", "change.json", "about.json"
FORMAT = 1
BYTES_MAX = 1 << 62

Fill: TypeAlias = Callable[[str, Path], None]


@dataclass(frozen=True, slots=True)
class About:
    """What is to be known of a layer without reading it."""

    size: int  # of the files in it, in bytes
    stackable: bool  # root made it, with everything hidden that is gone
    merged: tuple[str, ...]  # the layers whose files it has, too, without using more of the disk


def about(layer: Path) -> About:
    try:
        stated = json.loads((layer / ABOUT).read_bytes())
        return About(int(stated["size"]), bool(stated["stackable"]), tuple(map(str, stated["merged"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SandboxError(
            f"The layer {layer.name!r} cannot be read: {error!r}; `check` says what it touches."
        ) from error


def change_of(layer: Path) -> Change:
    try:
        return manifest.decode_change((layer / CHANGE).read_bytes())
    except FileNotFoundError as error:
        raise SandboxError(f"The layer {layer.name!r} is missing; `check` says which snapshots it touches.") from error


def folded(layers: Sequence[Path]) -> Manifest:
    """Give the manifest that a chain of layers, the topmost first, comes to."""
    found: Manifest = manifest.EMPTY
    for layer in reversed(layers):
        found = manifest.applied(change_of(layer), found)
    return found


def locate(layers: Sequence[Path], path: str) -> Path:
    """Find the copy of a file in a chain of layers."""
    for layer in layers:
        copy = layer / TREE / path
        try:
            status = copy.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(status.st_mode):
            return copy
    raise SandboxError(f"No layer has the file {path!r}; `check` says which snapshots are damaged.")


def complete(staged: Path, change: Change, after: Manifest, fill: Fill, *, merged: Sequence[str] = ()) -> str:
    """Lay out a layer in ``staged`` and give its name; ``fill`` puts the content of a path where it is to be."""
    tree = staged / LAYER / TREE
    tree.mkdir(parents=True)
    for path, node in change.put.items():
        match node.kind:
            case "directory":
                (tree / path).mkdir(exist_ok=True)
            case "link":
                os.symlink(node.content, tree / path)
            case "file":
                fill(path, tree / path)
    stackable = os.geteuid() == 0 and all(_hide(tree / path) for path in manifest.hidden(change, after))
    for path, node in sorted(change.put.items(), reverse=True):
        if node.kind == "directory":
            (tree / path).chmod(node.mode | _needed(stat.S_IRWXU))
    size = sum(node.size for node in change.put.values())
    stated = {"format": FORMAT, "size": size, "stackable": stackable, "merged": list(merged)}
    (staged / LAYER / CHANGE).write_bytes(manifest.encode_change(change))
    (staged / LAYER / ABOUT).write_text(json.dumps(stated), encoding="ascii")
    return manifest.name_of_change(change)


def finish(copy: Path, node: Node) -> None:
    """Give the copy of a file its mode and its time."""
    copy.chmod(node.mode | _needed(stat.S_IRUSR))
    os.utime(copy, ns=(node.mtime_ns, node.mtime_ns))


def _needed(mode: int) -> int:
    """Give what a copy's mode must have for us to read it: root needs nothing."""
    return 0 if os.geteuid() == 0 else mode


def _hide(path: Path) -> bool:
    try:
        os.mknod(path, stat.S_IFCHR, 0)
    except PermissionError:  # A root that may not make devices, as in most containers.
        return False
    return True


def publish(staged: Path, layers: Path, name: str) -> Path:
    """Let a layer that was laid out appear, unless an equal one is there."""
    target = layers / name
    try:
        (staged / LAYER).rename(target)
    except OSError:
        if not (target / ABOUT).exists():
            raise
    return target


def merge(staged: Path, chain: Sequence[Path], whole: Manifest) -> str:
    """Make one layer of a chain: its files are the same files under more names, so it costs no content."""
    change = manifest.difference(manifest.EMPTY, whole)
    merged = [layer.name for layer in chain]
    return complete(staged, change, whole, lambda path, target: _link(locate(chain, path), target), merged=merged)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        shutil.copy2(source, target)  # It has as many names as the file system allows.


def faults(layer: Path) -> list[str]:
    """Say what of a layer is not as it was made."""
    try:
        change = change_of(layer)
        about(layer)
    except SandboxError as error:
        return [str(error)]
    found = [] if manifest.name_of_change(change) == layer.name else [f"The layer {layer.name!r} has another change."]
    return found + [
        f"The layer {layer.name!r} does not hold {path!r} as it was."
        for path, node in change.put.items()
        if not _holds(layer / TREE / path, node)
    ]


def _holds(path: Path, node: Node) -> bool:
    try:
        match node.kind:
            case "directory":
                return stat.S_ISDIR(path.lstat().st_mode)
            case "link":
                return os.readlink(path) == node.content
            case "file":
                status = path.lstat()
                held = (
                    stat.S_IFMT(status.st_mode),
                    stat.S_IMODE(status.st_mode) | _needed(stat.S_IRUSR),
                    status.st_mtime_ns,
                )
                if held != (stat.S_IFREG, node.mode | _needed(stat.S_IRUSR), node.mtime_ns):
                    return False
                with path.open("rb") as kept:
                    return content.digest(kept.fileno(), bytes_max=BYTES_MAX) == (node.content, node.size)
    except OSError:
        return False
