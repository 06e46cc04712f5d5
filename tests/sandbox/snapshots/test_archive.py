"""One snapshot as one file: whole for another store, and nothing of it is believed unchecked."""

from __future__ import annotations

import io
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from tests.sandbox.snapshots.world import NAMES, read
from workhand.errors import SandboxError
from workhand.sandbox.snapshots.manifest import Node, encode
from workhand.sandbox.snapshots.store import SnapshotLimits, Store, Taken

DIRECTORY = Node("directory", 0o755)
CONTENT = b"content"
FILE = Node("file", 0o644, len(CONTENT), 5, sha256(CONTENT).hexdigest())


def test_an_archive_is_the_same_snapshot_in_another_store(store: Store, workspace: Path, tmp_path: Path) -> None:
    for name in NAMES:
        (workspace / name).mkdir(mode=0o710)
        (workspace / name / "file").write_text(ascii(name))
        (workspace / name / "link").symlink_to("/nowhere")
    taken = store.take(workspace)
    assert isinstance(taken, Taken)
    store.archive(taken.id, tmp_path / "archive")
    other = Store(tmp_path / "other")
    assert other.unarchive(tmp_path / "archive") == other.unarchive(tmp_path / "archive") == taken.id
    other.fork(taken.id, tmp_path / "fork", overlay=False)
    assert (read(tmp_path / "fork"), other.check()) == (read(workspace), ())


def test_any_tar_reads_an_archive(store: Store, workspace: Path, tmp_path: Path) -> None:
    (workspace / "folder").mkdir()
    (workspace / "folder" / "file").write_text("text")
    (workspace / "link").symlink_to("folder")
    taken = store.take(workspace)
    assert isinstance(taken, Taken)
    store.archive(taken.id, tmp_path / "archive")
    with (tmp_path / "archive").open("rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file).read()
    listed = subprocess.run(["tar", "-t"], input=plain, capture_output=True, check=True).stdout.decode().split()
    assert listed == ["manifest.json", "tree/", "tree/folder/", "tree/folder/file", "tree/link"]


def archive(path: Path, manifest: bytes, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    """Write an archive as an attacker may."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for member, content in ((tarfile.TarInfo("manifest.json"), manifest), *members):
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.write_bytes(zstandard.compress(plain.getvalue()))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


HELD = encode({"": DIRECTORY, "file": FILE})
HOSTILE = {
    "no manifest": (b"", ()),
    "a file that is not there": (HELD, ()),
    "another content": (HELD, ((member("tree/file"), b"CONTENT"),)),
    "another size": (HELD, ((member("tree/file"), b"content and more"),)),
    "a link for a file": (HELD, ((member("tree/file", tarfile.SYMTYPE, "/etc/passwd"), b""),)),
    "a hard link for a file": (HELD, ((member("tree/file", tarfile.LNKTYPE, "/etc/passwd"), b""),)),
    "a path that leads out": (encode({"": DIRECTORY, "../file": FILE}), ((member("tree/../file"), CONTENT),)),
    "a path through a link": (
        encode({"": DIRECTORY, "a": Node("link", content="/tmp"), "a/file": FILE}),
        ((member("tree/a/file"), CONTENT),),
    ),
    "a set-uid bit": (encode({"": DIRECTORY, "file": Node("file", 0o4755, 7, 5, FILE.content)}), ()),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_that_lies_is_refused_and_leaves_nothing(store: Store, tmp_path: Path, kind: str) -> None:
    manifest, members = HOSTILE[kind]
    archive(tmp_path / "archive", manifest, *members)
    with pytest.raises(SandboxError):
        store.unarchive(tmp_path / "archive")
    left = [path for name in ("staging", "layers", "snapshots") for path in (tmp_path / "store" / name).iterdir()]
    assert left == []


def test_members_that_the_manifest_does_not_name_are_not_taken(store: Store, tmp_path: Path) -> None:
    others = (
        (member("tree/more"), b"more"),
        (member("../../out"), b"out"),
        (member("tree/dev", tarfile.CHRTYPE), b""),
        (member("tree/file"), CONTENT),
        (member("tree/file"), b"twice"),
    )
    archive(tmp_path / "archive", HELD, *others)
    snapshot = store.unarchive(tmp_path / "archive")
    store.fork(snapshot, tmp_path / "fork", overlay=False)
    assert (set(read(tmp_path / "fork")), store.check()) == ({"", "file"}, ())


@pytest.mark.parametrize("limits", [SnapshotLimits(quota_bytes=6), SnapshotLimits(nodes_max=1)])
def test_an_archive_past_the_limits_is_refused(store: Store, tmp_path: Path, limits: SnapshotLimits) -> None:
    archive(tmp_path / "archive", HELD, (member("tree/file"), CONTENT))
    with pytest.raises(SandboxError, match="limit"):
        store.unarchive(tmp_path / "archive", limits=limits)


@pytest.mark.parametrize("cut", [0, 10, 80])
def test_an_archive_that_was_cut_short_is_refused(store: Store, tmp_path: Path, cut: int) -> None:
    archive(tmp_path / "archive", HELD, (member("tree/file"), CONTENT))
    whole = (tmp_path / "archive").read_bytes()
    (tmp_path / "archive").write_bytes(whole[:cut])
    with pytest.raises(SandboxError):
        store.unarchive(tmp_path / "archive")
