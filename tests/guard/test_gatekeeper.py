"""Hosts, rules, answers, budgets and searches together decide what may leave."""

from __future__ import annotations

import pytest

from workhand.core.consent.defaults import DEFAULTS
from workhand.core.consent.rules import Answer, Rule
from workhand.core.policy import Approvals, Network
from workhand.guard.exchange import Outgoing
from workhand.guard.gatekeeper import REFUSALS_MAX, Keeper
from workhand.guard.secrets import Held, Secret

pytestmark = pytest.mark.anyio
VALUE = b"dummy-value-123456"
HELD = (Held(Secret("KEY", ("api.example.com",), "wh_KEY_0123"), VALUE),)
ALLOW = Network("allow", ("api.example.com", "*.example.org", "host.internal:8000"))


def keeper(network: Network = ALLOW, **approvals: object) -> Keeper:
    return Keeper(network, Approvals(DEFAULTS, **approvals), HELD)  # type: ignore[arg-type]  # a table of fields


def request(
    target: str = "/", *, host: str = "api.example.com", method: str = "GET", body: bytes = b"", header: bytes = b"x"
) -> Outgoing:
    return Outgoing("https", host, 443, method, target, ((b"x-data", header),), body)


@pytest.mark.parametrize(
    ("network", "host", "port", "allowed"),
    [
        (ALLOW, "api.example.com", 443, True),
        (ALLOW, "api.example.com", 22, False),
        (ALLOW, "a.example.org", 80, True),
        (ALLOW, "example.org", 80, False),
        (ALLOW, "host.internal", 8000, True),
        (ALLOW, "host.internal", 8001, False),
        (ALLOW, "other.example", 443, False),
        (Network("open"), "other.example", 443, True),
        (Network("open"), "other.example", 25, False),
        (Network("open", ("other.example:25",)), "other.example", 25, True),
    ],
)
def test_a_host_is_contacted_if_the_network_has_it(network: Network, host: str, port: int, allowed: bool) -> None:
    ruling = keeper(network).contact(host, port)
    assert (ruling.allowed, ruling.asks) == (allowed, not allowed)


@pytest.mark.parametrize(
    ("host", "port", "permitted"),
    [
        ("host.internal", 8000, True),
        ("host.internal", 80, False),
        ("api.example.com", 443, False),
        ("a.example.org", 443, False),
    ],
)
def test_only_who_is_named_with_a_port_may_be_somewhere_private(host: str, port: int, permitted: bool) -> None:
    assert keeper().permits_address(host, port) is permitted


def test_nobody_is_asked_where_nobody_is() -> None:
    assert keeper(asked="deny").contact("other.example", 443).asks is False
    assert keeper(asked="never").contact("other.example", 443).allowed is False


@pytest.mark.parametrize(
    ("answers", "allowed"),
    [
        ((Answer("network", "other.example", "session"),), True),
        ((Answer("network", "other.example", "session"), Answer("network", "other.example", "once", False)), False),
        ((Answer("network", "another.example", "always"),), False),
        ((Answer("network", "other.example", "now"),), True),
        ((Answer("network", "other.example", "once"),), False),
    ],
)
async def test_an_answer_opens_a_host(answers: tuple[Answer, ...], allowed: bool) -> None:
    gate = keeper()
    gate.heed(answers)
    assert gate.contact("other.example", 443).allowed is allowed
    if allowed:
        assert (await gate.inspect(request(host="other.example", method="POST"))).allowed


@pytest.mark.parametrize(
    ("network", "outgoing", "rule", "asks"),
    [
        (ALLOW, request(method="POST", body=b"hello"), "", False),
        (ALLOW, request("/v1/transfers", method="POST"), "pay", True),
        (Network("open"), request(host="other.example"), "first-contact", True),
        (Network("open"), request(host="other.example", method="POST"), "post", True),
        (Network("open"), request(host="metadata.example"), "metadata-service", False),
        (ALLOW, request("/?k=dummy-value-123456"), "secret", False),
        (ALLOW, request("/dummy-value-123456"), "secret", False),
        (ALLOW, request(body=VALUE[::-1]), "secret", False),
        (ALLOW, request(header=VALUE.hex().encode()), "secret", False),
        (ALLOW, request(body=b"ghp_" + b"a1B2" * 9), "secret", False),
        (ALLOW, request(header=b"wh_KEY_0123"), "", False),
        (ALLOW, request(body=b"x" * 100_000 + VALUE), "secret", False),
    ],
)
async def test_a_request_is_judged_by_rules_and_by_what_it_says(
    network: Network, outgoing: Outgoing, rule: str, asks: bool
) -> None:
    ruling = await keeper(network).inspect(outgoing)
    assert (ruling.allowed, ruling.rule if not ruling.allowed else "", ruling.asks) == (not rule, rule, asks)
    assert VALUE.decode() not in ruling.reason


