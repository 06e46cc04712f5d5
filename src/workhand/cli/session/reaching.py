"""What a session reaches besides its machine: a browser of the person's, and whoever answers searches."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workhand.cli.session.place import Place
from workhand.cli.settings import Searching, Settings
from workhand.core.policy import Isolation

if TYPE_CHECKING:
    from workhand.browser.session import MachineBrowser
    from workhand.cli.session.surroundings import Surroundings
    from workhand.core.searching import Search
    from workhand.sandbox.client import DaemonSandbox
    from workhand.tools.toolbox import Reach


def reach(settings: Settings, driven: MachineBrowser | None) -> Reach:
    from workhand.tools.toolbox import Reach

    return Reach(driven, search(settings), today)


def today() -> str:
    from workhand.cli.session.wiring import SystemClock

    return datetime.fromtimestamp(SystemClock().now(), UTC).date().isoformat()


def search(settings: Settings) -> Search | None:
    """Give whoever is set up to answer searches."""
    match settings.search:
        case Searching(service="", folder=None):
            return None
        case Searching(service="", folder=Path() as folder):
            from workhand.search.offline import FolderSearch

            return FolderSearch(folder.expanduser(), settings.home / "search.db")
        case Searching(service="ddgs"):
            from workhand.search.metasearch import MetaSearch

            return MetaSearch()
        case stated:
            from workhand.search.providers import SERVICES, WebSearch

            return WebSearch(SERVICES[stated.service], key=stated.key, base_url=stated.base_url)


def browser(settings: Settings, isolation: Isolation, around: Surroundings, place: Place) -> MachineBrowser | None:
    """Give a browser in a machine of its own, with the session's way out; none where there is no such way."""
    if not around.doors:
        return None
    from workhand.browser.session import MachineBrowser
    from workhand.sandbox.spec import NETWORK_PORT

    opened = partial(_machine, settings, isolation, around, place)
    return MachineBrowser(opened, proxy_port=NETWORK_PORT, trusted_keys=around.trusted_keys)


async def _machine(settings: Settings, isolation: Isolation, around: Surroundings, place: Place) -> DaemonSandbox:
    """Open the browser's machine over the person's profile; where that is in use, over one of this session's own."""
    from workhand.cli.session.wiring import open_for
    from workhand.sandbox.spec import MachineSpec

    profile, lock = settings.home / "browser" / "profile", None
    profile.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(profile.with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        profile = place.directory / "browser"
        profile.mkdir(exist_ok=True)
    spec = MachineSpec(
        session=f"browser-{place.directory.name}",
        workspace=profile,
        owned=True,
        limits=settings.machine,
        cache=settings.cache,
    )
    try:
        machine = await open_for(settings, isolation, replace(around.fitted(spec), environment={}))
    except BaseException:
        os.close(lock)
        raise
    machine.when_closed(partial(_release, lock))
    return machine


def _release(lock: int) -> None:
    with suppress(OSError):
        os.close(lock)
