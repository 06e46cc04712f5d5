"""What a provider's wire half offers, so that one client serves them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from workhand.core.canonical import Json, encode
from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Server:
    """Where a model is served, and under which name."""

    provider: str  # as in "provider:name"
    base_url: str  # up to and including the version: https://HOST/v1
    model: str
    api_key: str = field(default="", repr=False)
    stream: bool = True  # or the answer is asked for in one piece


@dataclass(frozen=True, slots=True)
class Request:
    path: str  # behind the base URL, with a leading slash
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()  # besides those of the client: no key is in here


def joined(fields: Mapping[str, Iterable[bytes]]) -> bytes:
    """Give the canonical JSON object of fields that are encoded already, each in parts; each part is copied once."""
    written = [part for key in sorted(fields) for part in (b",", encode(key), b":", *fields[key])]
    return b"".join([b"{", *written[1:], b"}"])


def listed(encoded: Iterable[bytes]) -> list[bytes]:
    """Give the parts of a JSON array of values that are encoded already."""
    return [b"[", *[part for each in encoded for part in (b",", each)][1:], b"]"]


class Reading(Protocol):
    """One answer while it arrives: feed it the lines of a stream, or the whole body; then take the answer."""

    @property
    def begun(self) -> bool:
        """Whether any part of an answer has arrived."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the stream has said that nothing more comes."""
        ...

    def feed(self, line: str) -> Delta | None:
        """Take one line of the stream; give what of it can be shown.  Raises what an error in it means."""
        ...

    def whole(self, body: bytes) -> None:
        """Take the body of an answer that is not streamed."""
        ...

    def answer(self) -> ModelAnswered:
        """Give the whole answer; times and the price are the client's to add.

        Raises ``MalformedAnswer``, ``ModelRefused``, ``ContextOverflow`` or ``ModelUnavailable``.
        """
        ...


class Dialect(Protocol):
    """A provider's format, with what its server understands."""

    @property
    def server(self) -> Server: ...

    @property
    def auth(self) -> tuple[tuple[str, str], ...]:
        """Headers that carry the key, and the version of the API."""
        ...

    def request(self, prompt: Prompt, mask: Mask, *, session: str, schema: str | None = None) -> Request:
        """Give the request for an answer under ``mask``, or for JSON that follows ``schema``.

        The bytes of the tools and of the body never depend on the mask.
        """
        ...

    def reading(self, prompt: Prompt, mask: Mask) -> Reading: ...

    @property
    def asks(self) -> tuple[str, ...]:
        """Paths or URLs at which the server says what it understands, to be read before the first request."""
        ...

    def told(self, facts: tuple[Json, ...]) -> Self:
        """Give the dialect as it is with what was found at ``asks``; ``None`` stands for nothing."""
        ...

    @property
    def describes(self) -> tuple[str, ...]:
        """Paths or URLs at which the server says how long a context may be."""
        ...

    def window(self, facts: tuple[Json, ...]) -> int | None:
        """Find the context window, in tokens, in what was found at ``describes``."""
        ...
