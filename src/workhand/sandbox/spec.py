"""What a machine is opened with, whatever the backend.

A machine has no network.  Its daemon listens on the loopback inside where there is a ``door``,
and what connects there comes out at that door as an ordinary socket: the one way out of every
backend, on the one wire that a backend must provide anyway.  One door leads to the network, and
programs inside find it by the usual variables, as they find the authorities that they must trust;
another leads to what the host does for them, a third to an index of packages of Python.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.slots import give

Door: TypeAlias = Callable[[socket.socket], None]
"""Take over one connection from inside; never waits."""

CACHE = Path("~/.cache/workhand")
NETWORK_PORT, HOST_PORT, PACKAGES_PORT = 3128, 3129, 3130  # on the loopback inside
INSTALLER_TIMEOUT_S = "600"
TRUSTED_FILE = "/etc/workhand/trusted.pem"
TRUSTED_VARIABLES = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"),
    *("PIP_CERT", "AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO"),
)


@dataclass(frozen=True, slots=True)
class Lent:
    """A directory or a file of the host, shown at its own path as its owner sees it."""

    path: Path
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """One machine of one session over a workspace directory that exists.

    ``owned`` says that the directory was made for the session and may be given to the
    session's own user, which ``hand_over`` does.  ``kept`` is a directory that the machine shows read-only as
    ``.workhand`` in the workspace.  ``shown`` are directories that it shows read-only, too, by
    their path inside, below ``/opt`` or ``/mnt``; others must be able to read what is in them.  ``links``
    are symbolic links to make there.  ``lent`` is what the host shows at its own path, and not every kind of machine
    can.  ``root`` is the root directory of an image; without one
    the machine has the host's ``/usr``.  ``cache`` is where kernels for virtual machines are kept.
    ``trusted`` is a PEM bundle of the authorities that programs inside trust.
    """

    session: str
    workspace: Path
    owned: bool
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    kept: Path | None = None
    root: Path | None = None
    cache: Path = CACHE
    environment: Mapping[str, str] = field(default_factory=dict)
    trusted: bytes = b""
    shown: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    lent: tuple[Lent, ...] = ()
    doors: Mapping[int, Door] = field(default_factory=dict)  # by port
    hand_over: Callable[[Path, int], None] = give

    @property
    def network(self) -> Literal["none", "guarded"]:
        return "guarded" if NETWORK_PORT in self.doors else "none"

    def daemon_settings(self, rlimits: Mapping[str, int], *, trusted_file: str = TRUSTED_FILE) -> dict[str, object]:
        """Give what the daemon inside is started with."""
        environment = dict(self.environment)
        if self.trusted:
            environment |= dict.fromkeys(TRUSTED_VARIABLES, trusted_file)
        if NETWORK_PORT in self.doors:
            environment |= _proxy_variables(f"http://127.0.0.1:{NETWORK_PORT}")
        if PACKAGES_PORT in self.doors:
            environment |= _installer_variables(f"http://127.0.0.1:{PACKAGES_PORT}/projects/")
        return {"rlimits": dict(rlimits), "environment": environment, "ports": sorted(self.doors)}


def _proxy_variables(url: str) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    proxies = {written: url for name in names for written in (name, name.lower())}
    return proxies | dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")


def _installer_variables(url: str) -> dict[str, str]:
    """Have pip and uv ask the index at a door, and install below the home where the system's own place is not writable.

    Pip does so by itself; told to (``PIP_USER``), it would refuse to work in a virtual environment.  Nothing is kept
    inside of what the host keeps, and files may take long: they are sent when they are here whole.
    """
    pip = {"INDEX_URL": url, "DISABLE_PIP_VERSION_CHECK": "1", "NO_INPUT": "1", "BREAK_SYSTEM_PACKAGES": "1"}
    pip |= {"NO_CACHE_DIR": "1", "DEFAULT_TIMEOUT": INSTALLER_TIMEOUT_S, "ROOT_USER_ACTION": "ignore"}
    uv = {"DEFAULT_INDEX": url, "INDEX_URL": url, "NO_CACHE": "1", "HTTP_TIMEOUT": INSTALLER_TIMEOUT_S}
    uv |= {"PYTHON_DOWNLOADS": "never", "BREAK_SYSTEM_PACKAGES": "1"}
    return {f"PIP_{name}": value for name, value in pip.items()} | {f"UV_{name}": value for name, value in uv.items()}
