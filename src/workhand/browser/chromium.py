"""Chromium in a machine of its own, and the way to it.

The browser has the user's logins, so it shares its machine with nothing else: the workspace of the machine is the
user's profile, and what goes out goes to the proxy, the loopback too.  Its own sandbox is off, because a machine lets
nobody make namespaces; the machine is the sandbox.  It listens for its driver on a port of the machine's own loopback,
under a path that it draws at chance and writes into its profile.

Who opens the machine holds the profile: two machines over one directory would take its files from each other.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Protocol

import anyio

from workhand.core.ports import Executed, Watch
from workhand.errors import SandboxUnavailable

PROFILE = "profile"
DOWNLOADS = "downloads"
PORT_FILE = f"{PROFILE}/DevToolsActivePort"
ENDPOINT = re.compile(r"(\d{1,5})\n(/devtools/browser/[\w-]{20,64})\n?")
PROGRAMS = (  # the program itself where that is known: distributions put scripts before it that need files of theirs
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/usr/lib/chromium-browser/chromium-browser",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
)
FEATURES_OFF = ("Translate", "MediaRouter", "OptimizationHints", "AutofillServerCommunication", "HttpsUpgrades")
OWN_HOSTS = (  # what the browser turns to by itself: it is sent past the proxy, and there is nothing
    *("update.googleapis.com", "clients2.google.com", "clientservices.googleapis.com"),
    *("optimizationguide-pa.googleapis.com", "content-autofill.googleapis.com", "safebrowsing.googleapis.com"),
    *("passwordsleakcheck-pa.googleapis.com",),
)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--remote-debugging-port=0"),
    *("--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-breakpad", "--disable-extensions", "--disable-default-apps", "--no-pings"),
    *("--disable-domain-reliability", "--disable-client-side-phishing-detection", "--password-store=basic"),
    *("--disable-quic", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--deny-permission-prompts"),
    *("--mute-audio", "--hide-scrollbars", "--window-size=1280,900", "--lang=en-US", "--disable-back-forward-cache"),
    *("--disable-component-extensions-with-background-pages", "--metrics-recording-only", "--disable-hang-monitor"),
    f"--disable-features={','.join(FEATURES_OFF)}",
)
START = f"""
umask 077
mkdir -p {PROFILE} {DOWNLOADS}
for program in {" ".join(PROGRAMS)}; do [ -x "$program" ] && break; done
[ -x "$program" ] || {{ echo absent; exit; }}
rm -f {PROFILE}/Singleton* {PORT_FILE} {DOWNLOADS}/*
"$program" "$@" >/tmp/words 2>&1 &
echo $!
"""
ABSENT = "There is no Chromium on this host; `apt-get install chromium` brings it."
READY_S, ENDED_S, STEP_S = 20.0, 5.0, 0.02
COMMAND_S = 10.0


class Inward(Protocol):
    def lead(self, connection: socket.socket, port: int) -> None: ...


class Machine(Protocol):
    """What a browser needs of its machine."""

    @property
    def doorway(self) -> Inward: ...

    async def execute(
        self,
        argv: tuple[str, ...],
        *,
        stdin: bytes = b"",
        timeout_s: float,
        output_bytes_max: int,
        watch: Watch | None = None,
    ) -> Executed: ...

    async def read(self, path: str, *, offset: int = 0, bytes_max: int) -> bytes: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Running:
    """A browser that listens."""

    pid: int  # in its machine
    port: int
    path: str


async def start(machine: Machine, *, proxy_port: int, trusted_keys: tuple[str, ...]) -> Running:
    """Start Chromium and wait until it listens.  Raises ``SandboxUnavailable`` that says why it does not.

    ``trusted_keys`` are the SHA-256 digests, in base64, of the keys of authorities that it trusts beside its own.
    """
    flags = (
        *FLAGS,
        f"--user-data-dir=/home/agent/{PROFILE}",
        f"--proxy-server=http://127.0.0.1:{proxy_port}",
        f"--proxy-bypass-list={';'.join(('<-loopback>', *OWN_HOSTS))}",
        f"--ignore-certificate-errors-spki-list={','.join(trusted_keys)}",
    )
    told = await _shell(machine, START, *flags, "about:blank")
    if not told.isdigit():
        raise SandboxUnavailable(ABSENT)
    with anyio.move_on_after(READY_S):
        while await _lives(machine, int(told)):
            found = ENDPOINT.fullmatch((await _content(machine, PORT_FILE)).decode(errors="replace"))
            if found is not None:
                return Running(int(told), int(found[1]), found[2])
            await anyio.sleep(STEP_S)
    words = (await _content(machine, "/tmp/words")).decode(errors="replace").strip()
    last = words.splitlines()[-1] if words else "it said nothing"
    raise SandboxUnavailable(f"The browser did not start: {last!r}.")


async def ended(machine: Machine, running: Running) -> None:
    """Wait a while for a browser that was told to end: it writes the profile as it does."""
    script = 'while kill -0 "$1" 2>/dev/null; do sleep 0.05; done'
    await machine.execute(("/bin/sh", "-c", script, "sh", str(running.pid)), timeout_s=ENDED_S, output_bytes_max=1_000)


async def _lives(machine: Machine, pid: int) -> bool:
    return await _shell(machine, 'kill -0 "$1" 2>/dev/null && echo yes', str(pid)) == "yes"


async def _shell(machine: Machine, script: str, *arguments: str) -> str:
    argv = ("/bin/sh", "-c", script, "sh", *arguments)
    return (await machine.execute(argv, timeout_s=COMMAND_S, output_bytes_max=1_000)).stdout.decode().strip()


async def _content(machine: Machine, path: str) -> bytes:
    try:
        return await machine.read(path, bytes_max=10_000)
    except OSError:  # It is not there yet.
        return b""
