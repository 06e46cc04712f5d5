"""What passes between the proxy, which knows the protocols, and the gatekeeper, who knows the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A whole request from inside, as it will be sent; or the head of a conversation."""

    scheme: Literal["http", "https"]
    host: str  # normalised: lower case, no trailing dot, an address in its one canonical form
    port: int
    method: str
    target: str  # path and query
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    websocket: bool = False
    call: bool = False  # of gRPC: its messages follow, each judged on its own

    @property
    def what(self) -> str:
        """Name the request without its query, which may hold anything."""
        return f"{self.method} {self.target.partition('?')[0]}"[:200]


@dataclass(frozen=True, slots=True)
class Ruling:
    allowed: bool
    rule: str  # the name of the rule that decided
    reason: str = ""  # why not, and what helps: a sentence for the agent
    asks: bool = False  # a person could allow what was refused
    irreversible: bool = False  # and is to be asked each time


class Redactor(Protocol):
    """Takes secrets out of a stream; every byte is replaced by one, so that lengths stay as they are."""

    def feed(self, chunk: bytes) -> bytes:
        """Give what is certain by now; the last few bytes may be held back."""
        ...

    def end(self) -> bytes: ...


class Gatekeeper(Protocol):
    def contact(self, host: str, port: int) -> Ruling:
        """Say whether a host may be turned to at all, before anything is resolved."""
        ...

    def permits_address(self, host: str, port: int) -> bool:
        """Say whether a host may have an address that is not public, because a person named it."""
        ...

    async def inspect(self, outgoing: Outgoing) -> Ruling:
        """Judge a request by what it says, before anything of it is sent."""
        ...

    async def inspect_message(self, outgoing: Outgoing, message: bytes) -> Ruling:
        """Judge one message on a WebSocket, or in a call, that ``outgoing`` has opened."""
        ...

    def prepare(self, outgoing: Outgoing) -> Outgoing:
        """Put secrets in the place of their placeholders, where they may go to this host."""
        ...

    def redactor(self, host: str) -> Redactor | None:
        """Give what takes secrets out of a host's answers; nothing where none was ever sent there."""
        ...

    def refused(self, host: str, port: int, what: str, ruling: Ruling) -> None: ...

    def passed(self, outgoing: Outgoing, rule: str, *, sent_bytes: int, received_bytes: int) -> None: ...
