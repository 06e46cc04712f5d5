"""The index is asked, and sends us only where it may."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.guard.packages.loopback import loopback, response
from workhand.guard.egress.addresses import Resolve
from workhand.guard.packages.upstream import Index, IndexFailed, Page

pytestmark = pytest.mark.anyio
PUBLIC, PRIVATE, LOCAL = "93.184.215.14", "10.0.0.7", "127.0.0.1"


async def nowhere(host: str, port: int) -> tuple[str, ...]:
    raise OSError("no such host")


def found(*addresses: str) -> Resolve:
    """Find the index on the loopback, and all others at these addresses."""

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return (LOCAL,) if host == LOCAL else addresses

    return resolve


async def refusal(index: Index, part: Path, url: str, *, bytes_max: int = 100) -> str:
    with pytest.raises(IndexFailed) as raised:
        await index.fetch(url, part, bytes_max)
    return str(raised.value)


async def test_a_page_is_had_or_there_is_none() -> None:
    async with loopback() as there:
        there.answers["/python/thing/"] = response(b"page", kind="text/html")
        index = Index(there.url + "/")
        assert await index.page("thing") == Page(f"{there.url}/thing/", b"page", "text/html")
        assert await index.page("other") is None
        assert "application/vnd.pypi.simple.v1+json" in there.asked[0][1]


@pytest.mark.parametrize("status", [401, 500, 304])
async def test_another_answer_is_none(status: int) -> None:
    async with loopback() as there:
        there.answers["/python/thing/"] = response(b"", status=status)
        with pytest.raises(IndexFailed, match=f"answered {status}"):
            await Index(there.url).page("thing")


async def test_the_index_may_send_us_on_to_itself_and_not_for_ever(tmp_path: Path) -> None:
    async with loopback() as there:
        there.answers["/a"] = response(b"", status=302, location="/b")
        there.answers["/b"] = response(b"content")
        there.answers["/round"] = response(b"", status=301, location="/round")
        await Index(there.url).fetch(f"http://127.0.0.1:{there.port}/a", tmp_path / "part", 100)
        assert (tmp_path / "part").read_bytes() == b"content"
        said = await refusal(Index(there.url), tmp_path / "part", f"http://127.0.0.1:{there.port}/round")
        assert said == "the index sent us on more than 5 times"


@pytest.mark.parametrize(
    ("location", "addresses", "said"),
    [
        ("http://other.example/x", (PUBLIC,), "another host, and not by https"),
        ("file:///etc/passwd", (PUBLIC,), "another host, and not by https"),
        ("https://user:word@other.example/x", (PUBLIC,), "another host, and not by https"),
        ("https://other.example/x", (PRIVATE,), "a host that is not public"),
        ("https://other.example/x", (LOCAL,), "a host that is not public"),
        ("https://other.example/x", (PUBLIC, "169.254.169.254"), "a host that is not public"),
        ("https://other.example/x", (), "a host that cannot be found"),
        ("https://[/x", (PUBLIC,), "what is no address"),
        ("https://other.example:99999/x", (PUBLIC,), "what is no address"),
    ],
)
async def test_the_index_cannot_send_us_anywhere_else(
    tmp_path: Path, location: str, addresses: tuple[str, ...], said: str
) -> None:
    async with loopback() as there:
        there.answers["/away"] = response(b"", status=307, location=location)
        index = Index(there.url, resolve=found(*addresses))
        assert said in await refusal(index, tmp_path / "part", f"http://127.0.0.1:{there.port}/away")
        if location.isascii() and "[" not in location:  # nor may a page name it
            assert said in await refusal(index, tmp_path / "part", location)


async def test_a_host_that_is_not_found_is_told(tmp_path: Path) -> None:
    said = await refusal(Index("https://index.example", nowhere), tmp_path / "part", "https://other.example/x")
    assert said == "the index points to a host that cannot be found"


async def test_the_password_goes_to_the_index_alone(tmp_path: Path) -> None:
    async with loopback() as there, loopback() as other:
        named = Index(there.url.replace("http://", "http://user:word@"))
        there.answers["/python/thing/"] = response(b"page")
        there.answers["/away"] = response(b"", status=302, location=f"http://127.0.0.1:{other.port}/x")
        page = await named.page("thing")
        expected = base64.b64encode(b"user:word").decode().lower()
        assert f"authorization: basic {expected}" in there.asked[0][1]
        assert page is not None and page.content == b"page"
        await refusal(named, tmp_path / "part", f"http://127.0.0.1:{there.port}/away")
        assert other.asked == []


async def test_what_is_too_long_is_not_taken(tmp_path: Path) -> None:
    async with loopback() as there:
        there.answers["/long"] = response(b"x" * 1000)
        said = await refusal(Index(there.url), tmp_path / "part", f"http://127.0.0.1:{there.port}/long", bytes_max=999)
        assert "the file is longer" in said


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
async def test_silence_nonsense_and_what_breaks_off_are_failures(answer: bytes) -> None:
    async with loopback() as there:
        there.answers["/python/thing/"] = answer
        with pytest.raises(IndexFailed, match="cannot be reached"):
            await Index(there.url, silence_s=0.2).page("thing")


async def test_an_index_that_is_down_cannot_be_reached() -> None:
    async with loopback() as there:
        gone = there
    with pytest.raises(IndexFailed, match="cannot be reached"):
        await Index(gone.url).page("thing")


# -- an index of files ---------------------------------------------------------------------


async def test_an_index_of_files_gives_what_is_below_its_folder(tmp_path: Path) -> None:
    (tmp_path / "simple" / "thing").mkdir(parents=True)
    (tmp_path / "simple" / "thing" / "index.html").write_text("page")
    (tmp_path / "thing.whl").write_text("wheel")
    index = Index((tmp_path / "simple").as_uri())
    page = await index.page("thing")
    assert page is not None and page.content == b"page"
    assert await index.page("other") is None
    await index.fetch(f"{page.url}../../thing.whl", tmp_path / "part", 100)
    assert (tmp_path / "part").read_text() == "wheel"
    assert "longer" in await refusal(index, tmp_path / "part", (tmp_path / "thing.whl").as_uri(), bytes_max=4)


async def test_an_index_of_files_gives_nothing_else_of_this_computer(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    (tmp_path / "private").write_text("private")
    (folder / "link").symlink_to(tmp_path / "private")
    index = Index(folder.as_uri())
    urls = [
        (tmp_path / "private").as_uri(),
        f"{folder.as_uri()}/../private",
        f"{folder.as_uri()}/%2e%2e/private",
        f"{folder.as_uri()}/link",
        folder.as_uri(),
        "file:///dev/zero",
    ]
    said = {await refusal(index, tmp_path / "part", url) for url in urls}
    assert said == {"an index of files points to what is no file of its own"}
    for url in (f"{folder.as_uri()}/gone", f"{folder.as_uri()}/%00"):
        assert "cannot be read" in await refusal(index, tmp_path / "part", url)
    assert "no file" in await refusal(index, tmp_path / "part", "https://other.example/x")
    assert not (tmp_path / "part").exists()
