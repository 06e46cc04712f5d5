"""Programs inside ask for pages and files, and get what they may have."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from tests.guard.packages.loopback import Loopback, loopback, response
from workhand.core.consent.rules import Rule
from workhand.core.events import HostContacted
from workhand.core.policy import Approvals, Network
from workhand.guard.gatekeeper import Keeper
from workhand.guard.packages.pages import JSON_TYPE, Offered
from workhand.guard.packages.serving import FRESH_S, Packages
from workhand.guard.packages.upstream import Index
from workhand.guard.packages.wheels import Wheels
from workhand.guard.secrets import Held, Secret

pytestmark = pytest.mark.anyio
CONTENT, METADATA = b"a wheel", b"Name: thing"
DIGEST, METADATA_DIGEST = (hashlib.sha256(each).hexdigest() for each in (CONTENT, METADATA))
WHEEL = "thing-1.0-py3-none-any.whl"
FILE = f"/files/{DIGEST}/{WHEEL}"
HELD = (Held(Secret("KEY", ("api.example.com",), "wh_KEY_0123"), b"dummy-value-123456"),)


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    content: bytes


async def ask(packages: Packages, path: str, *, method: str = "GET", body: bytes = b"") -> Answer:
    """Ask as a program inside does, over a connection of its own."""
    ours, theirs = socket.socketpair()
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: {JSON_TYPE}\r\nConnection: close\r\n{length}\r\n"
    async with anyio.create_task_group() as group:
        group.start_soon(packages.serve, theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(head.encode() + body)
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    first, _, rest = said.partition(b"\r\n")
    _, status, reason = first.decode().split(" ", 2)
    return Answer(int(status), reason, rest.partition(b"\r\n\r\n")[2])


def keeper(*rules: Rule) -> Keeper:
    return Keeper(Network("open"), Approvals(rules), HELD)


def publish(there: Loopback, *, content: bytes = CONTENT) -> None:
    core = {"sha256": METADATA_DIGEST}
    file = {"filename": WHEEL, "url": "/x.whl", "hashes": {"sha256": DIGEST}, "core-metadata": core}
    there.answers["/python/thing/"] = response(json.dumps({"files": [file]}).encode(), kind=JSON_TYPE)
    there.answers["/x.whl"] = response(content)
    there.answers["/x.whl.metadata"] = response(METADATA)


def keep(wheels: Wheels, *, own: bool) -> None:
    with wheels.part() as part:
        part.write_bytes(CONTENT)
        wheels.put(part, DIGEST)
    wheels.record("thing", Offered(WHEEL, DIGEST), own=own)


def files(answer: Answer) -> list[str]:
    return [each["url"] for each in json.loads(answer.content)["files"]]


async def test_a_page_and_its_files_are_given_and_kept(tmp_path: Path) -> None:
    async with loopback() as there:
        publish(there)
        gate = keeper()
        packages = Packages(Wheels(tmp_path), gate, Index(there.url))
        assert files(await ask(packages, "/projects/Thing/")) == [f"../..{FILE}"]
        for path, content in ((FILE, CONTENT), (FILE, CONTENT), (f"{FILE}.metadata", METADATA)):
            assert await ask(packages, path) == Answer(200, "OK", content)
        assert [path for path, _ in there.asked] == ["/python/thing/", "/x.whl", "/x.whl.metadata"]
        counted = [(each.host, each.requests) for each in gate.contacts()]
        assert counted == [("packages", 1), ("packages:thing", 3)]
    later = Packages(Wheels(tmp_path), keeper())  # as in a session without a network
    assert files(await ask(later, "/projects/thing/")) == [f"../..{FILE}"]
    assert (await ask(later, FILE)).content == CONTENT


async def test_an_index_that_is_down_is_made_up_for_by_what_is_kept(tmp_path: Path) -> None:
    async with loopback() as there:
        gone = Index(there.url)
    packages = Packages(Wheels(tmp_path), keeper(), gone)
    failed = await ask(packages, "/projects/thing/")
    assert (failed.status, failed.reason) == (
        502,
        "thing cannot be had: the index cannot be reached (ConnectError)",
    )
    keep(packages.wheels, own=False)
    assert (await ask(packages, FILE)).content == CONTENT


async def test_a_page_is_asked_for_again_when_it_is_old(tmp_path: Path) -> None:
    async with loopback() as there:
        publish(there)
        times = iter((0.0, 0.0, FRESH_S / 2, FRESH_S, FRESH_S))
        packages = Packages(Wheels(tmp_path), keeper(), Index(there.url), now=lambda: next(times))
        for _ in range(3):
            assert (await ask(packages, "/projects/thing/")).status == 200
        assert len(there.asked) == 2


async def test_the_persons_own_project_is_asked_of_no_index(tmp_path: Path) -> None:
    async with loopback() as there:
        publish(there, content=b"an attack")
        packages = Packages(Wheels(tmp_path), keeper(), Index(there.url))
        keep(packages.wheels, own=True)
        assert (await ask(packages, FILE)).content == CONTENT
        assert there.asked == []


async def test_a_file_that_is_not_what_its_page_said_is_not_given(tmp_path: Path) -> None:
    async with loopback() as there:
        publish(there, content=b"an attack")
        packages = Packages(Wheels(tmp_path), keeper(), Index(there.url))
        answer = await ask(packages, FILE)
        assert (answer.status, b"an attack" in answer.content) == (502, False)
        assert packages.wheels.kept() == ()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/projects/", 404),
        ("GET", "/projects/%2e%2e%2f/", 404),
        ("GET", "/projects/other/", 404),
        ("GET", f"/files/{'0' * 64}/{WHEEL}", 404),
        ("GET", f"/files/{DIGEST}/..%2F..%2Fetc%2Fpasswd", 404),
        ("GET", f"/files/{DIGEST}/thing-2.0-py3-none-any.whl", 404),
        ("HEAD", FILE, 405),
        ("POST", "/projects/thing/", 405),
    ],
)
async def test_nothing_else_is_understood(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with loopback() as there:
        publish(there)
        packages = Packages(Wheels(tmp_path), keeper(), Index(there.url))
        answer = await ask(packages, path, method=method, body=b"x" if method == "POST" else b"")
        assert (answer.status, (method == "HEAD") <= (answer.content == b"")) == (status, True)


async def test_what_is_no_request_ends_the_connection_alone(tmp_path: Path) -> None:
    packages = Packages(Wheels(tmp_path), keeper())
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        await packages.serve(theirs)


async def test_a_name_that_holds_a_secret_does_not_leave(tmp_path: Path) -> None:
    async with loopback() as there:
        gate = keeper()
        packages = Packages(Wheels(tmp_path), gate, Index(there.url))
        assert (await ask(packages, "/projects/x-dummy-value-123456/")).status == 403
        for piece in ("dummy-value", "123456"):
            answer = await ask(packages, f"/projects/{piece}/")
        assert answer.status == 403
        assert [path for path, _ in there.asked] == ["/python/dummy-value/"]
        refused = [each for each in gate.contacts() if each.verdict == "refused"]
        assert {(each.host, each.rule, each.what) for each in refused} == {
            ("packages", "secret", "the page of a package")
        }


async def test_a_rule_refuses_a_package_that_is_kept_too(tmp_path: Path) -> None:
    gate = keeper(Rule("no-thing", "deny", hosts=("packages:thing",)))
    packages = Packages(Wheels(tmp_path), gate)
    keep(packages.wheels, own=False)
    assert (await ask(packages, FILE)).status == 403
    (refused,) = gate.contacts()
    expected = HostContacted("packages:thing", 0, "refused", "no-thing", what="the page of thing")
    assert replace(refused, reason="") == expected


async def test_a_page_that_is_broken_is_told(tmp_path: Path) -> None:
    async with loopback() as there:
        there.answers["/python/thing/"] = response(b"{", kind=JSON_TYPE)
        answer = await ask(Packages(Wheels(tmp_path), keeper(), Index(there.url)), "/projects/thing/")
        assert (answer.status, answer.reason) == (502, "thing cannot be had: the page is none of an index")
