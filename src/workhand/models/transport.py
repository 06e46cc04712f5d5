"""How requests travel: by plain HTTP, or through a vendor's own client, which knows its clouds and their keys.

Either way the bytes that the wire half made are sent as they are, and nothing is
retried here.  A vendor's client gives its response back unread, so it streams.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from workhand.errors import ConfigError
from workhand.models.wire.dialect import Dialect, Request

if TYPE_CHECKING:
    import httpx2

CLOUDS = {
    "anthropic": {
        "": "AsyncAnthropic",
        "aws": "AsyncAnthropicAWS",
        "bedrock": "AsyncAnthropicBedrockMantle",
        "foundry": "AsyncAnthropicFoundry",
        "google-cloud": "AsyncAnthropicGoogleCloud",
    },
    "openai": {"": "AsyncOpenAI", "azure": "AsyncAzureOpenAI", "bedrock": "AsyncBedrockOpenAI"},
}
"""The clients of each vendor's package that send requests as they are, by the cloud that serves its models."""


class Transport(Protocol):
    def post(self, request: Request) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send a request; give the response while it streams, also where it is an error.

        Raises ``httpx2.RequestError`` when there is none.
        """
        ...

    async def get(self, path: str) -> httpx2.Response:
        """Read what the server tells about itself; ``path`` may be a whole URL."""
        ...

    async def aclose(self) -> None: ...


class Http:
    """Plain HTTP to a server, with its key in a header."""

    def __init__(self, dialect: Dialect, *, connect_s: float) -> None:
        import httpx2

        base_url = dialect.server.base_url
        kept = 0 if base_url.startswith("http:") else None  # plain local servers drop idle connections
        self._base = base_url.rstrip("/")
        self._client = httpx2.AsyncClient(
            headers={"Content-Type": "application/json", "User-Agent": "workhand"} | dict(dialect.auth),
            timeout=httpx2.Timeout(None, connect=connect_s),  # silence is watched by the client half, by deadline
            limits=httpx2.Limits(max_keepalive_connections=kept),
        )
        self._connect_s = connect_s

    @asynccontextmanager
    async def post(self, request: Request) -> AsyncIterator[httpx2.Response]:
        url, headers = self._base + request.path, dict(request.headers)
        async with self._client.stream("POST", url, content=request.body, headers=headers) as response:
            yield response

    async def get(self, path: str) -> httpx2.Response:
        url = path if path.startswith("http") else self._base + path
        return await self._client.get(url, timeout=self._connect_s)

    async def aclose(self) -> None:
        await self._client.aclose()


@dataclass(frozen=True, slots=True)
class Vendor:
    """Which vendor's client to use, and for which cloud."""

    package: str  # a key of ``CLOUDS``
    cloud: str = ""


class Sdk:
    """A vendor's own client: it knows how to authenticate, and where its models are in each cloud."""

    def __init__(self, vendor: Vendor, dialect: Dialect, *, connect_s: float) -> None:
        import httpx2

        self._name = vendor.package
        self._package = _package(vendor.package)
        server = dialect.server
        options: dict[str, Any] = {"max_retries": 0, "timeout": httpx2.Timeout(None, connect=connect_s)}
        if server.base_url:
            options["base_url"] = server.base_url
        if server.api_key:
            options["api_key"] = server.api_key
        kept = 0 if server.base_url.startswith("http:") else None  # plain local servers drop idle connections
        limits = httpx2.Limits(max_keepalive_connections=kept)
        options["http_client"] = self._package.DefaultAsyncHttpxClient(limits=limits)
        try:
            self._client = getattr(self._package, CLOUDS[vendor.package][vendor.cloud])(**options)
        except (ValueError, TypeError, ImportError, self._failure) as error:
            raise self._unusable(error) from error
        self._connect_s = connect_s

    @asynccontextmanager
    async def post(self, request: Request) -> AsyncIterator[httpx2.Response]:
        import httpx2

        headers = {"Content-Type": "application/json", "X-Stainless-Raw-Response": "stream"} | dict(request.headers)
        response = await self._answered(
            self._client.post(
                request.path,
                content=request.body,
                cast_to=httpx2.Response,
                options={"headers": headers},
                stream=True,
                stream_cls=self._package.AsyncStream[object],
            )
        )
        try:
            yield response
        finally:
            await response.aclose()

    async def get(self, path: str) -> httpx2.Response:
        import httpx2

        options = {"timeout": self._connect_s}
        return await self._answered(self._client.get(path, cast_to=httpx2.Response, options=options))

    async def aclose(self) -> None:
        await self._client.close()

    async def _answered(self, asked: Awaitable[httpx2.Response]) -> httpx2.Response:
        """Give the response, also where the client takes it for an error."""
        import httpx2

        try:
            return await asked
        except self._package.APIStatusError as error:
            response: httpx2.Response = error.response
            return response
        except self._package.APIConnectionError as error:
            raise httpx2.RequestError(str(error.__cause__ or error)) from error
        except (TypeError, self._failure) as error:  # it finds no key, or cannot sign
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigError:
        why = str(error).strip('"').rstrip(".")
        return ConfigError(f"The client of {self._name} cannot be used: {why}; `workhand models` says what it needs.")

    @property
    def _failure(self) -> type[Exception]:
        failure: type[Exception] = getattr(self._package, "AnthropicError", None) or self._package.OpenAIError
        return failure


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(f"Models of {name} need its client: pip install 'workhand[{name}]'.") from error
