"""Signing in to MCP servers: a person's browser comes back to a port of this computer, and tokens are kept sealed.

Tokens are in a store of secrets of their own, so that they are encrypted as secrets are and yet offered to no machine.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import anyio
import click

from workhand.cli.display.words import clean
from workhand.cli.settings import Settings
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from anyio.abc import SocketStream

PORT = 8931
REDIRECT_URL = f"http://127.0.0.1:{PORT}/callback"
REQUEST_BYTES_MAX = 16_384
READ_S = 10.0
PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"You are signed in as far as this page can tell; go back to the terminal.\n"
)


async def sign_in(url: str, *, port: int = PORT) -> str:
    """Show a person where to sign in, and give the address that their browser is sent back to."""
    came: list[str] = []
    back = anyio.Event()

    async def read(connection: SocketStream) -> None:
        async with connection:
            with anyio.move_on_after(READ_S):
                path = await _path(connection)
                if urlsplit(path).path == urlsplit(REDIRECT_URL).path:
                    await connection.send(PAGE)
                    came.append(path)
                    back.set()

    try:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    except OSError as error:
        raise ConfigError(
            f"Port {port} of this computer is taken; end what listens there, and sign in then."
        ) from error
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, read)
        click.echo(f"Sign in with a browser on this computer at\n{clean(url)}", err=True)
        await back.wait()
        group.cancel_scope.cancel()
    return f"http://127.0.0.1:{port}{came[0]}"


async def _path(connection: SocketStream) -> str:
    """Read the path of a request; what is no request has none."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < REQUEST_BYTES_MAX:
        try:
            head += await connection.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return ""
    words = head.partition(b"\r\n")[0].decode("ascii", "replace").split(" ")
    return words[1] if len(words) == 3 and words[0] == "GET" else ""


class SealedTokens:
    """Keep what sign-ins brought in a store of secrets."""

    def __init__(self, settings: Settings) -> None:
        from workhand.guard.secrets import SecretStore

        self._store = SecretStore(settings.home / "mcp-tokens", passphrase=settings.passphrase)

    async def kept(self, url: str, what: Literal["tokens", "client"]) -> str | None:
        held = await anyio.to_thread.run_sync(self._store.held)
        return next((each.value.decode() for each in held if each.secret.name == _name(url, what)), None)

    async def keep(self, url: str, what: Literal["tokens", "client"], text: str) -> None:
        def add() -> None:
            self._store.add(_name(url, what), text, hosts=("mcp.invalid",))

        await anyio.to_thread.run_sync(add)


def _name(url: str, what: Literal["tokens", "client"]) -> str:
    """Name a secret after the server that it is for, so that a server of the same name at another URL gets none."""
    return f"MCP_{hashlib.sha256(url.encode()).hexdigest()[:32].upper()}_{what.upper()}"
