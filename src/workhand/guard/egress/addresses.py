"""Which addresses may be connected to, and how a name becomes one.

A name is resolved once, every address that comes of it must be public, and exactly one of those that were looked at is
connected to: a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[tuple[str, ...]]]

HOST_ITSELF = "host.internal"  # by this name a machine means its host's loopback; its own is 127.0.0.1
SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598: a provider's own
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
SITE_LOCAL = ipaddress.ip_network("fec0::/10")
BENCHMARKING = ipaddress.ip_network("198.18.0.0/15")


def forbidden(text: str) -> str:
    """Say why an address is not to be connected to; nothing if it may be."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "it is no address"
    if inner := embedded(address):
        return forbidden(str(inner)) or "it hides another address"
    named = (
        ("is_loopback", "it is this computer itself"),
        ("is_link_local", "it is on the local link, where clouds keep keys"),
        ("is_multicast", "it is not one computer"),
        ("is_unspecified", "it is no computer"),
        ("is_private", "it is in a private network"),
        ("is_reserved", "it is reserved"),
    )
    for name, reason in named:
        if getattr(address, name):
            return reason
    private = address in (SHARED if address.version == 4 else SITE_LOCAL) or address in BENCHMARKING
    return "it is in a private network" if private or not address.is_global else ""


def embedded(address: Address) -> Address | None:
    """Give the IPv4 address inside an IPv6 address, where it has one."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if any(address in network for network in TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    compatible = int(address) >> 32 == 0 and int(address) > 1
    return address.ipv4_mapped or address.sixtofour or (ipaddress.IPv4Address(int(address)) if compatible else None)


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Ask the host's resolver for the addresses of a name; ``host.internal`` is the host itself."""
    if host == HOST_ITSELF:
        return ("127.0.0.1",)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
