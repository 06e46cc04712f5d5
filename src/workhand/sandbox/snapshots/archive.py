"""Write one snapshot as one file, and read such a file that anybody may have made.

It is a tar that every tar reads: the manifest, which alone is believed, and the files below ``tree``.
Reading takes nothing from a tar but the content of regular files that the manifest names, in the size and
with the digest that it states: no path, mode, owner or link comes from elsewhere.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from workhand.errors import LimitReached, SandboxError
from workhand.sandbox.snapshots import content, layers, manifest
from workhand.sandbox.snapshots.manifest import ROOT, Manifest, Node

MANIFEST, TREE = "manifest.json", "tree"
MANIFEST_BYTES_PER_NODE_MAX = 12_000  # a path and a target, both in full length and all of it escaped
LEVEL = 3
KINDS = {"directory": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE}


def write(file: Path, held: Manifest, source: Callable[[str], Path]) -> None:
    """Write an archive, whole or not at all."""
    import zstandard

    part = file.with_name(f"{file.name}.part")
    with (
        part.open("wb") as raw,
        zstandard.ZstdCompressor(level=LEVEL).stream_writer(raw) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        stated = manifest.encode(held)
        first = tarfile.TarInfo(MANIFEST)
        first.size = len(stated)
        tar.addfile(first, io.BytesIO(stated))
        for path, node in sorted(held.items()):
            member = _member(path, node)
            if node.kind == "file":
                with source(path).open("rb") as kept:
                    tar.addfile(member, kept)
            else:
                tar.addfile(member)
    part.replace(file)


def _member(path: str, node: Node) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{TREE}/{path}" if path != ROOT else TREE)
    member.type, member.mode, member.size = KINDS[node.kind], node.mode, node.size
    member.mtime = node.mtime_ns // 1_000_000_000
    if node.kind == "link":
        member.linkname, member.mode = node.content, 0o777
    return member


def read(file: Path, staged: Path, *, bytes_max: int, nodes_max: int) -> tuple[Manifest, layers.Fill]:
    """Read an archive into files in ``staged``; give what it holds, and what puts it in place.

    Raises ``SandboxError`` for whatever is wrong with it."""
    import zstandard

    copies: dict[str, Path] = {}
    try:
        with (
            file.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            held = _stated(tar, bytes_max, nodes_max)
            files = {path for path, node in held.items() if node.kind == "file"}
            for member in tar:
                path = member.name.removeprefix(f"{TREE}/")
                if member.isreg() and path in files and path not in copies:
                    copies[path] = staged / str(len(copies))
                    _keep(tar, member, copies[path], held[path])
    except (tarfile.TarError, zstandard.ZstdError, EOFError, LimitReached) as error:
        raise SandboxError(f"{str(file)!r} is not an archive that can be taken in: {error}") from error
    if missing := files.difference(copies):
        raise SandboxError(f"{str(file)!r} lacks {min(missing)!r} and may lack more; it was cut short.")

    def fill(path: str, target: Path) -> None:
        copies[path].rename(target)
        layers.finish(target, held[path])

    return held, fill


def _stated(tar: tarfile.TarFile, bytes_max: int, nodes_max: int) -> Manifest:
    first = tar.next()
    stated = tar.extractfile(first) if first is not None and first.name == MANIFEST and first.isreg() else None
    if first is None or stated is None or first.size > nodes_max * MANIFEST_BYTES_PER_NODE_MAX:
        raise SandboxError("The archive does not begin with a manifest of a size that can be.")
    held = manifest.decode(stated.read())
    if len(held) > nodes_max:
        raise LimitReached("files in a workspace", len(held), nodes_max)
    if (size := sum(node.size for node in held.values())) > bytes_max:
        raise LimitReached("bytes of snapshots", size, bytes_max)
    return held


def _keep(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, node: Node) -> None:
    given = tar.extractfile(member)
    if given is None or member.size != node.size:
        raise SandboxError(f"The archive holds {member.name!r} in another size than it states.")
    with target.open("xb+", buffering=0) as copy:
        while chunk := given.read(content.CHUNK_BYTES):
            copy.write(chunk)
        if content.digest(copy.fileno(), bytes_max=node.size) != (node.content, node.size):
            raise SandboxError(f"The archive holds {member.name!r} with another content than it states.")
