"""Control groups are found where they can be made, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workhand.sandbox.limits import Groups, SandboxLimits, find_groups, make_group, rlimits, sweep_groups, weaknesses
from workhand.sandbox.slots import take_slot

LIMITS = SandboxLimits(processes=64, memory_bytes=1 << 28, cpus=0.5, cpu_seconds=10)


def unified(root: Path, *, passed_on: str) -> str:
    """Lay out a version 2 tree with a user's slice; give its line of ``mountinfo``."""
    for path, controllers in ((".", "cpu memory pids"), ("slice", passed_on), ("slice/app.scope", "")):
        directory = root / path
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.subtree_control").write_text(controllers)
        (directory / "cgroup.procs").write_text("")
    return f"38 31 0:35 / {root} rw,relatime - cgroup2 cgroup2 rw\n"


def test_the_nearest_group_that_passes_controllers_on_is_used(tmp_path: Path) -> None:
    mounts = unified(tmp_path, passed_on="memory pids")
    found = find_groups(mounts=mounts, own="0::/slice/app.scope\n")
    assert found == Groups(2, (("memory", tmp_path / "slice"), ("pids", tmp_path / "slice")))


def test_the_search_goes_up_to_the_mount_point(tmp_path: Path) -> None:
    mounts = unified(tmp_path, passed_on="")
    found = find_groups(mounts=mounts, own="0::/slice/app.scope\n")
    assert found == Groups(2, (("cpu", tmp_path), ("memory", tmp_path), ("pids", tmp_path)))


def test_a_tree_without_controllers_is_of_no_use(tmp_path: Path) -> None:
    mounts = unified(tmp_path, passed_on="")
    (tmp_path / "cgroup.subtree_control").write_text("hugetlb")
    assert find_groups(mounts=mounts, own="0::/slice/app.scope\n") is None


def test_version_1_has_a_parent_per_controller_and_may_be_mounted_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    (tmp_path / "memory space/mine").mkdir(parents=True)
    mounts = (
        f"40 31 0:37 /docker/abc {tmp_path}/pids rw - cgroup cgroup rw,pids\n"
        f"35 31 0:32 / {tmp_path}/memory\\040space rw - cgroup cgroup rw,memory\n"
        "23 1 0:5 / /proc rw - proc proc rw\n"
    )
    found = find_groups(mounts=mounts, own="8:pids:/docker/abc\n4:memory:/mine\n0::/\n")
    assert found is not None and found.version == 1
    assert [(name, os.path.normpath(path)) for name, path in found.parents] == [
        ("memory", str(tmp_path / "memory space/mine")),
        ("pids", str(tmp_path / "pids")),
    ]


def test_without_the_tree_that_counts_processes_there_are_no_groups() -> None:
    mounts = "35 31 0:32 / /nowhere rw - cgroup cgroup rw,memory\n"
    assert find_groups(mounts=mounts, own="4:memory:/\n") is None


@pytest.mark.parametrize(
    ("version", "settings"),
    [
        (2, {"pids.max": "64", "memory.max": "268435456", "cpu.max": "50000 100000"}),
        (
            1,
            {
                "pids.max": "64",
                "memory.limit_in_bytes": "268435456",
                "cpu.cfs_period_us": "100000",
                "cpu.cfs_quota_us": "50000",
            },
        ),
    ],
)
def test_a_group_is_given_its_limits(tmp_path: Path, version: int, settings: dict[str, str]) -> None:
    groups = Groups(2 if version == 2 else 1, tuple((name, tmp_path) for name in ("cpu", "memory", "pids")))
    make_group(groups, "workhand-1", LIMITS)
    assert {path.name: path.read_text() for path in (tmp_path / "workhand-1").iterdir()} == settings


def test_a_sweep_takes_the_records_of_the_dead_and_leaves_those_of_the_living(tmp_path: Path) -> None:
    slot = take_slot(tmp_path, 7)
    try:
        (tmp_path / slot.name).write_text(str(tmp_path / "gone already"))
        sweep_groups(tmp_path)
        assert (tmp_path / slot.name).exists()
    finally:
        os.close(slot.fd)
    sweep_groups(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slots"]


def test_without_groups_rlimits_stand_in_and_say_what_they_do_not_hold() -> None:
    grouped = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 4096, "RLIMIT_FSIZE": 10 << 30, "RLIMIT_CPU": 10}
    alone = grouped | {"RLIMIT_DATA": 1 << 28, "RLIMIT_NPROC": 64}
    assert rlimits(LIMITS, grouped=True, own_user=True) == grouped
    assert rlimits(LIMITS, grouped=False, own_user=True) == alone
    assert "RLIMIT_NPROC" not in rlimits(LIMITS, grouped=False, own_user=False)
    assert len(weaknesses(LIMITS, None, own_user=True)) == 2
    assert len(weaknesses(LIMITS, None, own_user=False)) == 3
