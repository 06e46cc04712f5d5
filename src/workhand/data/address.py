"""The address of a PostgreSQL database, which has no password in it: ``${NAME}`` stands in its place, or nothing.

    postgresql://reader:${SHOP_KEY}@db.example.com/shop

No error repeats an address, since what cannot be read of it may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from workhand.errors import ConfigError

LIKE = "postgresql://USER:${NAME}@HOST:PORT/DATABASE"
SCHEME = "postgresql"
PARAMETERS = frozenset({"host", "port", "sslmode", "sslrootcert", "channel_binding", "target_session_attrs"})
PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def is_address(text: str) -> bool:
    return "://" in text


def checked(text: str) -> str:
    """Give the address of a database as it may be kept and shown.  Raises ``ConfigError`` for what cannot be."""
    try:
        parts = urlsplit(text.strip())
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        parts.port  # noqa: B018 - which is only now read
    except ValueError:
        raise ConfigError(f"The address of the database cannot be read; write it like {LIKE}.") from None
    user, _, _ = parts.netloc.rpartition("@")
    _, colon, password = user.partition(":")
    if parts.scheme != SCHEME or parts.fragment or "@" in user or "@" in parts.path:
        raise ConfigError(f"Of addresses, only a database's can be added; write it like {LIKE}.")
    if colon and not PLACEHOLDER.fullmatch(password):
        raise ConfigError(
            f"A password must not stand in the address of the database; write it like {LIKE}, and add it with "
            "`workhand secrets add NAME --host HOST`."
        )
    if unknown := sorted(set(parameters) - PARAMETERS):
        raise ConfigError(
            f"The address of the database has {unknown[0]!r} in it; known are {', '.join(sorted(PARAMETERS))}."
        )
    return text.strip()


def filled(address: str, values: Mapping[str, str]) -> str:
    """Give the address to connect to.  Raises ``ConfigError`` naming a placeholder that has no value."""
    parts = urlsplit(address)
    user, at, places = parts.netloc.rpartition("@")
    name, _, stated = user.partition(":")
    if (placeholder := PLACEHOLDER.fullmatch(stated)) is None:
        return address
    if placeholder[1] not in values:
        raise ConfigError(
            f"The password {placeholder[0]} of the database has no value; `workhand secrets add {placeholder[1]} "
            "--host HOST` gives it one, or a variable of that name."
        )
    secret = quote(values[placeholder[1]], safe="")
    return urlunsplit(parts._replace(netloc=f"{name}:{secret}{at}{places}"))
