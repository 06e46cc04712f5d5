"""Read the names of hosts into one form: never is one form judged and another connected to.

Only what every program would read alike is taken: lower-case names of letters, digits and hyphens, addresses in
decimal with four parts, and IPv6 addresses in brackets.  Octal, hexadecimal and short addresses, percent signs, names
that are not ASCII, and users before a host are refused.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"{LABEL}(\.{LABEL})*")
NAME_CHARS_MAX = 253
ORDINARY_PORTS = (443, 80)
NUMBER = re.compile(r"(0x[0-9a-f]*|\d+)")


class Malformed(ValueError):
    """A host that can be read in more than one way, or in none."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    host: str  # without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint(text: str, default_port: int | None = None) -> Endpoint:
    """Read ``host:port``.  Raises ``Malformed``."""
    host, port = _split(text)
    if port is None and default_port is None:
        raise Malformed(f"{text[:80]!r} has no port")
    return Endpoint(normal(host), _port(port) if port is not None else default_port or 0)


def normal(host: str) -> str:
    """Give a host in its one form.  Raises ``Malformed``."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1] if "%" not in host else "zone"))
        except ValueError as error:
            raise Malformed(f"{host[:80]!r} is no IPv6 address") from error
    lowered = host.lower().removesuffix(".")
    if len(lowered) > NAME_CHARS_MAX or not NAME.fullmatch(lowered):
        raise Malformed(f"{host[:80]!r} is no name of a host; write it in letters, digits, hyphens and dots")
    if NUMBER.fullmatch(lowered.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(lowered))
        except ValueError as error:
            raise Malformed(f"{host[:80]!r} is no address of four decimal parts") from error
    return lowered


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise Malformed(f"{text[:80]!r} is no host")
        return host + "]", rest[1:] if rest else None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _port(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text) or int(text) > 0xFFFF:
        raise Malformed(f"{text[:20]!r} is no port")
    return int(text)


def pattern(text: str) -> str:
    """Read what means hosts: ``example.com``, ``*.example.com``, either with ``:port``.  Raises ``Malformed``."""
    lowered = text.strip().lower()
    endpoint(lowered.removeprefix("*."), ORDINARY_PORTS[0])
    return lowered


def matches(means: str, host: str, port: int) -> bool:
    """Say whether a pattern means a host and its port; without a port it means those of HTTP and HTTPS only."""
    if not covers(means, host):
        return False
    stated = _split(means.removeprefix("*."))[1]
    return port in ORDINARY_PORTS if stated is None else stated == str(port)


def covers(means: str, host: str) -> bool:
    """Say whether a pattern means a host, on whatever port; one that cannot be read means none."""
    try:
        base = normal(_split(means.removeprefix("*."))[0])
    except Malformed:
        return False
    return host.endswith("." + base) if means.startswith("*.") else host == base


def overlap(one: str, other: str) -> bool:
    """Say whether there is a host that both patterns mean."""
    hosts = [normal(_split(means.removeprefix("*."))[0]) for means in (one, other)]
    return hosts[0] == hosts[1] or covers(one, hosts[1]) or covers(other, hosts[0])
