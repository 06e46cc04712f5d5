"""One value has one form in bytes, and what has no such form is refused."""

from __future__ import annotations

import math

import pytest

from workhand.core.canonical import digest, encode
from workhand.core.events import Attachment, UserSaid


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ({"a": {"z": 0, "y": 0}}, '{"a":{"y":0,"z":0}}'),
        (("a", ("b",)), '["a",["b"]]'),
        ("é \u2028 😀 \0 \x7f", '"é \u2028 😀 \\u0000 \x7f"'),
        (0.1 + 0.2, "0.30000000000000004"),
        (10**30, "1000000000000000000000000000000"),
        (
            UserSaid("Go.", (Attachment("a", 1),)),
            '{"attachments":[{"bytes":1,"path":"a"}],"kind":"UserSaid","text":"Go."}',
        ),
    ],
)
def test_a_value_has_one_form(value: object, expected: str) -> None:
    assert encode(value) == expected.encode()


def test_the_order_in_which_keys_were_set_does_not_show() -> None:
    assert encode({"a": 1, "b": 2, "c": 3}) == encode({"c": 3, "b": 2, "a": 1})


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], "\ud800", {"\udfff": 1}])
def test_what_has_no_form_in_json_or_utf_8_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
        encode(value)


@pytest.mark.parametrize("value", [{1, 2}, frozenset(), b"bytes", object(), UserSaid])
def test_what_is_neither_json_nor_a_dataclass_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"has no canonical JSON form"):
        encode(value)


def test_content_is_named_by_its_sha_256() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
