"""An MCP server that wants a sign-in, with the official library's own authorization server before it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl

LASTS_S = 3_600
FAR = 1 << 40


@dataclass
class Authority:
    """Give tokens to whoever comes back with the code that it gave.  It counts how often a person was asked."""

    asked: int = 0
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        assert client.client_id
        self.asked += 1
        code = f"code-{self.asked}"
        self.codes[code] = AuthorizationCode(
            code=code,
            client_id=client.client_id,
            scopes=[],
            expires_at=FAR,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        token = f"token-for-{authorization_code.code}"
        self.tokens[token] = AccessToken(token=token, client_id=authorization_code.client_id, scopes=[], expires_at=FAR)
        return OAuthToken(access_token=token, expires_in=LASTS_S)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return None

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        raise TokenError("invalid_grant", "No token can be refreshed here.")

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.tokens.pop(token.token, None)

    async def exchange_identity_assertion(self, client: object, params: object) -> OAuthToken:
        raise TokenError("unsupported_grant_type", "Nobody else vouches for a client here.")


@asynccontextmanager
async def serving(authority: Authority | None) -> AsyncIterator[str]:
    """Serve on a free port of loopback, and give the URL; without an authority, nobody has to sign in."""
    listening = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(origin),
        resource_server_url=AnyHttpUrl(f"{origin}/mcp"),
        client_registration_options=ClientRegistrationOptions(enabled=True),
        validate_token_resource=False,
    )
    auth = None if authority is None else settings
    server = MCPServer("signing", auth_server_provider=authority, auth=auth, log_level="CRITICAL")

    @server.tool()
    def header(name: str, ctx: Context) -> str:
        """Give a header of the request."""
        return (ctx.headers or {}).get(name, "")

    app = server.streamable_http_app()
    running = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="critical"))
    async with anyio.create_task_group() as group:
        group.start_soon(running.serve, [listening])
        yield f"{origin}/mcp"
        running.should_exit = True
