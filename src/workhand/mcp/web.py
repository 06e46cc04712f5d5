"""Reach an MCP server by streamable HTTP, signed in by OAuth where it asks for that.

The client library does the protocol and the whole of OAuth.  Here are its edges: bodies are bounded, tokens are kept
by whoever is passed in, and a person is asked through one function: it is given the address to open, and gives back
the address that the browser was sent to in the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from urllib.parse import parse_qs, urlsplit

from workhand.errors import ConfigError, ServerFailed
from workhand.mcp.config import Remote

if TYPE_CHECKING:
    import httpx2
    from mcp.client._transport import TransportStreams
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthToken

CONNECT_S = 30.0

SignIn: TypeAlias = Callable[[str], Awaitable[str]]


class TokenKeeper(Protocol):
    """Where what a sign-in brought is kept, by the URL of the server that it is for.  It is secret, and a text."""

    async def kept(self, url: str, what: Literal["tokens", "client"]) -> str | None: ...

    async def keep(self, url: str, what: Literal["tokens", "client"], text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class OAuth:
    """How to sign in: where tokens are kept, where a browser is sent back to, and who asks the person."""

    keeper: TokenKeeper
    redirect_url: str = "http://127.0.0.1:8931/callback"
    sign_in: SignIn | None = None  # none: nobody is here to be asked


@asynccontextmanager
async def reached(server: Remote, oauth: OAuth | None, *, message_bytes_max: int) -> AsyncIterator[TransportStreams]:
    """Reach a server for as long as the context lasts."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-type", "").startswith("application/json"):
            response.stream = _bounded(response.stream, message_bytes_max)

    signed = any(name.lower() == "authorization" for name in server.headers)
    async with (
        httpx2.AsyncClient(
            headers=dict(server.headers),
            auth=_provider(server, oauth) if oauth is not None and not signed else None,
            timeout=httpx2.Timeout(CONNECT_S, read=None),  # how long an answer may take is the caller's to say
            event_hooks={"response": [bound]},
        ) as client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=message_bytes_max) as streams,
    ):
        yield streams


def _bounded(stream: Any, bytes_max: int) -> httpx2.AsyncByteStream:
    """Wrap the body of a response, to fail once it is too long."""
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = bytes_max
            async for chunk in stream:
                left -= len(chunk)
                if left < 0:
                    raise httpx2.StreamError(f"the answer has more than {bytes_max:,} bytes")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()


@dataclass(slots=True)
class _Storage:
    """Keep what the client library wants kept, as texts."""

    url: str
    keeper: TokenKeeper

    async def get_tokens(self) -> OAuthToken | None:
        from mcp.shared.auth import OAuthToken

        text = await self.keeper.kept(self.url, "tokens")
        return None if text is None else OAuthToken.model_validate_json(text)

    async def set_tokens(self, tokens: OAuthToken) -> None:
        await self.keeper.keep(self.url, "tokens", tokens.model_dump_json(exclude_none=True))

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        from mcp.shared.auth import OAuthClientInformationFull

        text = await self.keeper.kept(self.url, "client")
        return None if text is None else OAuthClientInformationFull.model_validate_json(text)

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        await self.keeper.keep(self.url, "client", client_info.model_dump_json(exclude_none=True))


def _provider(server: Remote, oauth: OAuth) -> OAuthClientProvider:
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
    from pydantic import AnyUrl

    shown: list[str] = []

    async def show(url: str) -> None:
        if oauth.sign_in is None:
            raise ConfigError(
                f"The MCP server {server.name!r} wants you to sign in; do so with `workhand mcp test {server.name}`."
            )
        shown[:] = [url]

    async def returned() -> AuthorizationCodeResult:
        assert oauth.sign_in is not None
        query = parse_qs(urlsplit(await oauth.sign_in(shown[0])).query)
        if "code" not in query:
            why = query.get("error", ["the address has no code"])[0]
            raise ServerFailed(f"The sign-in to the MCP server {server.name!r} failed: {why!r}; try it again.")
        first = {key: values[0] for key, values in query.items()}
        return AuthorizationCodeResult(code=first["code"], state=first.get("state"), iss=first.get("iss"))

    metadata = OAuthClientMetadata(client_name="Workhand", redirect_uris=[AnyUrl(oauth.redirect_url)])
    return OAuthClientProvider(server.url, metadata, _Storage(server.url, oauth.keeper), show, returned)
