"""An address of a database has no password in it, and no error repeats what might be one."""

from __future__ import annotations

import pytest

from workhand.data.address import checked, filled, is_address
from workhand.errors import ConfigError

PLAIN = "postgresql://reader@db.example.com:5433/shop?sslmode=require"
NAMED = "postgresql://reader:${SHOP_KEY}@db.example.com/shop"


@pytest.mark.parametrize("text", [PLAIN, NAMED, "postgresql:///shop?host=/run/postgresql", "postgresql://[::1]:5432/a"])
def test_an_address_without_a_password_is_kept_as_it_is(text: str) -> None:
    assert is_address(text)
    assert checked(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("postgresql://reader:dummy-value-123456@db.example.com/shop", "A password must not stand"),
        ("postgresql://reader:@db.example.com/shop", "A password must not stand"),
        ("postgresql://a:dummy-value-123456@b@c/d", "only a database's"),
        ("mysql://a:dummy-value-123456@b/c", "only a database's"),
        ("https://a:dummy-value-123456@b/c", "only a database's"),
        ("postgresql://a:dummy-value-123456@b:port/c", "cannot be read"),
        ("postgresql://[a:dummy-value-123456/b", "cannot be read"),
        ("postgresql://a@b/c?password=dummy-value-123456", "'password'"),
        ("postgresql://a@b/c?options=-c%20x", "'options'"),
        ("postgresql://a@b/c?passfile=/etc/passwd", "'passfile'"),
    ],
)
def test_what_cannot_be_used_is_refused_without_being_repeated(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        checked(text)
    assert "dummy" not in str(caught.value) and caught.value.__cause__ is None


def test_a_password_comes_into_its_place_and_nowhere_else() -> None:
    assert filled(PLAIN, {}) == PLAIN
    assert filled(NAMED, {"SHOP_KEY": "p@/:s"}) == "postgresql://reader:p%40%2F%3As@db.example.com/shop"
    with pytest.raises(ConfigError, match="workhand secrets add SHOP_KEY"):
        filled(NAMED, {"OTHER": "x"})
