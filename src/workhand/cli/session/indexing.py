"""The door to packages: which index is asked for a session, if any, and what this installation keeps."""

from __future__ import annotations

import importlib.util
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from workhand.cli.settings import Settings
from workhand.core.policy import Guard
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.guard.packages.serving import Gate
    from workhand.guard.packages.wheels import Wheels
    from workhand.sandbox.spec import Door

STATED = re.compile(r"^(:env:|install|global)\.index-url='(.+)'$", re.MULTILINE)
BY_DEFAULT = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
PIP_S = 60.0
SCHEMES = ("https://", "http://", "file:///")


@asynccontextmanager
async def door(settings: Settings, guard: Guard, gate: Gate | None) -> AsyncIterator[Mapping[int, Door]]:
    """Give the door behind which an index answers; none where it would have nothing, or programs ask one themselves."""
    kept = wheels(settings)
    asks = may_ask(settings, guard)
    if guard.isolation == "none" or gate is None or not (asks or (not _reaches(settings, guard) and kept.kept())):
        yield {}
        return
    from workhand.guard.packages.serving import Packages
    from workhand.guard.packages.upstream import Index
    from workhand.sandbox.spec import PACKAGES_PORT

    index = Index(await anyio.to_thread.run_sync(index_of, settings)) if asks else None
    served = Packages(kept, gate, index, sdists=settings.packages.sdists)
    async with anyio.create_task_group() as group:

        def open_door(connection: socket.socket) -> None:
            group.start_soon(served.serve, connection)

        yield {PACKAGES_PORT: open_door}
        group.cancel_scope.cancel()


def wheels(settings: Settings) -> Wheels:
    """Give the files of packages that this installation keeps."""
    from workhand.guard.packages.wheels import Wheels

    return Wheels(settings.cache / "wheels", settings.packages.cache_bytes_max)


def may_ask(settings: Settings, guard: Guard) -> bool:
    """Say whether an index is asked for a session: there is one, and the person or the session's network allows it."""
    known = settings.packages.index or importlib.util.find_spec("pip") is not None
    return bool(known) and _reaches(settings, guard)


def _reaches(settings: Settings, guard: Guard) -> bool:
    stated = settings.packages.network
    return guard.network.mode != "none" if stated is None else stated


def index_of(settings: Settings) -> str:
    """Give the address of the index that is asked: the one that is set, or that pip on this host would ask.

    Raises ``ConfigError`` if there is none, or it cannot be used.
    """
    url = settings.packages.index or _of_pip()
    if not url.startswith(SCHEMES):
        raise ConfigError(f"The index of packages {url!r} cannot be used; give one that begins with https://.")
    return url


def _of_pip() -> str:
    stated = dict(STATED.findall(_pip("-m", "pip", "config", "list")))
    found = next((stated[where] for where in (":env:", "install", "global") if where in stated), "")
    return found or _pip("-c", BY_DEFAULT).strip()


def _pip(*arguments: str) -> str:
    try:
        ran = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=PIP_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"Pip on this computer did not say which index it asks ({type(error).__name__}); "
            'set it with `index = "..."` in [packages] of the settings file.'
        ) from error
    return ran.stdout
