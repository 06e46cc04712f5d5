"""How a provider's prompt cache works, and what else no price list has, from ``mechanics.toml``.

That file is read when it is first asked for.  It is part of this package: what is wrong
in it is a bug, and raises whatever it raises.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from workhand.core.policy import PRE_ROT_TOKENS

FILE = "mechanics.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cliff:
    """A length of the input past which all tokens of a request cost so many times their price."""

    tokens: int
    input: float  # cached and written input too
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanics:
    """What a provider documents about a model; ``None`` where it says nothing."""

    read: date  # when it was read there
    implicit: bool = True  # caches what no breakpoint asks for
    breakpoints_max: int = 0  # of a request; 0: there are none to set
    lookback_blocks: int | None = None  # from a breakpoint to the end of an earlier entry
    minimum_tokens: int | None = None  # shorter prefixes are not cached
    granularity_tokens: int | None = None  # an entry's length is a multiple of this
    lifetime_s: float | None = None  # of an entry that is not hit
    lifetime_long_s: float | None = None  # the same where a longer one was asked for
    write: float = 1.0  # price of writing to the cache, relative to that of input
    write_long: float | None = None  # the same for the longer lifetime
    cliffs: tuple[Cliff, ...] = ()
    sees: bool = False  # takes pictures
    window_tokens: int | None = None
    pre_rot_tokens: int = PRE_ROT_TOKENS  # the length past which quality falls; no provider publishes one


def mechanics_of(provider: str, model: str) -> Mechanics | None:
    """Give the mechanics of a model, or ``None`` if it is not known; ``provider`` is a table of the file."""
    found = _providers().get(provider)
    name = model.lower().rpartition("/")[2]  # servers put folders before it
    models = found.models if found else ()
    return next((known for names, known in models if any(fnmatchcase(name, each) for each in names)), None)


def provider_at(base_url: str) -> str:
    """Give the provider that serves an address, or an empty string."""
    host = "." + (urlsplit(base_url).hostname or "")
    return next((name for name, each in _providers().items() if any(host.endswith("." + at) for at in each.hosts)), "")


@dataclass(frozen=True, slots=True)
class _Provider:
    hosts: tuple[str, ...]
    models: tuple[tuple[tuple[str, ...], Mechanics], ...]  # by patterns of names; the first that matches holds


@cache
def _providers() -> dict[str, _Provider]:
    tables = tomllib.loads(files("workhand.models").joinpath(FILE).read_text("utf-8"))
    return {name: _provider(table) for name, table in tables.items()}


def _provider(table: dict[str, Any]) -> _Provider:
    models, hosts = table.pop("models"), table.pop("hosts", ())
    return _Provider(tuple(hosts), tuple((tuple(each.pop("names")), _mechanics(table | each)) for each in models))


def _mechanics(stated: dict[str, Any]) -> Mechanics:
    return Mechanics(**stated | {"cliffs": tuple(Cliff(**each) for each in stated.get("cliffs", ()))})
