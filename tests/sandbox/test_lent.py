"""Directories and files of the host that a machine has at their own path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workhand.errors import SandboxUnavailable
from workhand.sandbox.probe import Kind, open_sandbox
from workhand.sandbox.spec import Lent, MachineSpec

pytestmark = pytest.mark.anyio


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    wanted: Kind = request.param
    request.getfixturevalue(f"require_{wanted}")
    return wanted


@pytest.mark.parametrize("kind", ["bubblewrap", pytest.param("gvisor", marks=pytest.mark.machines)], indirect=True)
async def test_what_is_lent_is_its_owners_to_read_and_only_where_it_may_be_to_write(kind: Kind, tmp_path: Path) -> None:
    workspace, read, written = (tmp_path / name for name in ("workspace", "read", "written"))
    for directory in (workspace, read, written):
        directory.mkdir(mode=0o700)
    (read / "private").write_text("for its owner\n")
    (read / "private").chmod(0o600)
    (tmp_path / "file").write_text("one file\n")
    (tmp_path / "beside").write_text("not lent\n")
    lent = (Lent(read), Lent(written, writable=True), Lent(tmp_path / "file"))
    script = (
        f"cat {read}/private {tmp_path}/file; echo new > {written}/made; echo x > {read}/made; cat {tmp_path}/beside"
    )
    spec = MachineSpec(session=str(tmp_path), workspace=workspace, owned=True, lent=lent)
    async with await open_sandbox(kind, spec) as sandbox:
        went = await sandbox.execute(("sh", "-c", script), timeout_s=30, output_bytes_max=1_000)
    assert went.stdout == b"for its owner\none file\n"
    assert b"Read-only file system" in went.stderr and b"beside: No such file" in went.stderr
    made = written / "made"
    assert (made.read_text(), made.stat().st_uid, (read / "made").exists()) == ("new\n", os.geteuid(), False)


async def test_a_kind_that_cannot_lend_says_so_and_opens_nothing(tmp_path: Path) -> None:
    spec = MachineSpec(session="x", workspace=tmp_path, owned=True, lent=(Lent(tmp_path),))
    with pytest.raises(SandboxUnavailable, match="can be lent no directories of the host; use one of"):
        await open_sandbox("qemu", spec)
