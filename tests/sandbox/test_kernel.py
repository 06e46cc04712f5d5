"""What a virtual machine boots is taken with care, and KVM is used only where it works."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from workhand.errors import SandboxUnavailable
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import MachineSpec
from workhand.sandbox.vm import cpio, kernel
from workhand.sandbox.vm.acceleration import NOT_OFFERED, NOT_WORKING, reason_to_emulate, remember

KERNEL = b"\x7fELF" + bytes(60) + kernel.PVH_NOTES[0] + bytes(4_000)


def image(content: bytes) -> bytes:
    """Make a bootable image that holds this as its kernel, after a sector of boot code and one more."""
    head = bytearray(1_024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", head, 0x248, 0, len(content))
    return bytes(head) + content


def system(root: Path, *, version: str = "6.1.0-9-amd64", without: str = "") -> None:
    """Lay out a kernel and modules as its package does; one depends on another, which is written differently."""
    modules = root / "lib/modules" / version
    (modules / "kernel/drivers").mkdir(parents=True)
    (root / "boot").mkdir(exist_ok=True)
    (root / f"boot/vmlinuz-{version}").write_bytes(image(lzma.compress(KERNEL, lzma.FORMAT_XZ)))
    (modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    needs = {"9pnet": "", "9pnet_virtio": "9pnet", "9p": "9pnet", "virtio_console": "", "virtio-rng": "rng-core"}
    for name, depends in (needs | {"rng_core": "", "unwanted": ""}).items():
        if name != without:
            content = b"module\0depends=%s\0" % depends.encode()
            (modules / f"kernel/drivers/{name}.ko.xz").write_bytes(lzma.compress(content, lzma.FORMAT_XZ))


def test_a_kernel_is_taken_out_of_its_image_with_the_modules_it_needs_in_order(tmp_path: Path) -> None:
    system(tmp_path / "root")
    system(tmp_path / "root", version="6.1.0-10-amd64")
    taken = kernel.take(tmp_path / "root", tmp_path / "cache", lambda _: None)
    assert taken == kernel.find(tmp_path / "cache") and taken.version == "6.1.0-10-amd64"
    assert (taken.directory / "vmlinux").read_bytes() == KERNEL
    names = [path.name for path in sorted((taken.directory / "modules").iterdir())]
    wanted = ["9pnet", "9pnet_virtio", "9p", "virtio_console", "rng_core", "virtio_rng"]
    assert names == [f"{number:02}-{name}.ko" for number, name in enumerate(wanted)]
    assert (taken.directory / "modules" / names[0]).read_bytes() == b"module\0depends=\0"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [taken.directory.name]


def test_a_kernel_that_is_taken_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    system(tmp_path / "root")
    for _ in range(2):
        taken = kernel.take(tmp_path / "root", tmp_path / "cache", lambda _: None)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [taken.directory.name]


def test_every_user_can_read_what_was_taken_whatever_the_umask(tmp_path: Path) -> None:
    system(tmp_path / "root")
    before = os.umask(0o077)
    taken = kernel.take(tmp_path / "root", tmp_path / "cache", lambda _: None)
    os.umask(before)
    assert {path.stat().st_mode & 0o077 for path in taken.directory.rglob("*")} == {0o055, 0o044}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no bootable image"),
        (bytes(4_096), "no bootable image"),
        (image(b"\x7fELF" + bytes(100)), "without PVH"),
        (image(lzma.compress(b"no kernel" + kernel.PVH_NOTES[0], lzma.FORMAT_XZ)), "without PVH"),
    ],
)
def test_an_image_that_cannot_be_started_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(SandboxUnavailable, match=complaint):
        kernel.unpacked(content)


def test_every_compression_of_kernels_is_undone() -> None:
    import zstandard

    for packed in (gzip.compress(KERNEL), lzma.compress(KERNEL, lzma.FORMAT_XZ), zstandard.compress(KERNEL), KERNEL):
        assert kernel.unpacked(image(packed)) == KERNEL


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="no kernel for virtual machines"):
        kernel.find(tmp_path)
    with pytest.raises(SandboxUnavailable, match="no boot/vmlinuz"):
        kernel.take(tmp_path, tmp_path / "cache", lambda _: None)
    system(tmp_path, without="9pnet")
    with pytest.raises(SandboxUnavailable, match="no module '9pnet'"):
        kernel.take(tmp_path, tmp_path / "cache", lambda _: None)
    shutil.rmtree(tmp_path / "lib")
    with pytest.raises(SandboxUnavailable, match=r"modules of kernel '6\.1\.0-9-amd64' are not in"):
        kernel.take(tmp_path, tmp_path / "cache", lambda _: None)


def test_an_archive_is_read_by_another_program_as_it_was_written(tmp_path: Path) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("There is no busybox.")
    content = {"sub": (cpio.DIRECTORY, b""), "sub/tool": (cpio.PROGRAM, b"abc"), "file": (cpio.FILE, bytes(5))}
    packed = cpio.archive(content)
    subprocess.run(["busybox", "cpio", "-i"], input=packed, cwd=tmp_path, check=True, capture_output=True)
    found = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*")}
    assert {name: path.stat().st_mode for name, path in found.items()} == {
        name: mode for name, (mode, _) in content.items()
    }
    assert (found["sub/tool"].read_bytes(), found["file"].read_bytes()) == (b"abc", bytes(5))


def processor(system: Path, flags: str, boot: str = "one") -> Path:
    (system / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (system / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
    (system / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\nbugs\t\t: svmx\n")
    return system


@pytest.mark.parametrize(
    ("flags", "device", "reason"),
    [
        ("vmx", "/dev/null", None),
        ("svm", "/dev/null", None),
        ("nosvmx", "/dev/null", NOT_OFFERED),
        ("vmx", "/x", NOT_OFFERED),
    ],
)
def test_kvm_is_tried_where_the_host_offers_it(tmp_path: Path, flags: str, device: str, reason: str | None) -> None:
    assert reason_to_emulate(tmp_path, device=device, system=processor(tmp_path, flags)) == reason


def test_that_kvm_does_not_work_is_remembered_until_the_host_restarts(tmp_path: Path) -> None:
    remember(tmp_path, system=processor(tmp_path, "vmx"))
    assert reason_to_emulate(tmp_path, device="/dev/null", system=tmp_path) == NOT_WORKING
    restarted = processor(tmp_path, "vmx", boot="two")
    assert reason_to_emulate(tmp_path, device="/dev/null", system=restarted) is None


@pytest.mark.anyio
async def test_without_a_kernel_none_opens_and_none_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    spec = MachineSpec(session="x", workspace=tmp_path / "workspace", owned=True, cache=tmp_path / "cache")
    with pytest.raises(SandboxUnavailable, match=r"no kernel for virtual machines|x86_64"):
        await open_sandbox("qemu", spec)
    assert not (tmp_path / "cache").exists()
