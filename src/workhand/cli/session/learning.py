"""What this installation has learned of its tools' previews; kept in one small file."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workhand import private
from workhand.cli.settings import Settings
from workhand.core import canonical
from workhand.core.log import Log
from workhand.core.reopening import Opened, opened
from workhand.errors import ConfigError


def learned(settings: Settings) -> tuple[Opened, ...]:
    """Give what is known of each tool.  Raises ``ConfigError`` for a file that cannot be read."""
    file = file_of(settings)
    try:
        stated = json.loads(file.read_text("utf-8"))
        return tuple(Opened(str(tool), int(previews), int(count)) for tool, previews, count in stated)
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{str(file)!r} is damaged ({error}); `workhand gate --reset` begins anew.") from error


def learn(settings: Settings, log: Log, *, since: int) -> None:
    """Add the previews that entered a session from position ``since`` on."""
    fresh = {each.tool: each for each in opened(log, since=since)}
    if not fresh:
        return
    with _held(settings):
        known = {each.tool: each for each in learned(settings)}
        for tool, each in fresh.items():
            known[tool] = known[tool].plus(each) if tool in known else each
        content = canonical.encode([(each.tool, each.previews, each.opened) for _, each in sorted(known.items())])
        private.write(file_of(settings), content)


def file_of(settings: Settings) -> Path:
    return settings.home / "previews.json"


@contextmanager
def _held(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with file_of(settings).with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
