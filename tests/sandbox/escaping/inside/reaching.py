"""Sockets and the network: what is on the host, beside it, and beyond."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from tests.sandbox.escaping.inside.attempt import HOST, Attempts, Refused, find_in

CONNECT_S = 2.0
METADATA = "169.254.169.254"
FAMILIES = {
    "vsock": (40, socket.SOCK_STREAM, 0),
    "packet": (17, socket.SOCK_RAW, 0),
    "crypto": (38, socket.SOCK_SEQPACKET, 0),
    "key": (15, socket.SOCK_RAW, 2),
    "bluetooth": (31, socket.SOCK_RAW, 1),
    "CAN": (29, socket.SOCK_RAW, 1),
    "TIPC": (30, socket.SOCK_SEQPACKET, 0),
    "XDP": (44, socket.SOCK_RAW, 0),
    "raw": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
}


def connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(CONNECT_S)
        client.connect(address)


def send(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(b"", (address, port))


def make_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def see_interfaces() -> None:
    if {name for _, name in socket.if_nameindex()} <= {"lo"}:
        raise Refused(errno.ENODEV, "interfaces")


def see_routes() -> None:
    with open("/proc/net/route") as routes:
        if len(routes.readlines()) <= 1:
            raise Refused(errno.ENETUNREACH, "routes")


def read_the_door_of_another_session() -> None:
    """Look for the sockets by which people enter other machines."""
    for directory in ("/run/workhand", "/run/user/0/workhand", "/tmp/workhand-0"):
        if os.path.isdir(directory):
            return
    raise Refused(errno.ENOENT, "doors")


SOCKETS: Attempts = {
    **{f"open a socket: {name}": lambda made=made: make_socket(*made) for name, made in FAMILIES.items()},  # type: ignore[misc]
    "connect to an abstract socket": lambda: connect(socket.AF_UNIX, "\0" + HOST["abstract"]),
    "connect to a socket by path": lambda: connect(socket.AF_UNIX, HOST["socket"]),
    "connect to the system's bus": lambda: connect(socket.AF_UNIX, "/run/dbus/system_bus_socket"),
    "connect to a container engine": lambda: connect(socket.AF_UNIX, "/var/run/docker.sock"),
    "see the host's sockets": lambda: find_in("/proc/net/unix", HOST["abstract"].encode()),
    "find the doors of other sessions": read_the_door_of_another_session,
}

NETWORK: Attempts = {
    "connect to the host's loopback, IPv4": lambda: connect(socket.AF_INET, ("127.0.0.1", HOST["port"])),
    "connect to the host's loopback, another address": lambda: connect(socket.AF_INET, ("127.0.0.2", HOST["port"])),
    "connect to the host's loopback, IPv6": lambda: connect(socket.AF_INET6, ("::1", HOST["port"])),
    "connect to the host's loopback, mapped": lambda: connect(socket.AF_INET6, ("::ffff:127.0.0.1", HOST["port"])),
    "connect to no address": lambda: connect(socket.AF_INET, ("0", HOST["port"])),
    "connect to the metadata address": lambda: connect(socket.AF_INET, (METADATA, 80)),
    "connect to a public address": lambda: connect(socket.AF_INET, ("192.0.2.1", 443)),
    "send to the metadata address": lambda: send(METADATA, 53),
    "send to everybody": lambda: send("255.255.255.255", 9),
    "send to a group": lambda: send("224.0.0.1", 9),
    "resolve a name": lambda: socket.getaddrinfo("example.com", 80),
    "see network interfaces": see_interfaces,
    "see routes": see_routes,
    "see the host's connections": lambda: find_in("/proc/net/tcp6", b":%04X " % HOST["port"]),
}
