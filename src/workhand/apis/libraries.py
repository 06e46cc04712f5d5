"""What a generated module needs in a machine and a machine has not: a copy of this environment's, of Python alone.

The copy is named by what is in it, so that one which machines show is never changed under them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

from workhand.errors import ConfigError

INSTALL = "it comes with `pip install 'workhand[api]'`"
DISTRIBUTIONS = ("anyio", "attrs", "certifi", "h11", "httpcore", "httpx", "idna", "typing_extensions")
PACKAGES = ("anyio", "attr", "attrs", "certifi", "h11", "httpcore", "httpx", "idna", "typing_extensions")
READABLE, ENTERABLE = 0o644, 0o755


def gathered(parent: Path) -> Path:
    """Give the directory that has the libraries, made if it is not there yet.  Raises ``ConfigError``."""
    try:
        versions = [f"{name} {metadata.version(name)}" for name in DISTRIBUTIONS]
    except metadata.PackageNotFoundError as error:
        raise ConfigError(f"The library {error.name!r} is not installed; {INSTALL}.") from error
    directory = parent / hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]
    if not directory.is_dir():
        parent.mkdir(mode=ENTERABLE, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as made:
            for name in PACKAGES:
                _copy(name, Path(made) / "whole")
            readable(Path(made) / "whole")
            (Path(made) / "whole").rename(directory)
    return directory


def _copy(name: str, target: Path) -> None:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ConfigError(f"The library {name!r} is not installed; {INSTALL}.")
    origin = Path(found.origin)
    target.mkdir(exist_ok=True)
    if origin.name == "__init__.py":
        shutil.copytree(origin.parent, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "tests"))
    else:
        shutil.copyfile(origin, target / origin.name)


def readable(directory: Path) -> None:
    """Let everybody read what is in a directory, as who works in a machine must."""
    for parent, _, files in os.walk(directory):
        os.chmod(parent, ENTERABLE)
        for name in files:
            os.chmod(Path(parent, name), READABLE)
