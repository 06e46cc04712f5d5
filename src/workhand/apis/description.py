"""What an OpenAPI description says of an API as a whole: where it is, and how a key travels there.

Everything in it is a stranger's.  What is taken from it is checked to be of the expected form, and what would have
other files read is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from workhand.errors import ConfigError

BASE_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
TITLE_CHARS_MAX = 100
Form = Literal["plain", "bearer", "basic"]
Place = Literal["header", "cookie", "query"]


@dataclass(frozen=True, slots=True)
class Travels:
    """How a key goes with a request."""

    place: Place
    name: str
    form: Form

    def __str__(self) -> str:
        return f"{self.place} {self.name}" + ("" if self.form == "plain" else f" ({self.form})")


BEARER = Travels("header", "Authorization", "bearer")
BASIC = Travels("header", "Authorization", "basic")


def check(description: Mapping[str, Any]) -> None:
    """Refuse what is no description of version 3, or has parts elsewhere.  Raises ``ConfigError``."""
    version = str(description.get("openapi", description.get("swagger", "")))[:20]
    if not version.startswith("3."):
        raise ConfigError(f"The description is of OpenAPI {version!r}; give one of version 3.0 or 3.1.")
    for reference in _references(description):
        if not reference.startswith("#"):
            shown = reference[:80]
            raise ConfigError(f"The description refers to {shown!r}, outside of itself; give one that is in one file.")


def _references(description: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[Any] = [description]
    while waiting:
        match waiting.pop():
            case dict() as found:
                if isinstance(found.get("$ref"), str):
                    yield found["$ref"]
                waiting.extend(found.values())
            case list() as found:
                waiting.extend(found)


def title(description: Mapping[str, Any]) -> str:
    info = description.get("info")
    said = f"{info.get('title', '')} {info.get('version', '')}" if isinstance(info, dict) else ""
    return line(said, TITLE_CHARS_MAX)


def line(text: str, chars_max: int) -> str:
    """Give a stranger's text as one line that cannot be taken for anything else."""
    plain = "".join(letter if letter.isprintable() and letter not in "`<>" else " " for letter in text[: 4 * chars_max])
    return " ".join(plain.split())[:chars_max]


def base_url(description: Mapping[str, Any], address: str, chosen: str) -> str:
    """Give the address that paths stand behind: the chosen or the first server's.  Raises ``ConfigError``."""
    servers = description.get("servers")
    stated = chosen or (_filled(servers[0]) if isinstance(servers, list) and servers else "/")
    found = urljoin(address, stated) if address else stated
    parts = urlsplit(found)
    if not BASE_URL.fullmatch(found) or not parts.hostname:
        raise ConfigError(
            f"The API's address is {found[:120]!r}; give one such as --base-url https://api.example.com/v1."
        )
    return found.rstrip("/")


def _filled(server: Any) -> str:
    """Give a server's address with its variables at their defaults."""
    if not isinstance(server, dict):
        return ""
    variables = server.get("variables")
    stated = variables.items() if isinstance(variables, dict) else ()
    defaults = {str(name): str(each.get("default", "")) for name, each in stated if isinstance(each, dict)}
    return re.sub(r"\{([^{}]*)\}", lambda found: defaults.get(found[1], found[0]), str(server.get("url", "")))


def travels(description: Mapping[str, Any], chosen: str = "") -> Travels | None:
    """Say how a key travels: as the chosen scheme says, else the first that the API asks for; ``None`` without schemes.

    One in a header is preferred.  Raises ``ConfigError`` if none of them can be used.
    """
    components = description.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, dict) else None
    known = {str(name): _scheme(each) for name, each in (schemes or {}).items()} if isinstance(schemes, dict) else {}
    usable = {name: how for name, how in known.items() if how is not None}
    if chosen:
        if chosen not in usable:
            raise ConfigError(f"The scheme {chosen!r} cannot be used; the description has {sorted(usable)!r}.")
        return usable[chosen]
    if known and not usable:
        raise ConfigError(f"None of the schemes {sorted(known)!r} is a key in a header, a cookie or the address.")
    asked = [usable[name] for name in _asked(description) if name in usable]
    return next(iter(sorted(asked or usable.values(), key=lambda how: how.place != "header")), None)


def _asked(description: Mapping[str, Any]) -> list[str]:
    """Name the schemes that are asked for by everything, one at a time."""
    security = description.get("security")
    asked = security if isinstance(security, list) else []
    return [str(name) for each in asked if isinstance(each, dict) and len(each) == 1 for name in each]


def _scheme(stated: Any) -> Travels | None:
    match stated:
        case {"type": "http", "scheme": str(scheme)} if scheme.lower() == "bearer":
            return BEARER
        case {"type": "http", "scheme": str(scheme)} if scheme.lower() == "basic":
            return BASIC
        case {"type": "oauth2" | "openIdConnect"}:  # what it hands out at the end is sent so
            return BEARER
        case {"type": "apiKey", "in": "header" | "cookie" | "query" as place, "name": str(name)}:
            return Travels(place, name, "plain") if HEADER.fullmatch(name) else None
    return None
