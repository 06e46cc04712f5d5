"""An image has what machines need and nothing of the host, and every kind of machine takes it as its system."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from workhand.errors import SandboxUnavailable
from workhand.sandbox import image
from workhand.sandbox.bubblewrap import PATH
from workhand.sandbox.fetching import run
from workhand.sandbox.probe import Kind, open_sandbox
from workhand.sandbox.spec import TRUSTED_FILE, MachineSpec

TOOLS = ("curl", "file", "git", "jq", "less", "pdftotext", "ps", "python3", "rg", "unzip", "xz", "zip")
STATUS = "Package: b\nStatus: install ok installed\nVersion: 2:1-1\n\nPackage: a\nArchitecture: all\nVersion: 1.0~x\n"


def test_the_name_says_what_an_image_is_made_of() -> None:
    names = [image.name_of(size, tool) for size in ("small", "full") for tool in ("mmdebstrap 1", "mmdebstrap 2")]
    assert len(set(names)) == 4 and names == [
        image.name_of(size, tool) for size in ("small", "full") for tool in ("mmdebstrap 1", "mmdebstrap 2")
    ]
    assert all(re.fullmatch(r"image-(small|full)-[0-9a-f]{12}", name) for name in names)


def test_the_image_built_last_is_found(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="no image 'small'"):
        image.find(tmp_path, "small")
    for number, name in enumerate(("image-small-b", "image-small-a", "image-full-c", ".build-x")):
        (tmp_path / name / "root").mkdir(parents=True)
        os.utime(tmp_path / name / "root", (number, number))
    assert image.find(tmp_path, "small") == tmp_path / "image-small-a" / "root"


def test_an_unpacked_system_is_finished(tmp_path: Path) -> None:
    root, outside = tmp_path / "image/root", tmp_path / "outside"
    outside.write_text("of the host")
    before = os.umask(0o077)
    for name in ("etc", "var/lib/dpkg", "var/cache/apt/archives", "var/log", "var/lib/apt/lists", "usr/bin", "tmp/x"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    (root / "var/cache/apt/archives/a.deb").write_bytes(b"")
    (root / "var/log/link").symlink_to(tmp_path)
    (root / "etc/hosts").symlink_to(outside)
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.1")
    image.finish(tmp_path / "image")
    os.umask(before)
    assert (tmp_path / "image/packages.txt").read_text() == "a 1.0~x\nb 2:1-1\n"
    assert outside.read_text() == "of the host" and "agent:x:1000:1000" in (root / "etc/passwd").read_text()
    found = {path.relative_to(root).as_posix() for path in root.rglob("*")}
    assert {"home/agent", "opt/workhand", "etc/workhand", "dev", "proc", "run", "tmp", "etc/hosts"} <= found
    assert not {"var/cache/apt", "var/log/link", "tmp/x", "etc/resolv.conf"} & found
    assert all((root / name).stat().st_mode & 0o777 == 0o755 for name in ("home/agent", "opt/workhand", ".", ".."))


def test_an_image_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    if shutil.which("mmdebstrap", path=PATH) is None:
        pytest.skip("There is no mmdebstrap.")
    tool = run(["mmdebstrap", "--version"], tmp_path, timeout_s=60).strip()
    (tmp_path / image.name_of("small", tool) / "root").mkdir(parents=True)
    said: list[str] = []
    assert image.build(tmp_path, "small", say=said.append) == tmp_path / image.name_of("small", tool) / "root"
    assert said == [f"{image.name_of('small', tool)} is there"]


def test_what_a_program_says_before_it_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="no such host; see that apt can reach"):
        run(["sh", "-c", "echo no such host >&2; exit 1"], tmp_path, timeout_s=60)
    with pytest.raises(SandboxUnavailable, match=r"did not end within 0\.1 s"):
        run(["sleep", "100"], tmp_path, timeout_s=0.1)


def test_programs_that_download_get_the_way_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("WORKHAND_SECRET", "x")
    said = run(["env"], tmp_path, timeout_s=60, SOURCE_DATE_EPOCH="1")
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert {"HTTPS_PROXY", "SOURCE_DATE_EPOCH"} <= names and "WORKHAND_SECRET" not in names


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image.build(tmp_path_factory.mktemp("images"), "small", say=lambda _: None)


@pytest.mark.machines
def test_what_is_built_has_the_tools_their_versions_and_nothing_to_clean_up(built: Path) -> None:
    assert [tool for tool in TOOLS if not os.path.lexists(built / "usr/bin" / tool)] == []
    assert "\npython3 3.11" in (built.parent / "packages.txt").read_text()
    assert [path.name for path in built.parent.parent.iterdir()] == [built.parent.name]
    assert (built / "etc/passwd").read_text().count("\n") == 3 and not any((built / "dev").iterdir())


@pytest.mark.anyio
@pytest.mark.machines
@pytest.mark.parametrize("kind", ["bubblewrap", "gvisor", "qemu"])
async def test_a_machine_has_the_image_as_its_system(kind: Kind, built: Path, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    spec = MachineSpec(
        session="image", workspace=tmp_path / "workspace", owned=True, root=built, trusted=b"of the test\n"
    )
    look = f"for tool in {' '.join(TOOLS)}; do which $tool || echo no $tool; done | grep ^no; head -c 3 /etc/issue"
    changes = (
        f"touch /x /etc/x 2>&1 | grep -cE 'Read-only|denied'; cat {TRUSTED_FILE}; cat $SSL_CERT_FILE; id -un; "
        "echo y > y; cat y"
    )
    async with await open_sandbox(kind, spec) as sandbox:
        done = await sandbox.execute(("sh", "-c", f"{look}; {changes}"), timeout_s=60, output_bytes_max=10_000)
    assert done.stdout.decode() == "Deb2\nof the test\nof the test\nagent\ny\n"


@pytest.mark.anyio
async def test_an_image_without_an_interpreter_is_refused(tmp_path: Path, require_bubblewrap: None) -> None:
    for name in ("workspace", "root"):
        (tmp_path / name).mkdir()
    spec = MachineSpec(session="image", workspace=tmp_path / "workspace", owned=True, root=tmp_path / "root")
    with pytest.raises(SandboxUnavailable, match="build it again"):
        await open_sandbox("bubblewrap", spec)
