"""Taking, restoring and letting go of snapshots, of workspaces that somebody else controls."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.sandbox.snapshots.world import read, remove, wait_for_grain
from workhand.errors import SandboxError
from workhand.sandbox.snapshots.index import GRAIN_NS, is_settled
from workhand.sandbox.snapshots.store import CHAIN_MAX, Collected, Refused, SnapshotLimits, Store, Taken

EMPTY_FILE = sha256(b"").hexdigest()
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' files, or mounts")


def taken(store: Store, workspace: Path, parent: str | None = None) -> Taken:
    found = store.take(workspace, parent)
    assert isinstance(found, Taken), found
    return found


@contextmanager
def meanwhile(act: Iterator[object]) -> Iterator[None]:
    """Go on with an act in another thread for as long as the block runs."""
    ended = Event()

    def run() -> None:
        while not ended.is_set():
            next(act)

    worker = Thread(target=run)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def fill(workspace: Path) -> None:
    (workspace / "folder").mkdir()
    (workspace / "folder" / "file").write_text("one")
    (workspace / "other").write_text("other")
    (workspace / "link").symlink_to("folder/file")


def test_an_unchanged_workspace_has_the_snapshot_it_had(store: Store, workspace: Path) -> None:
    fill(workspace)
    first = taken(store, workspace)
    assert (first.changed_files, first.changed_bytes) == (3, 8)
    assert store.take(workspace, first.id) == Taken(first.id, 0, 0)
    assert store.take(workspace) == Taken(first.id, 3, 8)
    assert store.snapshots() == (first.id,)


def test_a_layer_holds_what_changed_and_nothing_else(store: Store, workspace: Path, tmp_path: Path) -> None:
    fill(workspace)
    first = taken(store, workspace)
    before = set((tmp_path / "store" / "layers").iterdir())
    (workspace / "folder" / "file").write_text("two two")
    second = taken(store, workspace, first.id)
    (layer,) = set((tmp_path / "store" / "layers").iterdir()) - before
    assert (second.changed_files, second.changed_bytes) == (1, 7)
    assert set(read(layer / "tree")) == {"", "folder", "folder/file"}


def test_a_restoration_touches_only_what_differs(store: Store, workspace: Path) -> None:
    fill(workspace)
    first, before = taken(store, workspace), read(workspace)
    kept = (workspace / "other").stat()
    (workspace / "folder" / "file").write_text("two")
    (workspace / "more").mkdir()
    (workspace / "more" / "file").write_text("more")
    (workspace / "link").unlink()
    assert store.restore(workspace, first.id) == 3
    assert (read(workspace), (workspace / "other").stat().st_ctime_ns) == (before, kept.st_ctime_ns)
    assert store.restore(workspace, first.id) == 0


def test_what_the_host_shows_in_a_workspace_is_left_alone(store: Store, workspace: Path) -> None:
    (workspace / ".workhand").mkdir()
    (workspace / ".workhand" / "kept").write_text("kept")
    first = taken(store, workspace)
    (workspace / ".workhand" / "kept").write_text("changed")
    store.restore(workspace, first.id)
    assert (workspace / ".workhand" / "kept").read_text() == "changed"
    assert set(store.manifest(first.id)) == {""}


def test_a_change_of_the_same_length_with_its_time_set_back_is_seen(store: Store, workspace: Path) -> None:
    file = workspace / "file"
    file.write_text("one")
    before = file.stat()
    wait_for_grain()
    first = taken(store, workspace)
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert taken(store, workspace, first.id).id != first.id


def test_contents_of_one_length_and_one_time_are_told_apart(store: Store, workspace: Path) -> None:
    snapshots: list[str] = []
    for text in ("one", "two"):
        (workspace / "file").write_text(text)
        os.utime(workspace / "file", ns=(1, 1))
        wait_for_grain()
        snapshots.append(taken(store, workspace, *snapshots[-1:]).id)
    store.restore(workspace, snapshots[0])
    assert (workspace / "file").read_text() == "one"


@pytest.mark.parametrize(
    ("age_ns", "settled"), [(-1, False), (0, False), (GRAIN_NS, False), (GRAIN_NS + 1, True), (10**18, True)]
)
def test_a_time_within_the_grain_may_come_again(age_ns: int, settled: bool) -> None:
    assert is_settled(10**18 - age_ns, 10**18) is settled


@pytest.mark.parametrize("attempt", range(10))
def test_a_change_within_one_tick_of_the_clock_is_seen(store: Store, workspace: Path, attempt: int) -> None:
    file = workspace / "file"
    file.write_text("one")
    os.utime(file, ns=(1, 1))
    first = taken(store, workspace)
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert taken(store, workspace, first.id).id != first.id


def test_a_write_through_a_mapping_that_was_written_before_is_seen(store: Store, workspace: Path) -> None:
    kind = subprocess.run(["stat", "-f", "-c", "%T", workspace], capture_output=True, text=True, check=True).stdout
    if "tmpfs" in kind or "overlay" in kind:
        pytest.skip("This file system does not notice writes through mappings.")
    with (workspace / "file").open("wb+") as file:
        file.truncate(4_096)
        with mmap.mmap(file.fileno(), 4_096) as mapping:
            mapping[0] = 1
            wait_for_grain()
            first = taken(store, workspace)
            wait_for_grain()
            mapping[0] = 2
            assert taken(store, workspace, first.id).id != first.id


def test_pipes_and_sockets_are_noted_and_block_nothing(store: Store, workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(workspace)  # The name of a socket has a length that a test's path may not.
        listener.bind("socket")
        os.chdir(here)
        found = taken(store, workspace)
    assert sorted(found.notes) == ["'pipe' is a pipe and is not kept.", "'socket' is a socket and is not kept."]
    store.restore(workspace, found.id)
    assert list(workspace.iterdir()) == []


def test_a_file_that_never_stands_still_is_noted_as_torn(store: Store, workspace: Path) -> None:
    file = workspace / "file"
    file.write_bytes(os.urandom(8 << 20))

    def rewrite() -> Iterator[int]:
        with file.open("rb+", buffering=0) as writer:
            while True:
                writer.seek(0)
                yield writer.write(b"changed")

    with meanwhile(rewrite()):
        found = taken(store, workspace)
    assert found.notes == ("'file' is torn: it changed while it was read, 2 times.",)
    assert store.check() == ()
    assert taken(store, workspace, found.id).notes == ()


def test_a_workspace_past_its_quota_is_refused_and_leaves_nothing(
    store: Store, workspace: Path, tmp_path: Path
) -> None:
    (workspace / "small").write_bytes(b"x" * 600)
    limits = SnapshotLimits(quota_bytes=1_000)
    first = store.take(workspace, limits=limits)
    assert isinstance(first, Taken)
    (workspace / "more").write_bytes(b"x" * 600)
    found = store.take(workspace, first.id, limits=limits)
    assert isinstance(found, Refused)
    assert "600 of 400" in found.reason
    assert (store.snapshots(), len(list((tmp_path / "store" / "layers").iterdir()))) == ((first.id,), 1)
    assert list((tmp_path / "store" / "staging").iterdir()) == []


def test_all_snapshots_of_a_session_count_against_its_quota(store: Store, workspace: Path) -> None:
    (workspace / "file").write_bytes(b"1" * 600)
    first = taken(store, workspace)
    (workspace / "file").write_bytes(b"2" * 500)
    limits = SnapshotLimits(quota_bytes=1_000)
    assert isinstance(store.take(workspace, held=(first.id,), limits=limits), Refused)
    assert isinstance(store.take(workspace, limits=limits), Taken)
    assert store.usage(store.snapshots()) == 1_100


def test_a_file_of_holes_is_refused_by_its_length_and_kept_as_holes(store: Store, workspace: Path) -> None:
    with (workspace / "file").open("wb") as file:
        file.truncate(1 << 43)
    assert isinstance(store.take(workspace), Refused)
    os.truncate(workspace / "file", 64 << 20)
    found = taken(store, workspace)
    (workspace / "file").unlink()
    store.restore(workspace, found.id)
    status = (workspace / "file").stat()
    assert (status.st_size, status.st_blocks * 512 < 1 << 20) == (64 << 20, True)


def test_too_many_files_and_too_long_paths_are_refused(store: Store, workspace: Path) -> None:
    for name in "abc":
        (workspace / name).touch()
    assert isinstance(store.take(workspace, limits=SnapshotLimits(nodes_max=2)), Refused)
    (workspace / ("x" * 250)).mkdir()
    deepen(workspace / ("x" * 250), "y" * 250, 10)
    assert isinstance(store.take(workspace), Refused)


def test_a_tree_deeper_than_any_path_is_refused_and_can_be_removed(store: Store, workspace: Path) -> None:
    empty = taken(store, workspace)
    try:
        (workspace / "deep").mkdir()
        deepen(workspace / "deep", "d", 3_000)
        found = store.take(workspace, empty.id)
        assert isinstance(found, Refused)
        assert "directories in one another" in found.reason
        store.restore(workspace, empty.id)
        assert list(workspace.iterdir()) == []
    finally:
        subprocess.run(["rm", "-rf", workspace], check=True)  # What cleans up after tests cannot remove such a tree.


def deepen(start: Path, name: str, levels: int) -> None:
    directory = os.open(start, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=directory)
        below = os.open(name, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)


@pytest.mark.parametrize("planted", ["", "folder", "folder/file", "other"])
def test_a_link_planted_in_a_workspace_leads_nowhere(
    store: Store, workspace: Path, tmp_path: Path, planted: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    fill(outside)
    fill(workspace)
    first, before, untouched = taken(store, workspace), read(workspace), read(outside)
    if not planted:
        (workspace / "in").symlink_to(outside)
    else:
        remove(workspace / planted)
        (workspace / planted).symlink_to(outside / planted)
    second = taken(store, workspace, first.id)
    assert store.manifest(second.id)[planted or "in"].kind == "link"
    store.restore(workspace, first.id)
    assert (read(workspace), read(outside)) == (before, untouched)


def test_nothing_outside_is_read_or_written_while_links_come_and_go(
    store: Store, workspace: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (workspace / "folder").mkdir()
    (workspace / "folder" / "file").write_text("public")
    (workspace / "spare").symlink_to(outside)
    first, untouched = taken(store, workspace), read(outside)

    def exchange() -> Iterator[None]:
        while True:
            os.rename(workspace / "folder", workspace / "aside")
            os.symlink(outside, workspace / "folder")
            yield
            os.unlink(workspace / "folder")
            os.rename(workspace / "aside", workspace / "folder")
            yield

    names = []
    with meanwhile(exchange()):
        for _ in range(30):
            found = taken(store, workspace)
            names += [node.content for node in store.manifest(found.id).values() if node.kind == "file"]
    assert len(set(names)) == 1
    with meanwhile(ignoring_errors(exchange)):
        for _ in range(30):
            try:
                store.restore(workspace, first.id)
            except SandboxError:
                continue  # What it had just seen was gone: it is to be repeated.
    assert read(outside) == untouched


def test_a_file_that_becomes_a_link_is_not_read_through_it(store: Store, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    (workspace / "file").write_text("public")
    (workspace / ".workhand").mkdir()
    public = store.manifest(taken(store, workspace).id)["file"].content
    aside = workspace / ".workhand" / "file"

    def exchange() -> Iterator[None]:
        while True:
            aside.symlink_to(tmp_path / "outside")
            aside.rename(workspace / "file")
            yield
            aside.write_text("public")
            aside.rename(workspace / "file")
            yield

    with meanwhile(exchange()):
        found = [store.manifest(taken(store, workspace).id).get("file") for _ in range(60)]
    assert {node.content for node in found if node is not None and node.kind == "file"} <= {public, EMPTY_FILE}


def ignoring_errors(make: object) -> Iterator[None]:
    """Go on from the beginning whenever the other side was faster."""
    while True:
        try:
            yield from make()  # type: ignore[operator]
        except OSError:
            yield


def test_files_under_two_names_are_not_written_through_each_other(store: Store, workspace: Path) -> None:
    (workspace / "one").write_text("first")
    first = taken(store, workspace)
    os.link(workspace / "one", workspace / "two")
    (workspace / "one").write_text("changed")
    second = taken(store, workspace, first.id)
    store.restore(workspace, first.id)
    store.restore(workspace, second.id)
    assert ((workspace / "one").read_text(), (workspace / "two").read_text()) == ("changed", "changed")
    assert (workspace / "two").stat().st_nlink == 1


def test_bits_that_lend_rights_are_not_kept(store: Store, workspace: Path, tmp_path: Path) -> None:
    (workspace / "file").touch()
    (workspace / "file").chmod(0o6755)
    found = taken(store, workspace)
    assert store.manifest(found.id)["file"].mode == 0o755
    (copy,) = (tmp_path / "store" / "layers").glob("*/tree/file")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


@ROOT_ONLY
def test_everything_restored_comes_to_belong_to_the_owner(store: Store, workspace: Path) -> None:
    fill(workspace)
    first = taken(store, workspace)
    (workspace / "other").unlink()
    store.restore(workspace, first.id, owner=(300_123, 300_123))
    owners = {path.lstat().st_uid for path in (workspace, *workspace.rglob("*"))}
    assert owners == {300_123}


@ROOT_ONLY
def test_what_is_mounted_in_a_workspace_is_passed_over(store: Store, workspace: Path) -> None:
    first = taken(store, workspace)
    (workspace / "mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", workspace / "mounted"], check=True)
    try:
        (workspace / "mounted" / "file").write_text("theirs")
        found = taken(store, workspace, first.id)
        store.restore(workspace, first.id)
        assert (workspace / "mounted" / "file").read_text() == "theirs"
    finally:
        subprocess.run(["umount", workspace / "mounted"], check=True)
    assert (found.id, found.notes) == (first.id, ("'mounted' is mounted from elsewhere and is not kept.",))


@ROOT_ONLY
def test_nothing_is_restored_into_what_is_mounted_on_a_directory(store: Store, workspace: Path) -> None:
    fill(workspace)
    first = taken(store, workspace)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", workspace / "folder"], check=True)
    try:
        (workspace / "folder" / "theirs").write_text("theirs")
        with pytest.raises(SandboxError, match="mounted at 'folder'"):
            store.restore(workspace, first.id)
        assert set(read(workspace / "folder")) == {"", "theirs"}
    finally:
        subprocess.run(["umount", workspace / "folder"], check=True)


def test_a_file_that_its_owner_has_leased_is_refused_at_once(store: Store, workspace: Path) -> None:
    with (workspace / "file").open("wb") as file:
        fcntl.fcntl(file.fileno(), fcntl.F_SETLEASE, fcntl.F_WRLCK)
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # The kernel's word that somebody else wants the file.
        try:
            assert isinstance(store.take(workspace), Refused)
        finally:
            signal.signal(signal.SIGIO, signal.SIG_DFL)
            fcntl.fcntl(file.fileno(), fcntl.F_SETLEASE, fcntl.F_UNLCK)


def test_pipes_beyond_number_are_refused(store: Store, workspace: Path) -> None:
    for number in range(30):
        os.mkfifo(workspace / str(number))
    assert isinstance(store.take(workspace, limits=SnapshotLimits(nodes_max=29)), Refused)
    assert taken(store, workspace).notes[-1] == "There are 10 notes more."


def test_a_long_chain_is_merged_on_the_way_and_every_snapshot_stays(
    store: Store, workspace: Path, tmp_path: Path
) -> None:
    parent, seen, bytes_kept = None, {}, 0
    for number in range(2 * CHAIN_MAX + 3):
        (workspace / f"file-{number % 5}").write_text(str(number))
        (workspace / f"gone-{number}").write_text("soon")
        if number:
            (workspace / f"gone-{number - 1}").unlink()
        found = taken(store, workspace, parent)
        parent, bytes_kept = found.id, bytes_kept + found.changed_bytes
        seen[parent] = read(workspace)
    assert (store.check(), store.usage(store.snapshots())) == ((), bytes_kept)
    store.collect({parent or ""}, young_s=-1)
    assert len(list((tmp_path / "store" / "layers").iterdir())) <= CHAIN_MAX + 1
    store.restore(workspace, parent or "")
    assert read(workspace) == seen[parent or ""]


def test_a_squashed_snapshot_keeps_its_name_and_costs_no_content(store: Store, workspace: Path) -> None:
    fill(workspace)
    first = taken(store, workspace)
    (workspace / "folder" / "file").write_text("two")
    remove(workspace / "other")
    second, seen = taken(store, workspace, first.id), read(workspace)
    before = store.usage((second.id,))
    store.squash(second.id)
    assert store.usage((first.id, second.id)) <= before + 3
    assert store.collect({second.id}, young_s=-1) == Collected(snapshots=1, layers=2)
    store.restore(workspace, second.id)
    assert (read(workspace), store.check(), store.usage((second.id,))) == (seen, (), 3)


def test_young_snapshots_are_not_collected(store: Store, workspace: Path) -> None:
    first = taken(store, workspace)
    assert store.collect((), young_s=3_600) == Collected(0, 0)
    assert store.snapshots() == (first.id,)
    assert store.collect((), young_s=-1) == Collected(1, 1)


def test_a_snapshot_that_was_asked_for_again_is_young(store: Store, workspace: Path, tmp_path: Path) -> None:
    first = taken(store, workspace)
    os.utime(tmp_path / "store" / "snapshots" / f"{first.id}.json", (0, 0))
    taken(store, workspace, first.id)
    assert store.collect(()) == Collected(0, 0)


@pytest.mark.parametrize("damage", ["content", "mode", "missing", "change", "layer"])
def test_damage_is_found(store: Store, workspace: Path, tmp_path: Path, damage: str) -> None:
    fill(workspace)
    taken(store, workspace)
    (layer,) = (tmp_path / "store" / "layers").iterdir()
    file = layer / "tree" / "other"
    match damage:
        case "content":
            status = file.stat()
            file.write_text("0ther")
            os.utime(file, ns=(0, status.st_mtime_ns))
        case "mode":
            file.chmod(0o777)
        case "missing":
            file.unlink()
        case "change":
            (layer / "change.json").write_text('{"gone": [], "put": {}}')
        case "layer":
            layer.rename(tmp_path / "elsewhere")
    assert store.check() != ()


def test_a_damaged_copy_is_not_restored(store: Store, workspace: Path, tmp_path: Path) -> None:
    fill(workspace)
    first = taken(store, workspace)
    (copy,) = (tmp_path / "store" / "layers").glob("*/tree/other")
    copy.write_text("longer than it was")
    (workspace / "other").unlink()
    with pytest.raises(SandboxError, match="damaged"):
        store.restore(workspace, first.id)
    assert not (workspace / "other").exists()


@pytest.mark.parametrize("name", ["0" * 32, "../../etc/passwd", ""])
def test_a_snapshot_that_is_not_there_is_told(store: Store, workspace: Path, name: str) -> None:
    with pytest.raises(SandboxError, match="snapshot"):
        store.restore(workspace, name)


def test_a_workspace_that_is_a_link_or_missing_is_told(store: Store, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(workspace)
    for place in (tmp_path / "link", tmp_path / "nowhere"):
        with pytest.raises(SandboxError, match="could not take"):
            store.take(place)
