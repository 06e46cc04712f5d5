"""The data that a session has: what is shown in its machine, and what it may ask."""

from __future__ import annotations

from pathlib import Path

from workhand.cli.settings import Settings
from workhand.core.policy import Guard
from workhand.data import places, registry
from workhand.data.registry import FILE, Entry
from workhand.errors import ConfigError

COPIES = "data"  # of files, below the home: a machine shows directories


def of(settings: Settings, guard: Guard) -> tuple[Entry, ...]:
    """Give the data that a session has: what is there, still.  Without a machine of its own it has none."""
    if guard.isolation == "none":
        return ()
    return tuple(each for each in registry.load(settings.home / FILE) if not problem_of(settings, each))


def shown(settings: Settings, guard: Guard) -> dict[str, Path]:
    """Give the directories of a session's data by where a machine shows them."""
    return {each.shown_at: _directory(settings, each) for each in of(settings, guard) if each.kind != "postgresql"}


def told(settings: Settings, guard: Guard) -> str:
    """Give what the model is told of a session's data, behind its system prompt."""
    said = registry.listed(of(settings, guard))
    return f"\n\n{said}" if said else ""


def _directory(settings: Settings, entry: Entry) -> Path:
    if entry.kind == "directory":
        return Path(entry.where)
    return places.staged(Path(entry.where), settings.home / COPIES / entry.name)


def problem_of(settings: Settings, entry: Entry) -> str:
    """Say why data cannot be shown: it has gone, or something else is in its place since it was added."""
    if entry.kind == "postgresql":
        return ""  # it may be away for a while
    place = Path(entry.where)
    try:
        found = places.checked(place, settings.home)
    except ConfigError as error:
        return str(error)
    if found != place or found.is_dir() != (entry.kind == "directory"):
        return f"{entry.where!r} is no longer what was added; `workhand data remove {entry.name}` and add it again."
    return ""
