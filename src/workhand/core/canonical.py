"""The one way to turn a value into bytes.

Equal values give equal bytes in every process, on every platform and under
every hash seed: keys are sorted, separators are compact, text is UTF-8, and
what has no canonical form (``nan``, a lone surrogate, a set) is refused.
A prompt prefix can only stay in a provider's cache if these bytes never move.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

ADDED: Final[Mapping[str, bool]] = MappingProxyType({"added": True})
"""Metadata of a dataclass field that came after its class was first written: left out while it has its default.

So a value that was written before the field existed is written to the same bytes again.
"""


def encode(value: object) -> bytes:
    """Give the canonical JSON of ``value`` in UTF-8.

    Accepts JSON values, tuples (as arrays) and dataclasses (as objects).
    Raises ``TypeError`` or ``ValueError`` for anything without a canonical form.
    """
    return _ENCODER.encode(value).encode()


def digest(content: bytes) -> str:
    """Name content by its SHA-256, in hexadecimal."""
    return sha256(content).hexdigest()


def _shallow(value: object) -> dict[str, object]:
    """Turn a dataclass into an object; the encoder goes on with what is in it."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} has no canonical JSON form")
    first, added = _names(type(value))
    stated = {name: getattr(value, name) for name in first}
    for name, default in added:
        if getattr(value, name) != default:
            stated[name] = getattr(value, name)
    return stated


@cache
def _names(kind: type) -> tuple[tuple[str, ...], tuple[tuple[str, object], ...]]:
    """Give the names of the first fields of a class, and of those that were added, with their defaults."""
    known = fields(kind)
    first = tuple(each.name for each in known if not each.metadata.get("added"))
    return first, tuple((each.name, each.default) for each in known if each.metadata.get("added"))


_ENCODER = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_shallow
)
