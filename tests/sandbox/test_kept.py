"""What the host keeps for the model is in the workspace of every sandbox, whoever owns that, and stays as it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workhand.errors import SandboxUnavailable
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import MachineSpec
from workhand.tools.folder import Folder

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("require_bubblewrap")]

EARLY, LATE = ".workhand/results/early.txt", ".workhand/results/late.txt"
OTHER_UID = 64_322
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root gives sandboxes users of their own.")
LOOK = "cd .workhand && cat results/*.txt && for path in . results results/*; do test -w $path && echo open; done"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder whose parents only its owner may walk, made under a umask that hides everything from others."""
    before = os.umask(0o077)
    (tmp_path / "private").mkdir()
    folder = Folder(tmp_path / "private" / "kept")
    folder.make()
    os.umask(before)
    return folder


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that every user can reach."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


async def seen(workspace: Path, folder: Folder, *, owned: bool) -> bytes:
    """Keep a file before and one after a sandbox is opened, and give what a program inside sees of them."""
    before = os.umask(0o077)
    await folder.keep(EARLY, b"early\n")
    sandbox = await open_sandbox(
        "bubblewrap", MachineSpec(session="s", workspace=workspace, owned=owned, kept=folder.directory)
    )
    async with sandbox:
        await folder.keep(LATE, b"to be replaced\n")
        await folder.keep(LATE, b"late\n")
        os.umask(before)
        done = await sandbox.execute(("sh", "-c", LOOK), timeout_s=30, output_bytes_max=1_000)
    return done.stdout


async def test_a_workspace_of_our_own_shows_what_is_kept(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "own").mkdir()
    assert await seen(tmp_path / "own", folder, owned=True) == b"early\nlate\n"
    assert list((tmp_path / "own").rglob("*")) == [tmp_path / "own" / ".workhand"]


@as_root
async def test_roots_own_directory_shows_what_is_kept_and_gets_an_empty_directory(
    directory: Path, folder: Folder
) -> None:
    assert await seen(directory, folder, owned=False) == b"early\nlate\n"
    assert [(path.name, path.stat().st_uid) for path in directory.rglob("*")] == [(".workhand", 0)]


@as_root
async def test_another_users_directory_shows_what_is_kept_and_gets_an_empty_directory_of_theirs(
    directory: Path, folder: Folder
) -> None:
    os.chown(directory, OTHER_UID, OTHER_UID)
    assert await seen(directory, folder, owned=False) == b"early\nlate\n"
    assert [(path.name, path.stat().st_uid) for path in directory.rglob("*")] == [(".workhand", OTHER_UID)]


@pytest.mark.parametrize("planted", ["/etc", "elsewhere", "no-such-thing", "../outside"])
async def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path, folder: Folder, planted: str) -> None:
    workspace = tmp_path / "workspace"
    (workspace / "elsewhere").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (workspace / ".workhand").symlink_to(planted)
    with pytest.raises(SandboxUnavailable, match="move it away"):
        await open_sandbox(
            "bubblewrap", MachineSpec(session="s", workspace=workspace, owned=True, kept=folder.directory)
        )
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        ".gitignore",
        ".workhand",
        "elsewhere",
        "kept",
        "outside",
        "private",
        "workspace",
    ]


async def test_git_sees_the_folder_neither_inside_nor_outside(directory: Path, folder: Folder) -> None:
    (directory / "file").write_text("theirs")
    ask = ("git", "-c", "safe.directory=*", "status", "--porcelain")
    async with await open_sandbox(
        "bubblewrap", MachineSpec(session="s", workspace=directory, owned=False, kept=folder.directory)
    ) as sandbox:
        await folder.keep(EARLY, b"early\n")
        await sandbox.execute(("git", "init", "-q", "."), timeout_s=30, output_bytes_max=1_000)
        inside = await sandbox.execute(ask, timeout_s=30, output_bytes_max=1_000)
    assert inside.stdout == b"?? file\n"
    assert list((directory / ".workhand").iterdir()) == []  # and git keeps no empty directory
