"""What is around a session's machine on the host: its way out, with the rules and the secrets that go with it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from workhand.cli.settings import Settings
from workhand.core.consent.rules import Answer
from workhand.core.events import HostContacted
from workhand.core.policy import Guard
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.guard.gatekeeper import Keeper
    from workhand.guard.secrets import Held, SecretStore
    from workhand.sandbox.spec import Door, MachineSpec


@dataclass(slots=True)
class Surroundings:
    """The way out of one machine; without a network it has none.  What leaves by other doors is searched."""

    held: tuple[Held, ...] = ()  # the person's secrets, of whatever host
    keeper: Keeper | None = None
    doors: Mapping[int, Door] = field(default_factory=dict)
    trusted: bytes = b""
    trusted_keys: tuple[str, ...] = ()  # of the authority, for a browser
    environment: Mapping[str, str] = field(default_factory=dict)
    others: list[Keeper] = field(default_factory=list)  # of what works for the session in machines of its own

    def fitted(self, spec: MachineSpec) -> MachineSpec:
        """Give a machine this way out."""
        environment = {**spec.environment, **self.environment}
        return replace(spec, doors={**spec.doors, **self.doors}, trusted=self.trusted, environment=environment)

    def heed(self, answers: tuple[Answer, ...]) -> None:
        for keeper in self._keepers():
            keeper.heed(answers)

    def knows(self, host: str, port: int) -> bool:
        return self.keeper is not None and self.keeper.knows(host, port)

    async def secrets_in(self, content: bytes) -> tuple[str, ...]:
        return await secrets_in(content, self.held)

    def contacts(self) -> tuple[HostContacted, ...]:
        return tuple(contact for keeper in self._keepers() for contact in keeper.contacts())

    def _keepers(self) -> tuple[Keeper, ...]:
        return (*(() if self.keeper is None else (self.keeper,)), *self.others)


@asynccontextmanager
async def guarded(settings: Settings, guard: Guard, *, keeper: Keeper | None = None) -> AsyncIterator[Surroundings]:
    """Open the way out that a guard allows, for as long as the context lasts, under a known gatekeeper or a new one."""
    keeper = keeper or keeper_of(settings, guard)
    if guard.network.mode == "none" or guard.isolation == "none":
        yield Surroundings(readable(settings), keeper)
        return
    from workhand.cli.session.wiring import SystemClock
    from workhand.guard.egress.authority import Authority
    from workhand.guard.egress.proxy import Proxy
    from workhand.sandbox.spec import NETWORK_PORT

    now = datetime.fromtimestamp(SystemClock().now(), UTC)
    authority = Authority(settings.home / "authority", now)
    proxy = Proxy(keeper, authority, ssl.create_default_context(), ssl.create_default_context())
    async with anyio.create_task_group() as group:

        def door(connection: socket.socket) -> None:
            group.start_soon(proxy.serve, connection)

        placeholders = {each.secret.name: each.secret.placeholder for each in keeper.held}
        yield Surroundings(
            secrets(settings).held(),
            keeper,
            {NETWORK_PORT: door},
            _bundle() + authority.certificate,
            (authority.key_digest,),
            placeholders,
        )
        group.cancel_scope.cancel()


def keeper_of(settings: Settings, guard: Guard, *, fixed: bool = False) -> Keeper:
    """Give a gatekeeper, with the secrets that a machine can use; if it is fixed, no answer adds to its hosts."""
    from workhand.guard.gatekeeper import Keeper

    if guard.network.mode == "none" or guard.isolation == "none":
        return Keeper(guard.network, guard.approvals, fixed=fixed)
    return Keeper(guard.network, guard.approvals, _for(guard, secrets(settings).held()), fixed=fixed)


def secrets(settings: Settings) -> SecretStore:
    """Give the store of secrets of this installation."""
    from workhand.guard.secrets import SecretStore

    return SecretStore(settings.home / "secrets", passphrase=settings.passphrase)


def readable(settings: Settings) -> tuple[Held, ...]:
    """Give the secrets, as far as they can be read without the person: to look for them, and for nothing else."""
    try:
        return secrets(settings).held()
    except ConfigError:  # They are locked, and nothing here needs their values.
        return ()


async def secrets_in(content: bytes, held: tuple[Held, ...]) -> tuple[str, ...]:
    """Name the secrets whose values are in a content."""
    if not held:
        return ()
    from workhand.guard.outgoing import found

    known = {each.secret.name for each in held}
    return tuple(name for name in await found(content, held) if name in known)


def _for(guard: Guard, held: tuple[Held, ...]) -> tuple[Held, ...]:
    """Give the secrets whose hosts a session can reach."""
    if guard.network.mode == "open":
        return held
    from workhand.guard.egress.hosts import overlap

    return tuple(
        each for each in held if any(overlap(*pair) for pair in product(guard.network.hosts, each.secret.hosts))
    )


def _bundle() -> bytes:
    """Give the authorities that this host trusts."""
    found = ssl.get_default_verify_paths().cafile
    return Path(found).read_bytes() + b"\n" if found and Path(found).exists() else b""
