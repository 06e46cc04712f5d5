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
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def encode(value: object) -> bytes:
    """Give the canonical JSON of ``value`` in UTF-8.

    Accepts JSON values, tuples (as arrays) and dataclasses (as objects).
    Raises ``TypeError`` or ``ValueError`` for anything without a canonical form.
    """
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def plain(value: object) -> Json:
    """Turn tuples and dataclasses into the lists and dicts that JSON has."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {_key(key): plain(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def digest(content: bytes) -> str:
    """Name content by its SHA-256, in hexadecimal."""
    return sha256(content).hexdigest()


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"an object key must be text, not {key!r}")
    return key