async def test_a_secret_in_pieces_over_requests_is_found_once() -> None:
    gate = keeper()
    verdicts = [
        (await gate.inspect(request(f"/?p={piece}"))).allowed for piece in ("dummy-", "value-", "123456", "hello")
    ]
    assert verdicts == [True, True, False, True]


@pytest.mark.parametrize("host", ["dummyvalue123456.example.org", "dummy.value.123456.example.org"])
def test_a_secret_in_the_name_of_a_host_is_found(host: str) -> None:
    assert keeper().contact(host, 443).rule == "secret"


async def test_requests_and_bytes_have_a_budget() -> None:
    gate = keeper(Network("allow", ("api.example.com",), requests_max=2, sent_bytes_max=10))
    assert (await gate.inspect(request(body=b"12345678"))).allowed
    assert (await gate.inspect(request(body=b"12345678"))).rule == "budget"
    assert (await gate.inspect(request())).allowed
    assert (await gate.inspect(request())).rule == "budget"


async def test_messages_are_searched_too() -> None:
    assert (await keeper().inspect_message(request(), b"hello")).allowed
    assert (await keeper().inspect_message(request(), VALUE)).rule == "secret"


async def test_a_secret_in_pieces_over_messages_is_found() -> None:
    gate = keeper()
    pieces = (b"dummy-", b"value-", b"123456")
    assert [(await gate.inspect_message(request(), each)).allowed for each in pieces] == [True, True, False]


async def test_messages_count_towards_the_budget_of_bytes() -> None:
    gate = keeper(Network("allow", ("api.example.com",), sent_bytes_max=10))
    assert (await gate.inspect_message(request(), b"12345678")).allowed
    assert (await gate.inspect_message(request(), b"12345678")).rule == "budget"


def test_a_key_goes_to_its_own_host_only_and_answers_of_it_are_searched() -> None:
    gate = keeper()
    assert gate.prepare(request(header=b"wh_KEY_0123")).headers == ((b"x-data", VALUE),)
    assert gate.prepare(request(header=b"wh_KEY_0123", host="a.example.org")).headers == ((b"x-data", b"wh_KEY_0123"),)
    assert gate.redactor("api.example.com") is not None and gate.redactor("a.example.org") is None


def test_what_was_decided_is_told_once_with_counts() -> None:
    gate = keeper()
    for _ in range(3):
        gate.passed(request("/a?secret=1"), "network", sent_bytes=10, received_bytes=100)
    for number in range(REFUSALS_MAX + 5):
        gate.refused("b.example", 443, f"GET /{number}", gate.contact("b.example", 443))
    first, *refused = gate.contacts()
    assert (first.what, first.requests, first.sent_bytes, first.received_bytes) == ("GET /a", 3, 30, 300)
    assert len(refused) == REFUSALS_MAX and refused[0].asks
    assert gate.contacts() == ()


async def test_a_rule_of_the_person_comes_first() -> None:
    gate = Keeper(ALLOW, Approvals((Rule("no-post", "deny", methods=("POST",), why="Read only."), *DEFAULTS)))
    ruling = await gate.inspect(request(method="POST"))
    assert (ruling.rule, ruling.reason) == ("no-post", "Read only.")


@pytest.mark.parametrize(
    ("network", "outgoing", "rule", "irreversible"),
    [
        (ALLOW, request("/v1/transfers", method="POST"), "pay", True),
        (Network("open"), request(host="other.example", method="POST"), "post", False),
    ],
)
async def test_a_request_passes_once_when_a_person_allowed_it_once(
    network: Network, outgoing: Outgoing, rule: str, irreversible: bool
) -> None:
    gate = keeper(network)
    refused = await gate.inspect(outgoing)
    assert (refused.rule, refused.asks, refused.irreversible) == (rule, True, irreversible)
    gate.heed((Answer(rule, outgoing.host, "now"),))
    assert (await gate.inspect(outgoing)).allowed
    gate.heed(())
    assert not (await gate.inspect(outgoing)).allowed
