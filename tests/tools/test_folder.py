"""The folder in which files are kept for the model: at once, readable by all, and nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from workhand.core.canonical import digest
from workhand.errors import StoreError
from workhand.tools.folder import Folder

pytestmark = pytest.mark.anyio

PATH = ".workhand/results/c1-shell_run.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "kept")


async def test_a_file_is_kept_readable_by_all_and_writable_by_nobody_whatever_the_umask(folder: Folder) -> None:
    before = os.umask(0o777)
    await folder.keep(PATH, b"content")
    os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.directory.rglob("*")}
    assert modes == {"results": 0o755, "c1-shell_run.txt": 0o444, ".gitignore": 0o444}
    assert stat.S_IMODE(folder.directory.stat().st_mode) == 0o755
    assert (folder.directory / "results" / "c1-shell_run.txt").read_bytes() == b"content"


async def test_digests_are_those_of_the_files_as_they_are(folder: Folder) -> None:
    assert await folder.digests((PATH,)) == {}
    await folder.keep(PATH, b"one")
    assert await folder.digests((PATH, ".workhand/none", ".workhand/results")) == {PATH: digest(b"one")}
    await folder.keep(PATH, b"two")
    assert await folder.digests((PATH,)) == {PATH: digest(b"two")}


async def test_a_file_that_was_changed_behind_its_back_has_another_digest(folder: Folder) -> None:
    await folder.keep(PATH, b"one")
    await folder.digests((PATH,))
    file = folder.directory / "results" / "c1-shell_run.txt"
    found = file.stat()
    file.chmod(0o644)
    file.write_bytes(b"eno")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert await folder.digests((PATH,)) == {PATH: digest(b"eno")}


@pytest.mark.parametrize(
    "path",
    ["", ".workhand", ".workhand/", "notes.txt", "/etc/passwd", "/.workhand/x", ".workhand/../x", ".workhand/a/../../x",
     ".workhand//x", ".workhand/./x", "a/.workhand/x", ".workhand/a\0b"],
)  # fmt: skip
async def test_a_path_that_is_not_below_the_folder_is_refused(folder: Folder, tmp_path: Path, path: str) -> None:
    with pytest.raises(StoreError, match="not a path below"):
        await folder.keep(path, b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["kept", "kept/results", "kept/results/c1-shell_run.txt"])
async def test_a_planted_link_is_not_followed(folder: Folder, tmp_path: Path, place: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / "outside")
    if place.endswith(".txt"):
        await folder.keep(PATH, b"x")  # the link itself is replaced
        assert await folder.digests((PATH,)) == {PATH: digest(b"x")}
    else:
        with pytest.raises(StoreError, match="move that away"):
            await folder.keep(PATH, b"x")
        assert await folder.digests((PATH,)) == {}
    assert list((tmp_path / "outside").iterdir()) == []


async def test_what_cannot_be_written_leaves_nothing_half_done(folder: Folder) -> None:
    await folder.keep(".workhand/a/b", b"x")
    with pytest.raises(StoreError):
        await folder.keep(".workhand/a", b"y")
    assert sorted(path.name for path in folder.directory.rglob("*")) == [".gitignore", "a", "b"]
