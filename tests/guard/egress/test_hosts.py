"""A host is read in one way or not at all, and no address that is not public is connected to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.guard.egress.addresses import forbidden
from workhand.guard.egress.hosts import Endpoint, Malformed, endpoint, matches, overlap, pattern


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.com:443", "example.com", 443),
        ("EXAMPLE.com.:80", "example.com", 80),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example", 443),
        ("a_b.example:1", "a_b.example", 1),
        ("93.184.216.34:443", "93.184.216.34", 443),
        ("[2606:2800:0220:1::1]:443", "2606:2800:220:1::1", 443),
        ("[::FFFF:1.2.3.4]:443", "::ffff:102:304", 443),
    ],
)
def test_a_host_has_one_form(text: str, host: str, port: int) -> None:
    found = endpoint(text)
    assert ipaddress.ip_address(found.host) == ipaddress.ip_address(host) if ":" in host else found.host == host
    assert found.port == port
    assert endpoint(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":443",
        "example.com",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:+80",
        "example.com:8 0",
        "example.com:080",
        "user@example.com:443",
        "exa mple.com:443",
        "example..com:443",
        ".example.com:443",
        "example.com..:443",
        "b\u00fccher.example:443",
        "example%2ecom:443",
        "example.com%00.evil:443",
        "example.com\0:443",
        "example.com\r\n:443",
        "0x7f.0.0.1:443",
        "0x7f000001:443",
        "2130706433:443",
        "127.1:443",
        "0177.0.0.1:443",
        "1.2.3:443",
        "1.2.3.4.5:443",
        "256.1.1.1:443",
        "01.02.03.04:443",
        "::1:443",
        "[::1%25eth0]:443",
        "[::1%eth0]:443",
        "[::1:443",
        "[::1]443",
        "[zz]:443",
        "-a.example:443",
        "a-.example:443",
        "a" * 64 + ".example:443",
        "a." * 130 + "b:443",
        "exam/ple:443",
        "example.com\\:443",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        endpoint(text)


PRIVATE = """
127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
169.254.0.1 100.64.0.1 100.127.255.255 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1
224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 fe80::1 fc00::1 fd00:ec2::254 fec0::1 ff02::1
::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 2002:7f00:1:: 2002:a9fe:a9fe::1 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1 2001:0:4136:e378:8000:63bf:80ff:fffe 2001:db8::1 ::ffff:8.8.8.8
no
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_an_address_that_is_not_public_is_forbidden(address: str) -> None:
    assert forbidden(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_a_public_address_is_not(address: str) -> None:
    assert not forbidden(address)


@given(st.ip_addresses())
def test_every_address_has_a_verdict_and_only_global_ones_pass(address: ipaddress.IPv4Address) -> None:
    assert forbidden(str(address)) or address.is_global


@pytest.mark.parametrize(
    ("pattern", "host", "port", "found"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "example.com", 80, True),
        ("example.com", "example.com", 8443, False),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("example.com", "www.example.com", 443, False),
        ("*.example.com", "www.example.com", 443, True),
        ("*.example.com", "a.b.example.com", 443, True),
        ("*.example.com", "example.com", 443, False),
        ("*.example.com", "evilexample.com", 443, False),
        ("example.com", "example.com.evil.com", 443, False),
        ("127.0.0.1:8000", "127.0.0.1", 8000, True),
        ("[::1]:8000", "::1", 8000, True),
        ("not a host", "example.com", 443, False),
        ("[::1", "::1", 443, False),
    ],
)
def test_a_pattern_means_its_host_and_port(pattern: str, host: str, port: int, found: bool) -> None:
    assert matches(pattern, host, port) is found


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(endpoint(text), Endpoint)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("example.com", "example.com:8443", True),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "*.api.example.com", True),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "example.org", False),
        ("example.com", "www.example.com", False),
    ],
)
def test_patterns_overlap_where_a_host_is_of_both(one: str, other: str, found: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is found


@pytest.mark.parametrize("text", ["http://a.example", "a.example/x", "a b", "*", "*.*.example", "a*.example", "*."])
def test_what_a_person_writes_for_hosts_is_read_or_refused(text: str) -> None:
    assert pattern(" *.Example.com:8443 ") == "*.example.com:8443"
    with pytest.raises(Malformed):
        pattern(text)
