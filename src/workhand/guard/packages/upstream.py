"""The one index that is asked for what is not here, and where its pages may send us.

Only one is asked: of two, whoever can put a name into either decides what is installed.  A page may point to the
index itself, or by HTTPS to a host at public addresses, one of those looked at being connected to.  The person's
own network is thus out of its reach, unless the index is there itself, and a password in the address of the index goes
to the index alone.  An index of files gives files below its own folder only, and follows no link out of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import anyio

from workhand.guard.egress.addresses import Resolve, forbidden, resolve
from workhand.guard.packages.pages import ACCEPT, HTML_TYPE

if TYPE_CHECKING:
    import httpx2

CONNECT_S, SILENCE_S = 15.0, 60.0
PAGE_BYTES_MAX = 64 << 20
REDIRECTS_MAX = 5
ORDINARY_PORTS = {"http": 80, "https": 443}
PRIVATE = forbidden("10.0.0.1")
MOVED = (301, 302, 303, 307, 308)


class IndexFailed(Exception):
    """The index gave no answer that can be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Page:
    url: str  # where it was found in the end
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Index:
    """An index at an address of the schemes http, https and file."""

    url: str
    resolve: Resolve = resolve
    silence_s: float = SILENCE_S

    async def page(self, project: str) -> Page | None:
        """Give the page of a project; nothing if the index does not know it.  Raises ``IndexFailed``."""
        url = f"{self.url.rstrip('/')}/{project}/"
        if self._is_local:
            return await anyio.to_thread.run_sync(_local_page, url)
        async with self._asked(url) as answer:
            if answer.status_code in (404, 410):
                return None
            _check(answer)
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > PAGE_BYTES_MAX:
                    raise IndexFailed(f"the page of {project} is longer than {PAGE_BYTES_MAX >> 20} MB")
            found = url if answer.url.host != urlsplit(url).hostname else str(answer.url)
            return Page(found, bytes(content), answer.headers.get("content-type", HTML_TYPE))

    async def fetch(self, url: str, part: Path, bytes_max: int) -> None:
        """Write what is at an address into a file.  Raises ``IndexFailed``."""
        if self._is_local:
            return await anyio.to_thread.run_sync(_copy, url, _root(self.url), part, bytes_max)
        written = 0
        async with self._asked(url) as answer, await anyio.open_file(part, "wb") as file:
            _check(answer)
            async for chunk in answer.aiter_bytes():
                written += len(chunk)
                if written > bytes_max:
                    raise IndexFailed(f"the file is longer than {bytes_max >> 20:,} MB")
                await file.write(chunk)

    @property
    def _is_local(self) -> bool:
        return self.url.startswith("file:")

    @asynccontextmanager
    async def _asked(self, url: str) -> AsyncIterator[httpx2.Response]:
        """Ask, and go where the answer sends us, each step judged like the first."""
        import httpx2

        timeout = httpx2.Timeout(self.silence_s, connect=CONNECT_S)
        try:
            async with (
                httpx2.AsyncClient(timeout=timeout, follow_redirects=False) as client,
                aclosing(await self._arrived(client, url)) as answer,
            ):
                yield answer
        except httpx2.HTTPError as error:
            raise IndexFailed(f"the index cannot be reached ({type(error).__name__})") from error

    async def _arrived(self, client: httpx2.AsyncClient, url: str) -> httpx2.Response:
        for _ in range(REDIRECTS_MAX):
            answer = await client.send(await self._request(client, url), stream=True)
            if answer.status_code not in MOVED:
                return answer
            await answer.aclose()
            try:
                url = urljoin(url, answer.headers.get("location", ""))
            except ValueError as error:
                raise IndexFailed("the index points to what is no address") from error
        raise IndexFailed(f"the index sent us on more than {REDIRECTS_MAX} times")

    async def _request(self, client: httpx2.AsyncClient, url: str) -> httpx2.Request:
        import httpx2

        headers = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
        try:
            parts, own = urlsplit(url), urlsplit(self.url)
            origins = [
                (each.scheme, each.hostname, each.port or ORDINARY_PORTS.get(each.scheme)) for each in (parts, own)
            ]
            asked = httpx2.URL(url)
        except (ValueError, httpx2.InvalidURL) as error:
            raise IndexFailed("the index points to what is no address") from error
        if origins[0] == origins[1]:
            named = asked.copy_with(username=own.username, password=own.password) if own.username else asked
            return client.build_request("GET", named, headers=headers)
        if parts.scheme != "https" or parts.username is not None or not parts.hostname:
            raise IndexFailed("the index points to another host, and not by https")
        address = await self._public(parts.hostname, parts.port or ORDINARY_PORTS["https"])
        return client.build_request(
            "GET",
            asked.copy_with(host=address),
            headers={**headers, "Host": parts.netloc},
            extensions={"sni_hostname": parts.hostname},
        )

    async def _public(self, host: str, port: int) -> str:
        try:
            addresses = await self.resolve(host, port)
        except OSError as error:
            raise IndexFailed("the index points to a host that cannot be found") from error
        for address in addresses:
            reason = forbidden(address)
            if reason and not (reason == PRIVATE and await self._is_private()):
                raise IndexFailed(f"the index points to a host that is not public: {reason}")
        if not addresses:
            raise IndexFailed("the index points to a host that cannot be found")
        return addresses[0]

    async def _is_private(self) -> bool:
        """Say whether the person's index is in a private network itself, as a mirror may be with its files."""
        own = urlsplit(self.url)
        addresses = await self.resolve(own.hostname or "", own.port or ORDINARY_PORTS["https"])
        return bool(addresses) and all(forbidden(each) == PRIVATE for each in addresses)


def _check(answer: httpx2.Response) -> None:
    if answer.status_code != 200:
        raise IndexFailed(f"the index answered {answer.status_code}")


def _local_page(url: str) -> Page | None:
    path = _path(url)
    file = path / "index.html"
    try:
        with file.open("rb") as opened:
            content = opened.read(PAGE_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IndexFailed(f"the index cannot be read: {error.strerror}") from error
    return Page(url, content, HTML_TYPE)


def _root(url: str) -> Path:
    """Give the folder that holds an index of files: mirrors have their files beside ``simple``, or below it."""
    folder = _path(url).resolve()
    return folder.parent if folder.name == "simple" else folder


def _copy(url: str, root: Path, part: Path, bytes_max: int) -> None:
    if not url.startswith("file:"):
        raise IndexFailed("an index of files points to what is no file")
    try:
        path = _path(url).resolve(strict=True)
        if not path.is_relative_to(root) or not path.is_file():
            raise IndexFailed("an index of files points to what is no file of its own")
        with path.open("rb") as source, part.open("wb") as target:
            for chunk in iter(lambda: source.read(1 << 20), b""):
                target.write(chunk)
                if target.tell() > bytes_max:
                    raise IndexFailed(f"the file is longer than {bytes_max >> 20:,} MB")
    except (OSError, ValueError) as error:  # a zero byte is no part of a path
        reason = error.strerror if isinstance(error, OSError) else error
        raise IndexFailed(f"a file of the index cannot be read: {reason}") from error


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
