"""A fork is a directory of its own: its user has all of it, and nothing that he does reaches what it began as."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.sandbox.snapshots.world import Seen, read
from workhand.errors import SandboxError
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.snapshots import overlay
from workhand.sandbox.snapshots.store import Collected, Forked, Store, Taken
from workhand.sandbox.spec import MachineSpec

PARENT_UID, FORK_UID, OTHER_UID = 300_700, 300_701, 300_702
WAYS = ["overlay", "copy"]
PYTHON = "/usr/bin/python3"

ACTS = {
    "write in place": "f = open('file', 'r+b'); f.write(b'CHANGED'); f.close()",
    "truncate": "import os; os.truncate('file', 0)",
    "append": "f = open('folder/file', 'ab'); f.write(b'more'); f.close()",
    "open to overwrite": "open('folder/file', 'w').close()",
    "write through a mapping": (
        "import mmap; f = open('file', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0] = 0; m.flush(); m.close()"
    ),
    "allocate": "import os; f = open('file', 'r+b'); os.posix_fallocate(f.fileno(), 0, 100_000)",
    "copy within": "import os; f = os.open('file', os.O_RDWR); os.copy_file_range(f, f, 4, 0, 20)",
    "change a mode": "import os; os.chmod('file', 0o777); os.chmod('folder', 0o700)",
    "change a time": "import os; os.utime('file', (1, 1)); os.utime('folder', (1, 1))",
    "rename a file": "import os; os.rename('file', 'renamed')",
    "rename over a file": "import os; os.rename('folder/file', 'file')",
    "rename a directory": "import os; os.rename('folder', 'renamed'); open('renamed/file', 'a').write('x')",
    "delete a file": "import os; os.unlink('file')",
    "delete a directory": "import shutil; shutil.rmtree('folder')",
    "put a directory in place of another": "import shutil, os; shutil.rmtree('folder'); os.mkdir('folder')",
    "put a directory in place of a file": "import os; os.unlink('file'); os.mkdir('file')",
    "write under another name": "import os; os.link('file', 'folder/two'); open('folder/two', 'a').write('x')",
    "put a link in place": "import os; os.unlink('file'); os.symlink('/etc/passwd', 'file')",
    "give a link another target": "import os; os.unlink('link'); os.symlink('file', 'link')",
    "add": "open('added', 'w').write('added')",
    "set an attribute": "import os; os.setxattr('file', 'user.name', b'value'); os.chmod('file', 0o711)",
}


def fill(workspace: Path) -> None:
    (workspace / "folder").mkdir()
    (workspace / "folder" / "file").write_text("in a folder")
    (workspace / "file").write_bytes(b"whole" * 1_000)
    (workspace / "link").symlink_to("folder/file")
    (workspace / "private").write_text("private")
    (workspace / "private").chmod(0o600)


def begin(store: Store, workspace: Path) -> str:
    """Take two snapshots, so that a fork stands on two layers, and give the second."""
    fill(workspace)
    first = store.take(workspace)
    assert isinstance(first, Taken)
    (workspace / "added later").write_text("later")
    (workspace / "private").write_text("private still")
    second = store.take(workspace, first.id)
    assert isinstance(second, Taken)
    return second.id


def fork(store: Store, snapshot: str, target: Path, way: str, uid: int | None = FORK_UID) -> None:
    assert store.fork(snapshot, target, uid=uid, overlay=way == "overlay").way == way


def run_as(uid: int, directory: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a directory, as a user who may not walk to it, like one in a sandbox."""
    drop = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--inh-caps=-all"]
    command = [*drop, PYTHON, "-I", "-S", "-B", "-c", code]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=30, check=False)


def stamps(root: Path) -> dict[str, tuple[int, ...]]:
    """Give all that can be changed of files without changing what is in them."""
    found: dict[str, tuple[int, ...]] = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ctime_ns)
    return found


@pytest.mark.parametrize("act", ACTS)
def test_nothing_done_in_an_overlay_reaches_what_it_stands_on(
    store: Store, workspace: Path, tmp_path: Path, act: str, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    for name in ("fork", "sibling"):
        fork(store, snapshot, tmp_path / name, "overlay")
    places = (workspace, tmp_path / "sibling", tmp_path / "store" / "layers")
    before: list[tuple[Seen, dict[str, tuple[int, ...]]]] = [(read(place), stamps(place)) for place in places]
    own, own_stamps = read(tmp_path / "fork"), stamps(tmp_path / "fork")
    done = run_as(FORK_UID, tmp_path / "fork", ACTS[act])
    assert (done.returncode, done.stderr) == (0, "")
    assert (read(tmp_path / "fork"), stamps(tmp_path / "fork")) != (own, own_stamps)
    assert [(read(place), stamps(place)) for place in places] == before
    assert store.check() == ()


@pytest.mark.parametrize("way", WAYS)
def test_all_files_are_the_forks_user_and_nobody_elses(
    store: Store, workspace: Path, tmp_path: Path, way: str, require_overlay: None
) -> None:
    fork(store, begin(store, workspace), tmp_path / "fork", way)
    assert read(tmp_path / "fork") == read(workspace)
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (tmp_path / "fork").rglob("*")}
    assert owners == {(FORK_UID, FORK_UID)}
    reading = "print(open('private').read())"
    assert run_as(FORK_UID, tmp_path / "fork", reading).stdout == "private still\n"
    for uid in (PARENT_UID, OTHER_UID):
        assert "PermissionError" in run_as(uid, tmp_path / "fork", reading).stderr


