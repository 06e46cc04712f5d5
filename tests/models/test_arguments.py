"""What is repaired in the arguments that a model wrote, and what is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.core.canonical import encode
from workhand.models.wire.arguments import arguments_text, well_formed

READ = {
    '{"b": 1, "a": "x"}': '{"a":"x","b":1}',
    "": "{}",
    '```json\n{"a": 1}\n```': '{"a":1}',
    '{"a": 1}\nI hope this helps.': '{"a":1}',
    "{'a': True, 'b': None}": '{"a":true,"b":null}',
    '{"a": "line\nbreak"}': '{"a":"line\\nbreak"}',
    "{1: 2}": '{"1":2}',
}
LEFT = ['{"a": [1, 2', '{"a": "unfinished', "[1]", "words", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 5_000]


@pytest.mark.parametrize("raw", READ)
def test_what_is_plain_is_read(raw: str) -> None:
    assert arguments_text(raw) == READ[raw]


@pytest.mark.parametrize("raw", LEFT)
def test_what_is_not_plain_stays_as_it_was(raw: str) -> None:
    assert json.loads(arguments_text(raw)) == {"_malformed": raw}


@given(st.text(st.characters()))
def test_any_text_becomes_a_canonical_object(raw: str) -> None:
    value = json.loads(arguments_text(raw))
    assert isinstance(value, dict)
    assert encode(value).decode() == arguments_text(raw)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none()))
def test_a_well_formed_object_is_itself(value: dict[str, object]) -> None:
    assert arguments_text(json.dumps(value)) == encode(value).decode()


def test_surrogates_streamed_apart_are_joined() -> None:
    assert well_formed("\ud83d" + "\ude00") == "\U0001f600"
    assert well_formed("a\ud83d") == "a\ufffd"
