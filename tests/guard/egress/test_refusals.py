"""What can be read in two ways, or says two things, is refused in words, and nothing of it leaves."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.guard.egress.world import ANSWER_S, HOST, INNER, OTHER, SHUT, World

pytestmark = pytest.mark.anyio

SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n"


async def nothing_left(outside: World) -> bool:
    return (outside.secure.requests, outside.plain.requests) == ([], [])


@pytest.mark.parametrize(
    ("to", "rule"),
    [
        (f"{SHUT}:443", "network"),
        (f"{HOST}", "malformed-host"),
        (f"{HOST}:", "malformed-host"),
        (f"{HOST}:0", "malformed-host"),
        (f"{HOST}:65536", "malformed-host"),
        (f"{HOST}:0443", "malformed-host"),
        (f"user@{HOST}:443", "malformed-host"),
        (f"{HOST}%2eevil:443", "malformed-host"),
        (f"{HOST}/:443", "malformed-host"),
        (f"{HOST}..:443", "malformed-host"),
        ("0x7f000001:443", "malformed-host"),
        ("2130706433:443", "malformed-host"),
        ("0177.0.0.1:443", "malformed-host"),
        ("127.1:443", "malformed-host"),
        ("[::1%25lo]:443", "malformed-host"),
        ("[::1:443", "malformed-host"),
        ("::1:443", "malformed-host"),
        ("http://api.test/:443", "malformed-host"),
    ],
)
async def test_a_tunnel_is_refused_with_the_rule_in_the_answer(outside: World, to: str, rule: str) -> None:
    answer = await outside.said(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
    assert answer.split(b" ")[1] == b"403"
    assert f"\r\n\r\nworkhand: refused by rule {rule!r}: ".encode() in answer
    assert outside.resolved == []


async def test_a_page_of_a_host_that_is_not_allowed_is_refused(outside: World) -> None:
    answer = await outside.said(f"GET http://{SHUT}/ HTTP/1.1\r\nHost: {SHUT}\r\n\r\n".encode())
    assert answer.endswith(b"workhand: refused by rule 'network': shut.test is not among the hosts.\n")
    assert (outside.gate.refusals, outside.resolved) == ([(SHUT, 80, "GET", "network")], [])


@pytest.mark.parametrize("to", ["127.0.0.1:9", "169.254.169.254:80", "[::1]:9", f"{INNER}:9"])
async def test_an_address_that_is_not_public_is_refused_where_nobody_permitted_it(outside: World, to: str) -> None:
    answer = await outside.said(f"GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
    assert b"workhand: refused by rule 'private-address': " in answer
    assert [each[3] for each in outside.gate.refusals] == ["private-address"]


@pytest.mark.parametrize(
    "raw",
    [
        "GET http://{host}/ HTTP/1.1\r\nHost: other.test\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}, other.test\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: api.test\r\n\r\n",  # its port is that of HTTP
        "GET http://user:word@{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://{host}\\@other.test/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://[::1/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://[v1.a]/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http:/// HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET https://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET ftp://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\nHost other.test\n\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nA\0: b\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nA: b\0c\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nA: b\rc\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nA : b\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\n Host: {host}\r\n\r\n",
        "GET http://{host}/a b HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://{host}/\x01 HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://{host}/\x80 HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "G@T http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET http://{host}/ HTTP/2.0\r\nHost: {host}\r\n\r\n",
        "GET http://{host}/\r\n\r\n",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3, 4\r\n\r\nabcd",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: +3\r\n\r\nabc",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x3\r\n\r\nabc",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: " + "9" * 30 + "\r\n\r\nabc",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nA: " + "b" * 200_000 + "\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)  # fmt: skip
async def test_a_malformed_request_is_answered_so_and_does_not_leave(outside: World, raw: str) -> None:
    answer = await outside.said(raw.replace("{host}", f"{HOST}:{outside.plain.port}").encode("latin-1"))
    assert answer.split(b" ")[1] in (b"400", b"403", b"431", b"501")
    assert b"workhand: refused by rule " in answer
    assert await nothing_left(outside)


@pytest.mark.parametrize(
    "raw",
    [
        "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {host}.evil.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET https://other.test/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ],
)
async def test_in_a_tunnel_only_its_host_is_spoken_to(outside: World, raw: str) -> None:
    answer = await outside.told(raw.replace("{host}", f"{HOST}:{outside.secure.port}").encode())
    assert answer.split(b" ")[1] in (b"400", b"403")
    assert await nothing_left(outside)
    assert outside.resolved == []


async def test_tls_under_another_name_than_the_tunnel_is_broken_off(outside: World) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        reader, _ = await outside.tunnel(named=OTHER)
        async with asyncio.timeout(ANSWER_S):
            assert not await reader.read(1), "it must end"
        raise ConnectionResetError
    assert [each[3] for each in outside.gate.refusals] == ["host-mismatch"]
    assert await nothing_left(outside)


async def test_a_server_whose_certificate_is_not_vouched_for_is_refused(outside: World) -> None:
    reader, writer = await outside.tunnel(OTHER)  # the server shows the certificate of another host
    writer.write(f"GET / HTTP/1.1\r\nHost: {OTHER}:{outside.secure.port}\r\n\r\n".encode())
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"ertificate" in answer
    assert await nothing_left(outside)
    writer.close()


async def test_what_is_refused_for_its_content_is_not_sent(outside: World) -> None:
    answer = await outside.told(outside.request(method="POST", body=b"this is forbidden"))
    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.endswith(b"workhand: refused by rule 'content': it says what must not be said.\n")
    assert await nothing_left(outside)
    assert outside.gate.refusals == [(HOST, outside.secure.port, "POST /", "content")]


async def test_a_body_that_is_too_long_is_refused_and_the_answer_arrives(outside: World) -> None:
    answer = await outside.told(outside.request(method="POST", body=b"x" * ((32 << 20) + 1)))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"33,554,432" in answer
    assert await nothing_left(outside)


@pytest.mark.parametrize(
    "headers",
    ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"],
)
async def test_two_lengths_are_never_two_requests(outside: World, headers: str) -> None:
    where = f"{HOST}:{outside.secure.port}"
    await outside.told(f"POST /a HTTP/1.1\r\nHost: {where}\r\n{headers}\r\n\r\n".encode() + SMUGGLED)
    assert await nothing_left(outside)


@pytest.mark.parametrize("named", ["host", "content-length", "content-length, host"])
async def test_a_connection_header_cannot_take_out_what_frames_a_request(outside: World, named: str) -> None:
    where = f"{HOST}:{outside.secure.port}"
    raw = f"POST /a HTTP/1.1\r\nHost: {where}\r\nConnection: {named}, close\r\nContent-Length: 3\r\n\r\nabc"
    answer = await outside.told(raw.encode())
    assert answer.startswith(b"HTTP/1.1 200")
    (_, _, headers, body), = outside.secure.requests  # fmt: skip
    assert (headers["host"], headers["content-length"], body) == (where, "3", b"abc")


async def test_a_host_is_sent_in_the_form_that_was_judged(outside: World) -> None:
    where = f"{HOST.upper()}.:{outside.secure.port}"
    await outside.told(f"GET / HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n".encode())
    assert outside.secure.requests[0][2]["host"] == f"{HOST}:{outside.secure.port}"


async def test_a_request_that_may_have_been_done_is_not_sent_again(outside: World) -> None:
    reader, writer = await outside.tunnel()
    where = f"{HOST}:{outside.secure.port}"
    writer.write(f"POST /one HTTP/1.1\r\nHost: {where}\r\nContent-Length: 0\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.write(f"POST /hang-up HTTP/1.1\r\nHost: {where}\r\nContent-Length: 0\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 502")
    assert [request[1] for request in outside.secure.requests] == ["/one", "/hang-up"]
    writer.close()
