"""What is suspended is found by its session, bounded, and for machines that are built alike."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.spec import HOST_PORT, Lent, MachineSpec
from workhand.sandbox.suspension import Suspended, digest
from workhand.sandbox.unsafe import open_unsafe

SPEC = MachineSpec(session="one", workspace=Path("/w"), owned=True)


def put(suspended: Suspended, session: str, size_bytes: int, age_s: int = 0) -> Path:
    suspended.directory.mkdir(exist_ok=True)
    image = suspended.directory / f"{session}-{digest(SPEC)}"
    image.write_bytes(bytes(size_bytes))
    os.utime(image, (1e9 - age_s, 1e9 - age_s))
    return image


def sessions(suspended: Suspended) -> list[tuple[str, int]]:
    return [(image.session, image.size_bytes) for image in suspended.images()]


def test_the_oldest_are_given_up_first(tmp_path: Path) -> None:
    suspended = Suspended(tmp_path / "s", 100)
    for session, size_bytes, age_s in (("a", 50, 3), ("b", 60, 2), ("c", 40, 1)):
        put(suspended, session, size_bytes, age_s)
    suspended.bound()
    assert sessions(suspended) == [("b", 60), ("c", 40)]
    put(suspended, "d", 101)
    suspended.bound()
    assert sessions(suspended) == []


def test_a_fork_has_its_own_to_use_up(tmp_path: Path) -> None:
    suspended = Suspended(tmp_path / "s", 100)
    assert not suspended.share("one", "two")
    put(suspended, "one", 3)
    put(suspended, "one-more", 4)
    assert suspended.share("one", "two")
    suspended.forget("one")
    assert sessions(suspended) == [("one-more", 4), ("two", 3)]


@pytest.mark.anyio
async def test_it_is_used_once_and_only_by_its_kind(tmp_path: Path) -> None:
    suspended = Suspended(tmp_path / "s", 100)
    for kinds in (("bubblewrap",), ("gvisor",)):
        put(suspended, "one", 3)  # no machine, so gVisor could not go on with it either
        spec = replace(SPEC, workspace=tmp_path)
        assert await suspended.resume(spec, kinds) is None
        assert sessions(suspended) == []


@pytest.mark.anyio
async def test_a_machine_that_cannot_be_suspended_is_closed(tmp_path: Path) -> None:
    suspended, spec = Suspended(tmp_path / "s", 100), replace(SPEC, workspace=tmp_path)
    put(suspended, "one", 3)
    sandbox = await open_unsafe(spec)
    await suspended.suspend(sandbox, spec)
    assert not sandbox.alive and sessions(suspended) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"limits": SandboxLimits(processes=9)},
        {"kept": Path("/kept")},
        {"root": Path("/image")},
        {"environment": {"A": "1"}},
        {"trusted": b"authorities"},
        {"shown": {"/opt/x": Path("/x")}},
        {"links": {"/opt/bin": "x"}},
        {"lent": (Lent(Path("/x")),)},
        {"doors": {HOST_PORT: lambda _: None}},
    ],
)
def test_machines_that_are_built_otherwise_do_not_go_on_as_each_other(changed: dict[str, object]) -> None:
    assert digest(replace(SPEC, **changed)) != digest(SPEC)  # type: ignore[arg-type]


def test_where_the_files_are_and_whose_they_are_makes_no_difference() -> None:
    assert digest(replace(SPEC, session="two", workspace=Path("/v"), kept=None, shown={})) == digest(SPEC)
