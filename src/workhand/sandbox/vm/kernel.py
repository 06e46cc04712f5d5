"""Find the kernel that virtual machines boot, and make what it starts with.

It is Debian's ordinary kernel: the one for clouds cannot mount what a host shares by 9p.  Nothing is installed.  The
package is fetched once with apt, which checks its signature, and of its 400 MB two things are kept: the kernel, taken
out of its compressed image, since an emulated processor would need long to do it at each start; and the few modules
that a machine needs.  Any other kernel that is unpacked somewhere, or installed on the host, can be taken likewise.

Everything here blocks; on an event loop, call it in a thread.
"""

from __future__ import annotations

import lzma
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workhand.errors import SandboxUnavailable
from workhand.sandbox.bubblewrap import find_program
from workhand.sandbox.fetching import run
from workhand.sandbox.vm import cpio

PACKAGE = "linux-image-amd64"
MACHINE = "q35"  # whose devices the modules are for
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "virtio_console", "virtio_rng")
KERNEL_BYTES_MAX = 512 << 20
DOWNLOAD_S, UNPACK_S, ASK_S = 900.0, 300.0, 60.0
GIVE_ONE = "unpack a Debian kernel package somewhere and name that directory instead"
PVH_NOTES = tuple(struct.pack("<III", 4, size, 18) + b"Xen\0" for size in (4, 8))  # where an emulator may enter it


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that has been taken: an ELF file, and modules beside it, named in the order in which they load."""

    directory: Path

    @property
    def version(self) -> str:
        return self.directory.name.removeprefix(f"{MACHINE}-")


def find(cache: Path) -> Kernel:
    """Give the kernel that was taken last.  Raises ``SandboxUnavailable`` if there is none."""
    found = sorted(cache.glob(f"{MACHINE}-*/vmlinux"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SandboxUnavailable(
            f"There is no kernel for virtual machines in {str(cache)!r}; `workhand sandbox kernel` fetches Debian's."
        )
    return Kernel(found[-1].parent)


def fetch(cache: Path, say: Callable[[str], None]) -> Kernel:
    """Download Debian's kernel with apt and take it; needs no root and installs nothing."""
    apt = find_program("apt-get", f"apt` on Debian, or {GIVE_ONE}: `")
    name = _package(apt)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as scratch:
        say(f"downloading {name} (70 MB)")
        run([apt, "download", name], Path(scratch), timeout_s=DOWNLOAD_S)
        packages = list(Path(scratch).glob("*.deb"))
        if len(packages) != 1:
            raise SandboxUnavailable(f"`apt-get download {name}` gave {len(packages)} files instead of one; try again.")
        say("unpacking it")
        run([find_program("dpkg-deb", "dpkg"), "-x", str(packages[0]), "root"], Path(scratch), timeout_s=UNPACK_S)
        return take(Path(scratch, "root"), cache, say)


def _package(apt: str) -> str:
    """Ask apt which package the one without a version stands for."""
    command = [os.path.join(os.path.dirname(apt), "apt-cache"), "show", "--no-all-versions", PACKAGE]
    said = run(command, Path("/"), timeout_s=ASK_S)
    found = re.search(r"^Depends: (linux-image-[0-9][\w.+-]*)", said, re.MULTILINE)
    if found is None:
        raise SandboxUnavailable(f"apt knows no package {PACKAGE!r}; run `apt-get update`, or {GIVE_ONE}.")
    return found[1]


def take(root: Path, cache: Path, say: Callable[[str], None]) -> Kernel:
    """Take the newest kernel below a directory that has ``boot`` and ``lib/modules``; ``/`` is the host's own."""
    images = sorted(root.glob("boot/vmlinuz-*"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)])
    if not images:
        raise SandboxUnavailable(f"There is no boot/vmlinuz-* in {str(root)!r}; {GIVE_ONE}.")
    version = images[-1].name.removeprefix("vmlinuz-")
    target = cache / f"{MACHINE}-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".take-", dir=cache) as scratch:
        fresh = Path(scratch, "kernel")
        (fresh / "modules").mkdir(parents=True)
        say(f"taking the kernel {version} out of its image")
        for number, (name, content) in enumerate(_modules(root, version).items()):
            (fresh / "modules" / f"{number:02}-{name}.ko").write_bytes(content)
        (fresh / "vmlinux").write_bytes(unpacked(_read(images[-1])))
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # Sessions' users read them, whatever our umask.
        if target.exists():
            target.rename(Path(scratch, "old"))
        fresh.rename(target)
    return Kernel(target)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SandboxUnavailable(f"The file {str(path)!r} cannot be read: {error.strerror}; {GIVE_ONE}.") from error


def unpacked(image: bytes) -> bytes:
    """Take the kernel, an ELF file, out of its bootable image."""
    if image[0x202:0x206] != b"HdrS":  # the signature of the boot protocol is at 0x202
        raise SandboxUnavailable(f"The kernel is no bootable image for x86 processors; {GIVE_ONE}.")
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    kernel = decompressed(image[start : start + length])
    if not kernel.startswith(b"\x7fELF") or not any(note in kernel for note in PVH_NOTES):
        raise SandboxUnavailable(f"The kernel was built without PVH, by which an emulator would start it; {GIVE_ONE}.")
    return kernel


def decompressed(content: bytes) -> bytes:
    """Undo the compression that a kernel or a module says it has; what says nothing is as it should be."""
    if content.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor(memlimit=KERNEL_BYTES_MAX).decompress(content, KERNEL_BYTES_MAX)
    if content.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(content, KERNEL_BYTES_MAX)
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content


def _modules(root: Path, version: str) -> dict[str, bytes]:
    """Read the modules that a machine needs, each after those that it depends on."""
    folders = [*root.glob(f"lib/modules/{version}"), *root.glob(f"usr/lib/modules/{version}")]
    if not folders:
        raise SandboxUnavailable(f"The modules of kernel {version!r} are not in {str(root)!r}; {GIVE_ONE}.")
    files = {_name(path.name): path for path in folders[0].glob("kernel/**/*.ko*")}
    builtin = {_name(line) for line in (folders[0] / "modules.builtin").read_text().splitlines()}
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in found or name in builtin:
            return
        if name not in files:
            raise SandboxUnavailable(f"The kernel {version!r} has no module {name!r}; {GIVE_ONE}.")
        content = decompressed(_read(files[name]))
        needed = re.search(rb"\0depends=([\w,-]*)\0", content)
        for each in needed[1].decode().split(",") if needed and needed[1] else ():
            add(_name(each))
        found[name] = content

    for wanted in MODULES:
        add(wanted)
    return found


def _name(path: str) -> str:
    return os.path.basename(path).partition(".ko")[0].replace("-", "_")


def initramfs(kernel: Kernel) -> bytes:
    """Make the first root directory of a machine: a static busybox, the modules, and the script that begins."""
    busybox = Path(find_program("busybox", "busybox-static")).read_bytes()
    if b"ld-linux" in busybox[:4096]:
        raise SandboxUnavailable(
            "The program 'busybox' needs libraries that are not in the machine; `apt-get install busybox-static` helps."
        )
    directories = ("bin", "dev", "modules", "proc", "system")
    members = {name: (cpio.DIRECTORY, b"") for name in directories}
    members["bin/busybox"] = (cpio.PROGRAM, busybox)
    members["init"] = (cpio.PROGRAM, Path(__file__).with_name("init.sh").read_bytes())
    for module in sorted((kernel.directory / "modules").iterdir()):
        members[f"modules/{module.name}"] = (cpio.FILE, module.read_bytes())
    return cpio.archive(members)
