"""Whatever leaves by another door than the network is searched for the same things."""

from __future__ import annotations

import gzip

import pytest

from tests.guard.test_scan import ENCODINGS
from workhand.guard.outgoing import found
from workhand.guard.scan import TOO_MUCH
from workhand.guard.secrets import Held, Secret

pytestmark = pytest.mark.anyio
ONE, TWO = b"sk_dummy_9f8E7d6C5b4A", b"another-dummy-value-1234"
HELD = tuple(
    Held(Secret(name, ("api.example.com",), f"wh_{name}_0123"), value) for name, value in (("ONE", ONE), ("TWO", TWO))
)
TOKEN = b"ghp_" + b"a1B2" * 9
LONG = b"ordinary words, one after the other\n" * 2_000


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"", ()),
        (b"ordinary words, and wh_ONE_0123", ()),
        (b"it is " + ONE, ("ONE",)),
        (TWO + b" and " + ONE, ("ONE", "TWO")),
        (ONE + b"\n" + TOKEN, ("ONE", "github-token")),
        (TOKEN, ("github-token",)),
        (LONG, ()),
        (LONG + ENCODINGS["gzip in base64"](ONE + b" " + TWO) + b" " + TOKEN, ("github-token", "ONE", "TWO")),
        (LONG + ENCODINGS["zip"](TWO), ("TWO",)),
        (LONG + gzip.compress(b"\0" * 33_554_433), (TOO_MUCH,)),
        (ONE + LONG + gzip.compress(b"\0" * 33_554_433), ("ONE", TOO_MUCH)),
    ],
)
async def test_secrets_are_named_each_once(content: bytes, names: tuple[str, ...]) -> None:
    assert await found(content, HELD) == names


@pytest.mark.parametrize("way", ENCODINGS)
async def test_a_secret_is_named_however_it_is_written(way: str) -> None:
    assert await found(ENCODINGS[way](ONE), HELD) == ("ONE",)


async def test_what_is_longer_than_is_searched_is_said_so() -> None:
    assert await found(ONE + LONG, HELD, bytes_max=len(ONE)) == ("ONE", TOO_MUCH)
    assert await found(LONG + LONG + ONE, HELD, bytes_max=len(LONG)) == (TOO_MUCH,)


async def test_kinds_of_credentials_are_named_where_no_secret_is_kept() -> None:
    assert await found(TOKEN + b" " + ONE, ()) == ("github-token",)
