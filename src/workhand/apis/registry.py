"""The APIs that a person has added: a directory each, which is the module as machines show it.

``api.json`` says the rest: where the API is, and which secret goes there and how.  There is no key in it.
"""

from __future__ import annotations

import json
import keyword
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workhand.apis.description import Travels
from workhand.errors import ConfigError

FILE, INDEX = "api.json", "INDEX.md"
PARENT = "/opt/python"  # where Python in a machine finds packages
INSIDE = f"{PARENT}/apis"
LIBRARIES = f"{PARENT}/libraries"
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
INTRODUCTION = "These APIs are at hand as Python modules. Before you use one, read its INDEX.md:"


@dataclass(frozen=True, slots=True)
class Api:
    """An API as everybody may see it."""

    name: str
    title: str
    base_url: str
    secret: str  # its name; empty for an API without a key
    travels: Travels | None
    user: str  # of basic authentication; empty if the secret has it
    operations: int

    @property
    def host(self) -> str:
        """Give its host as a session's network names it: with its port where that is not the one of HTTPS."""
        host, port = self.endpoint
        return host if port == 443 else f"{host}:{port}"

    @property
    def endpoint(self) -> tuple[str, int]:
        parts = urlsplit(self.base_url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def path(self) -> str:
        return urlsplit(self.base_url).path or "/"

    @property
    def inside(self) -> str:
        """Where a machine shows it."""
        return f"{INSIDE}/{self.name}"

    def stated(self) -> dict[str, Any]:
        return {**asdict(self), "host": self.host}


def check_name(name: str) -> None:
    """Raises ``ConfigError`` for what cannot be the name of a module."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(f"The name {name!r} cannot be a module's; use lower-case letters, digits and underscores.")


def found(directory: Path) -> tuple[Api, ...]:
    """Give the APIs in a directory, by name."""
    files = sorted(directory.glob(f"*/{FILE}")) if directory.is_dir() else []
    return tuple(_read(file) for file in files if NAME.fullmatch(file.parent.name))


def find(directory: Path, name: str) -> Api:
    """Raises ``ConfigError`` if there is none of that name."""
    for each in found(directory):
        if each.name == name:
            return each
    raise ConfigError(f"There is no API {name!r}; `workhand api ls` lists those there are.")


def remove(directory: Path, name: str) -> None:
    find(directory, name)
    shutil.rmtree(directory / name)


def listed(apis: tuple[Api, ...]) -> str:
    """Introduce APIs to the model, in words that none of them has chosen; nothing if there are none."""
    lines = [f"- {each.name}: {each.operations} operations at {each.host} ({each.inside}/{INDEX})" for each in apis]
    return "\n".join([INTRODUCTION, *lines]) if lines else ""


def _read(file: Path) -> Api:
    try:
        stated: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        travels = Travels(**stated["travels"]) if stated["travels"] else None
        known = {name: stated[name] for name in ("title", "base_url", "secret", "user", "operations")}
        return Api(name=file.parent.name, travels=travels, **known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"remove {str(file.parent)!r} and add the API again"
        raise ConfigError(f"{str(file)!r} cannot be read: {error!r}; {remedy}.") from error
