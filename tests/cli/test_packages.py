"""What is kept of packages is listed and removed, and wheels of one's own are given."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workhand.cli.commands.packages import packages_command
from workhand.errors import ConfigError
from workhand.guard.packages.pages import Offered
from workhand.guard.packages.wheels import Wheels, digest

WHEEL = "my_thing-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: My.Thing\nVersion: 1.0\nRequires-Python: >=3.9\n"


def packages(directory: Path, *arguments: str) -> Result:
    environment = {"WORKHAND_CACHE": str(directory / "cache"), "XDG_CONFIG_HOME": str(directory)}
    return CliRunner(env=environment).invoke(packages_command, arguments, standalone_mode=False)


def wheel(file: Path, metadata: str = METADATA, *, folder: str = "my_thing-1.0.dist-info") -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{folder}/METADATA", metadata)
    return file


def fetched(directory: Path) -> Wheels:
    """Keep a file that came from an index."""
    wheels = Wheels(directory / "cache" / "wheels")
    with wheels.part() as part:
        part.write_bytes(b"content")
        sha256 = digest(part)
        wheels.put(part, sha256)
    wheels.record("other", Offered("other-1.0-py3-none-any.whl", sha256))
    return wheels


def test_a_wheel_of_ones_own_is_added_listed_and_removed(tmp_path: Path) -> None:
    file = wheel(tmp_path / WHEEL)
    fetched(tmp_path)
    assert packages(tmp_path, "add", str(file)).stdout == f"{WHEEL} is added; my-thing is asked of no index.\n"
    size = file.stat().st_size
    assert [json.loads(line) for line in packages(tmp_path, "ls", "--json").stdout.splitlines()] == [
        {"project": "my-thing", "file": WHEEL, "bytes": size, "sha256": digest(file), "own": True},
        {
            "project": "other",
            "file": "other-1.0-py3-none-any.whl",
            "bytes": 7,
            "sha256": "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
            "own": False,
        },
    ]
    listed = packages(tmp_path, "ls").stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["my-thing", f"{size}", "own", WHEEL],
        ["other", "7", "index", "other-1.0-py3-none-any.whl"],
        ["2", "files,", f"{size + 7}", "bytes"],
    ]
    assert packages(tmp_path, "clear").stdout == "1 files are removed, 7 bytes.\n"
    assert packages(tmp_path, "clear", "My_Thing").stdout == f"1 files are removed, {size} bytes.\n"
    assert packages(tmp_path, "ls").stdout == "0 files, 0 bytes\n"


def test_what_a_wheel_requires_of_python_is_kept(tmp_path: Path) -> None:
    packages(tmp_path, "add", str(wheel(tmp_path / WHEEL)))
    (kept,) = Wheels(tmp_path / "cache" / "wheels").kept()
    assert (kept.project, kept.offered.requires_python, kept.own) == ("my-thing", ">=3.9", True)


@pytest.mark.parametrize(
    ("name", "metadata", "folder", "complaint"),
    [
        ("thing.zip", METADATA, "my_thing-1.0.dist-info", "its name is none of a wheel"),
        (WHEEL, METADATA, "other-1.0.dist-info", "it has no metadata of my-thing"),
        (WHEEL, METADATA, "x/my_thing-1.0.dist-info", "it has no metadata of my-thing"),
        (WHEEL, METADATA.replace("My.Thing", "numbers"), "my_thing-1.0.dist-info", "is that of numbers 1.0"),
        (WHEEL, METADATA.replace("1.0", "1.1"), "my_thing-1.0.dist-info", "is that of my-thing 1.1"),
        (WHEEL, "", "my_thing-1.0.dist-info", "is that of no project"),
    ],
)
def test_what_is_no_wheel_is_not_added(tmp_path: Path, name: str, metadata: str, folder: str, complaint: str) -> None:
    raised = packages(tmp_path, "add", str(wheel(tmp_path / name, metadata, folder=folder))).exception
    assert isinstance(raised, ConfigError) and complaint in str(raised)
    assert packages(tmp_path, "ls").stdout == "0 files, 0 bytes\n"
    assert list((tmp_path / "cache" / "wheels" / "files").iterdir()) == []


def test_what_is_no_archive_is_not_added(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_text("text")
    raised = packages(tmp_path, "add", str(tmp_path / WHEEL)).exception
    assert isinstance(raised, ConfigError) and "cannot be read as an archive" in str(raised)


@pytest.mark.parametrize("name", ["gone", "../..", "*", ""])
def test_a_name_of_which_nothing_is_kept_removes_nothing(tmp_path: Path, name: str) -> None:
    wheels = fetched(tmp_path)
    raised = packages(tmp_path, "clear", name).exception
    assert isinstance(raised, ConfigError) and f"Nothing is kept of {name!r}" in str(raised)
    assert len(wheels.kept()) == 1
