"""An export reads a workspace whose agent plants and swaps what it likes, and takes only its regular files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.conftest import Opener
from workhand.cli.session import place
from workhand.errors import ConfigError

SECRET = b"of the host, not to be seen"
SWAP = (
    "import ctypes, os; os.mkfifo('pipe'); os.symlink({outside!r}, 'link'); os.symlink('/', 'root')\n"
    "os.mkdir('directory')\n"
    "for name in ('one', 'two', 'three', 'directory/file'): open(name, 'w').write('own')\n"
    "call = ctypes.CDLL(None).renameat2; os.write(1, b'swapping\\n')\n"
    "while not os.path.exists('stop'):\n"
    "    for a, b in ((b'one', b'pipe'), (b'two', b'link'), (b'three', b'root'), (b'directory', b'root')):\n"
    "        call(-100, a, -100, b, 2)"
)
WALK = (
    "import sys; from pathlib import Path; from workhand.cli.session import place\n"
    "for _ in range(400):\n"
    "    for path, content, mode in place.walk(Path(sys.argv[1])): assert content in (b'own', b''), (path, content)"
)


@pytest.mark.anyio
async def test_what_is_swapped_meanwhile_is_left_out_and_holds_nobody_up(
    opener: Opener, require_bubblewrap: None, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(SECRET)
    sandbox = await opener()
    await sandbox.write("swap.py", SWAP.format(outside=str(outside)).encode())
    started = await sandbox.shell_run("main", "python3 swap.py & sleep 0.3", timeout_s=30, output_bytes_max=1_000)
    assert b"swapping" in started.stdout
    await sandbox.execute(("rm", "swap.py"), timeout_s=30, output_bytes_max=1_000)
    command = [sys.executable, "-c", WALK, str(tmp_path / "workspace")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    await sandbox.write("stop", b"")
    assert done.returncode == 0, done.stderr


def test_links_pipes_and_what_is_behind_them_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "file").write_bytes(b"own")
    (workspace / "link").symlink_to(tmp_path / "outside" / "secret")
    (workspace / "directory").symlink_to(tmp_path / "outside")
    os.mkfifo(workspace / "pipe")
    assert [(path, content) for path, content, _ in place.walk(workspace)] == [("file", b"own")]


def test_a_file_larger_than_can_be_kept_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(ConfigError, match="delete it"):
        list(place.walk(tmp_path))


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../x", "/home/agent/../x", ".workhand/../../x", "//x", "a/../../b"]
)
@pytest.mark.parametrize("owned", [True, False])
def test_no_path_is_delivered_outside_of_the_session_or_its_workspace(tmp_path: Path, path: str, owned: bool) -> None:
    where = place.Place(tmp_path / "session", tmp_path / "session" / "workspace", owned)
    target = Path(os.path.normpath(where.delivered(path)))
    assert target.is_relative_to(tmp_path / "session" / "results")