@pytest.mark.parametrize("way", WAYS)
def test_a_forks_snapshots_are_snapshots_like_any(
    store: Store, workspace: Path, tmp_path: Path, way: str, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    target = tmp_path / "fork"
    fork(store, snapshot, target, way)
    assert store.take(target, snapshot) == Taken(snapshot, 0, 0)
    assert run_as(FORK_UID, target, "import os; os.rename('folder', 'renamed'); os.unlink('file')").returncode == 0
    found = store.take(target, snapshot)
    assert isinstance(found, Taken)
    fork(store, found.id, tmp_path / "second", way, OTHER_UID)
    assert read(tmp_path / "second") == read(target)
    store.restore(target, snapshot, owner=(FORK_UID, FORK_UID))
    assert read(target) == read(workspace)
    assert run_as(FORK_UID, target, "open('folder/file', 'a').write('x')").returncode == 0


def test_a_fork_is_mounted_again_as_it_was_and_for_another_user(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    target = tmp_path / "fork"
    fork(store, begin(store, workspace), target, "overlay")
    assert run_as(FORK_UID, target, "open('file', 'a').write('x'); open('own', 'w').close()").returncode == 0
    seen = read(target)
    store.unmount(target)
    assert (store.is_mounted(target), list(target.iterdir())) == (False, [])
    again = Store(tmp_path / "store")
    again.remount(target)
    again.remount(target)
    assert (again.is_mounted(target), read(target)) == (True, seen)
    again.remount(target, uid=OTHER_UID)
    assert (read(target), {path.lstat().st_uid for path in target.rglob("*")}) == (seen, {OTHER_UID})
    assert run_as(OTHER_UID, target, "open('own', 'w').close(); open('folder/file', 'a').write('x')").returncode == 0
    again.discard(target)
    assert (again.forks(), again.is_mounted(target), list(target.iterdir())) == ((), False, [])


def test_what_a_fork_stands_on_is_never_collected(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    fork(store, snapshot, tmp_path / "fork", "overlay")
    store.unmount(tmp_path / "fork")
    assert store.collect((), young_s=-1) == Collected(snapshots=2, layers=0)
    store.remount(tmp_path / "fork")
    assert read(tmp_path / "fork") == read(workspace)
    store.discard(tmp_path / "fork")
    assert store.collect((), young_s=-1) == Collected(snapshots=0, layers=2)


def test_a_squashed_snapshot_can_be_stacked(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    fork(store, snapshot, tmp_path / "before", "overlay")
    store.squash(snapshot)
    fork(store, snapshot, tmp_path / "after", "overlay")
    assert read(tmp_path / "before") == read(tmp_path / "after") == read(workspace)


def test_a_long_chain_can_be_stacked(store: Store, workspace: Path, tmp_path: Path, require_overlay: None) -> None:
    parent = None
    for number in range(30):
        (workspace / f"file-{number % 7}").write_text(str(number))
        taken = store.take(workspace, parent)
        assert isinstance(taken, Taken)
        parent = taken.id
        if number in (23, 24, 29):
            fork(store, parent, tmp_path / f"fork-{number}", "overlay")
            assert read(tmp_path / f"fork-{number}") == read(workspace)


def test_a_target_with_something_in_it_is_refused(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    fork(store, snapshot, tmp_path / "fork", "overlay")
    for target in (workspace, tmp_path / "fork"):
        with pytest.raises(SandboxError, match="not empty"):
            store.fork(snapshot, target)


def test_a_fork_in_use_is_neither_unmounted_nor_removed(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    fork(store, begin(store, workspace), tmp_path / "fork", "overlay")
    with (tmp_path / "fork" / "file").open(), pytest.raises(SandboxError, match="busy"):
        store.discard(tmp_path / "fork")
    assert read(tmp_path / "fork") == read(workspace)


def test_a_fork_to_a_place_with_odd_signs_is_seen_as_mounted(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    target = tmp_path / "odd \\ : , name\n"
    fork(store, begin(store, workspace), target, "overlay")
    assert (store.is_mounted(target), store.is_mounted(workspace)) == (True, False)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", workspace], check=True)
    try:
        assert not store.is_mounted(workspace)
    finally:
        subprocess.run(["umount", workspace], check=True)


def test_a_fork_of_nothing_is_a_fork(store: Store, workspace: Path, tmp_path: Path, require_overlay: None) -> None:
    taken = store.take(workspace)
    assert isinstance(taken, Taken)
    fork(store, taken.id, tmp_path / "fork", "overlay")
    with pytest.raises(SandboxError, match="not empty"):
        store.fork(taken.id, tmp_path / "fork")


def test_layers_without_what_hides_are_copied_and_it_is_said(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    for layer in (tmp_path / "store" / "layers").iterdir():
        about = layer / "about.json"
        about.write_text(about.read_text().replace('"stackable": true', '"stackable": false'))
    assert store.fork(snapshot, tmp_path / "fork") == Forked(
        "copy", "A layer was made by somebody who could not hide files in it."
    )
    assert read(tmp_path / "fork") == read(workspace)
    with pytest.raises(SandboxError, match="cannot be an overlay"):
        store.fork(snapshot, tmp_path / "other", overlay=True)


def test_what_cannot_be_mounted_is_told_and_leaves_no_mount(tmp_path: Path, require_overlay: None) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(SandboxError, match="could not be mounted: The launcher could not open"):
        overlay.mount(tmp_path / "fork", [tmp_path / "nowhere"], tmp_path / "target", FORK_UID)
    assert not overlay.is_mounted(tmp_path / "target", "fork")


def test_a_fork_that_was_killed_before_it_was_mounted_is_made_again(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    target = tmp_path / "fork"
    fork(store, snapshot, target, "overlay")
    store.unmount(target)
    fork(store, snapshot, target, "overlay", OTHER_UID)
    assert (read(target), [each.uid for each in store.forks()]) == (read(workspace), [OTHER_UID])


def test_what_was_written_to_a_fork_is_never_replaced_by_another(
    store: Store, workspace: Path, tmp_path: Path, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    target = tmp_path / "fork"
    fork(store, snapshot, target, "overlay")
    (target / "added").write_text("added")
    store.unmount(target)
    with pytest.raises(SandboxError, match="a fork already"):
        store.fork(snapshot, target)
    store.remount(target)
    assert (target / "added").read_text() == "added"


@pytest.mark.anyio
@pytest.mark.parametrize("way", WAYS)
async def test_a_sandbox_on_a_fork_has_a_user_of_its_own_and_all_files(
    store: Store, workspace: Path, tmp_path: Path, way: str, require_overlay: None, require_bubblewrap: None
) -> None:
    fork(store, begin(store, workspace), tmp_path / "fork", way)
    before = stamps(tmp_path / "store" / "layers")
    spec = MachineSpec(session="fork", workspace=tmp_path / "fork", owned=True)
    async with await open_sandbox("bubblewrap", spec) as sandbox:
        code = "cat private; echo more >> file && mv folder moved && rm link && stat -c %u private && stat -c %u ."
        done = await sandbox.execute(("sh", "-c", code), timeout_s=10, output_bytes_max=1_000)
    assert (done.exit_code, done.stdout) == (0, b"private still1000\n1000\n")
    assert (tmp_path / "fork").stat().st_uid == FORK_UID
    assert stamps(tmp_path / "store" / "layers") == before


@pytest.mark.parametrize("overlay", [None, True])
def test_a_fork_that_came_to_nothing_is_not_kept(
    store: Store, workspace: Path, tmp_path: Path, overlay: bool | None, require_overlay: None
) -> None:
    snapshot = begin(store, workspace)
    for tree in (tmp_path / "store" / "layers").glob("*/tree"):
        tree.rename(tree.with_name("lost"))
        tree.symlink_to("change.json")  # It can be opened, and cannot be a layer.
    with pytest.raises(SandboxError):
        store.fork(snapshot, tmp_path / "fork", overlay=overlay)
    assert (store.is_mounted(tmp_path / "fork"), store.forks()) == (False, ())


def test_an_ordinary_copy_is_ours(store: Store, workspace: Path, tmp_path: Path) -> None:
    snapshot = begin(store, workspace)
    fork(store, snapshot, tmp_path / "fork", "copy", None)
    (tmp_path / "fork" / "file").write_text("changed")
    assert {path.lstat().st_uid for path in (tmp_path / "fork").rglob("*")} == {os.geteuid()}
    assert (workspace / "file").read_bytes() == b"whole" * 1_000
