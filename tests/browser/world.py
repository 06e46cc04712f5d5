"""What is around browsers of one profile: machines, the way out of them, and what the tests ask of pages."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc

from tests.guard.egress.upstream import serving as upstream
from workhand.browser.session import MachineBrowser
from workhand.core.browsing import Seen
from workhand.core.events import HostContacted
from workhand.core.policy import Approvals, Network
from workhand.guard.egress.addresses import resolve
from workhand.guard.egress.authority import Authority
from workhand.guard.egress.proxy import Proxy
from workhand.guard.gatekeeper import Keeper
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import NETWORK_PORT, MachineSpec

NOW = datetime.datetime.now(datetime.UTC)


SECURE = "secure.test"


@dataclass
class World:
    site: str
    secure: str
    group: anyio.abc.TaskGroup
    profile: Path
    keeper: Keeper
    authority: Authority
    proxy: Proxy
    closing: AsyncExitStack
    machines: list[DaemonSandbox] = field(default_factory=list)

    def door(self, connection: socket.socket) -> None:
        self.group.start_soon(self.proxy.serve, connection)

    async def machine(self) -> DaemonSandbox:
        spec = MachineSpec(
            session="browser",
            workspace=self.profile,
            owned=True,
            trusted=self.authority.certificate,
            doors={NETWORK_PORT: self.door},
        )
        self.machines.append(await open_sandbox("bubblewrap", spec))
        return self.machines[-1]

    def browser(self) -> MachineBrowser:
        made = MachineBrowser(self.machine, proxy_port=NETWORK_PORT, trusted_keys=(self.authority.key_digest,))
        self.closing.push_async_callback(made.close)
        return made

    def contacts(self) -> set[tuple[str, str]]:
        """Give the hosts that were turned to, each with the verdict."""
        found: tuple[HostContacted, ...] = self.keeper.contacts()
        return {(contact.host, contact.verdict) for contact in found}


async def _addresses(host: str, port: int) -> tuple[str, ...]:
    return ("127.0.0.1",) if host == SECURE else await resolve(host, port)


@asynccontextmanager
async def around(port: int, directory: Path) -> AsyncIterator[World]:
    """Give everything around browsers that may reach the site at a port, and a server with TLS."""
    profile = directory / "profile"
    profile.mkdir()
    internet, authority = Authority(directory / "internet", NOW), Authority(directory / "ours", NOW)
    verified, newer = (ssl.create_default_context(cadata=internet.certificate.decode()) for _ in range(2))
    async with upstream(internet.context(SECURE)) as server, anyio.create_task_group() as group:
        addresses = (f"host.internal:{port}", f"{SECURE}:{server.port}")
        keeper = Keeper(Network("allow", addresses), Approvals())
        proxy = Proxy(keeper, authority, verified, newer, _addresses)
        site, secure = (f"{kind}://{address}/" for kind, address in zip(("http", "https"), addresses, strict=True))
        async with AsyncExitStack() as closing:
            yield World(site, secure, group, profile, keeper, authority, proxy, closing)
        group.cancel_scope.cancel()


def seen(answer: Seen | str) -> Seen:
    """Take a page out of an answer that is one."""
    assert isinstance(answer, Seen), answer
    return answer


def ref(page: Seen, words: str) -> str:
    """Give the reference in the first line that has some words in it."""
    (line, *_) = [line for line in page.whole.splitlines() if words in line]
    return line.partition("[ref=")[2].partition("]")[0]
