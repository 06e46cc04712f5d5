"""Build the system that machines have inside, so that it does not depend on what the host happens to have.

It is a small Debian, made by mmdebstrap, which checks signatures, as root or as an ordinary user.  It is named by
what it is made of and never changed afterwards: all sessions share it, read-only, and nothing of the host is in it.
Beside it is the list of its packages with their versions.

Root's mmdebstrap mounts parts of the host where it works.  So it gets namespaces of its own, with which its mounts and
its processes end: whatever happens to it, what is removed afterwards is only what it wrote.

Everything here blocks; on an event loop, call it in a thread.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeAlias

from workhand.errors import SandboxUnavailable
from workhand.sandbox.bubblewrap import ETC_FILES, HOME, PACKAGE_PARENT, find_program
from workhand.sandbox.fetching import run
from workhand.sandbox.spec import TRUSTED_FILE

Size: TypeAlias = Literal["small", "full"]

SUITE = "bookworm"
SMALL = (
    *("bzip2", "ca-certificates", "curl", "file", "git", "jq", "less", "patch", "poppler-utils"),
    *("procps", "python3", "ripgrep", "unzip", "xz-utils", "zip"),
)
PACKAGES: dict[Size, tuple[str, ...]] = {
    "small": SMALL,
    "full": (*SMALL, "build-essential", "pandoc", "python3-pip", "python3-venv", "sqlite3"),
}
NOT_NEEDED = ("doc", "info", "locale", "man")  # of /usr/share
VERSION = 1  # of what is done here to the system
EPOCH = "1700000000"  # the latest date of any file, so that equal packages make equal bytes
BUILD_S, UNPACK_S, ASK_S = 1_800.0, 300.0, 60.0
PLACES = ("dev", "proc", "run", "tmp", HOME, PACKAGE_PARENT, os.path.dirname(TRUSTED_FILE))
EMPTIED = ("var/cache", "var/lib/apt/lists", "var/log", "tmp", "run", "dev")


def find(cache: Path, size: Size) -> Path:
    """Give the root directory of the image that was built last.  Raises ``SandboxUnavailable`` if there is none."""
    found = sorted(cache.glob(f"image-{size}-*/root"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SandboxUnavailable(f"There is no image {size!r} in {str(cache)!r}; build it first.")
    return found[-1]


def build(cache: Path, size: Size, *, say: Callable[[str], None]) -> Path:
    """Build an image unless it is there, and give its root directory."""
    tool = find_program("mmdebstrap", "mmdebstrap")
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / name_of(size, run([tool, "--version"], cache, timeout_s=ASK_S).strip())
    if target.exists():
        say(f"{target.name} is there")
        return target / "root"
    with tempfile.TemporaryDirectory(prefix=".build-", dir=cache) as scratch:
        archive, fresh = Path(scratch, "root.tar"), Path(scratch, "image")
        say(f"building {target.name} of {len(PACKAGES[size])} packages and what they need; this takes minutes")
        run(_command(tool, size, archive), Path(scratch), timeout_s=BUILD_S, SOURCE_DATE_EPOCH=EPOCH)
        say("unpacking it")
        (fresh / "root").mkdir(parents=True)
        unpack = ["tar", "--extract", "--file", str(archive), "--directory", str(fresh / "root"), "--exclude=./dev/*"]
        run(unpack, Path(scratch), timeout_s=UNPACK_S)
        finish(fresh)
        fresh.rename(target)
    return target / "root"


def name_of(size: Size, tool: str) -> str:
    """Name an image by all that decides what it is made of, but for the versions of the packages."""
    made_of = "\0".join((SUITE, tool, EPOCH, str(VERSION), *NOT_NEEDED, *sorted(PACKAGES[size])))
    return f"image-{size}-{sha256(made_of.encode()).hexdigest()[:12]}"


def _command(tool: str, size: Size, archive: Path) -> list[str]:
    apart = [find_program("unshare", "util-linux"), "--mount", "--mount-proc", "--pid", "--fork", "--kill-child"]
    return [
        *(apart if os.geteuid() == 0 else ()),
        *(tool, f"--mode={'root' if os.geteuid() == 0 else 'unshare'}", "--variant=minbase", "--format=tar"),
        *(f"--include={','.join(PACKAGES[size])}", '--aptopt=Apt::Install-Recommends "false"'),
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NOT_NEEDED),
        *(SUITE, str(archive)),
    ]


def finish(image: Path) -> None:
    """Make an unpacked system an image: our users, places to mount on, no caches, the list of packages beside it."""
    root = image / "root"
    for name in EMPTIED:
        for path in (root / name).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in PLACES:
        place = root / name.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
    for name, text in ETC_FILES.items():
        (root / "etc" / name).unlink(missing_ok=True)  # rather than follow a link out of the image
        (root / "etc" / name).write_text(text)
        (root / "etc" / name).chmod(0o644)
    for name in ("hostname", "resolv.conf", "machine-id"):  # of the host, or of one machine only
        (root / "etc" / name).unlink(missing_ok=True)
    known = (root / "var/lib/dpkg/status").read_text()
    versions = re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", known, re.MULTILINE | re.DOTALL)
    (image / "packages.txt").write_text("".join(f"{name} {version}\n" for name, version in sorted(versions)))
    for path in (image, root):
        path.chmod(0o755)  # Sessions' users walk here, whatever our umask.
