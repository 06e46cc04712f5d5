"""The one way to turn a value into bytes.

Equal values give equal bytes in every process, on every platform and under
every hash seed: keys are sorted, separators are compact, text is UTF-8, and
what has no canonical form (``nan``, a lone surrogate, a set) is refused.
A prompt prefix can only stay in a provider's cache if these bytes never move.
"""

from __future__ import annotations

import json
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
    return _ENCODER.encode(value).encode()


def digest(content: bytes) -> str:
    """Name content by its SHA-256, in hexadecimal."""
    return sha256(content).hexdigest()


def _shallow(value: object) -> dict[str, object]:
    """Turn a dataclass into an object; the encoder goes on with what is in it."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} has no canonical JSON form")
    return {name: getattr(value, name) for name in _names(type(value))}


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


_ENCODER = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_shallow
)
