"""The APIs that a session has, as modules in its machine."""

from __future__ import annotations

from pathlib import Path

from workhand.apis import registry
from workhand.apis.registry import Api
from workhand.cli.settings import Settings
from workhand.core.policy import Guard

DIRECTORY = "apis"  # below the home
LIBRARIES = ".libraries"


def of(settings: Settings) -> tuple[Api, ...]:
    return registry.found(settings.home / DIRECTORY)


def reached(settings: Settings, guard: Guard) -> tuple[Api, ...]:
    """Give the APIs that a session has: those whose hosts its network reaches, as it is with secrets."""
    if guard.network.mode == "none" or guard.isolation == "none":
        return ()
    from workhand.guard.egress.hosts import ORDINARY_PORTS, matches

    def reaches(api: Api) -> bool:
        host, port = api.endpoint
        public = guard.network.mode == "open" and port in ORDINARY_PORTS
        return public or any(matches(pattern, host, port) for pattern in guard.network.hosts)

    return tuple(filter(reaches, of(settings)))


def shown(settings: Settings, guard: Guard) -> dict[str, Path]:
    """Give the directories of a session's APIs by where a machine shows them, with the libraries that they need."""
    apis = reached(settings, guard)
    if not apis:
        return {}
    from workhand.apis.libraries import gathered

    directory = settings.home / DIRECTORY
    modules = {each.inside: directory / each.name for each in apis}
    return {**modules, registry.LIBRARIES: gathered(directory / LIBRARIES)}


def environment(modules: dict[str, Path]) -> dict[str, str]:
    """Give the variables by which Python in a machine finds these modules."""
    return {"PYTHONPATH": registry.PARENT} if modules else {}


def told(settings: Settings, guard: Guard) -> str:
    """Give what the model is told of a session's APIs, behind its system prompt."""
    said = registry.listed(reached(settings, guard))
    return f"\n\n{said}" if said else ""
