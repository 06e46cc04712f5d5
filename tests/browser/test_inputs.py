"""What comes from a person's window becomes commands to a page, or nothing."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.browser.inputs import Command, command

SIZE = (1000.0, 500.0)
PRESS: dict[str, object] = {"do": "key", "how": "down", "key": "a", "code": "KeyA", "number": 65}


def made(said: dict[str, object]) -> Command:
    found = command(said, SIZE)
    assert found is not None
    return found


def test_a_place_is_a_fraction_of_the_picture_and_stays_within_it() -> None:
    said: dict[str, object] = {"do": "mouse", "how": "down", "button": "left", "x": 0.25, "y": 7, "clicks": 2}
    params = made(said).params
    assert (params["type"], params["x"], params["y"], params["clickCount"]) == ("mousePressed", 250, 500, 2)


@pytest.mark.parametrize("value", [math.nan, "1", None, [1]])
def test_what_is_no_number_counts_as_none(value: object) -> None:
    assert made({"do": "wheel", "dx": value, "dy": 10**400}).params["deltaX"] == 0


def test_a_key_types_its_letter_unless_it_commands() -> None:
    assert made(PRESS).params["text"] == "a"
    assert made(PRESS | {"modifiers": 8}).params["type"] == "keyDown"
    assert made(PRESS | {"modifiers": 2}).params["type"] == "rawKeyDown"
    assert made(PRESS | {"key": "Enter"}).params["text"] == "\r"
    assert made(PRESS | {"how": "up"}).params["type"] == "keyUp"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"do": "mouse", "how": "bite", "button": "left"},
        {"do": "mouse", "how": "down", "button": "all"},
        PRESS | {"key": 7},
        PRESS | {"key": "a" * 99},
        PRESS | {"how": "long"},
        {"do": "text", "text": ""},
        {"do": "text", "text": "a" * 60_000},
    ],
)
def test_what_makes_no_sense_is_left_out(said: dict[str, object]) -> None:
    assert command(said, SIZE) is None


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)
NAMES = ["how", "x", "y", "dx", "dy", "button", "buttons", "clicks", "modifiers", "key", "code", "number", "location"]


@given(st.sampled_from(["mouse", "wheel", "key", "text"]), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_whatever_comes_is_a_command_that_can_be_sent_or_none(what: str, said: dict[str, object]) -> None:
    found = command({**said, "do": what}, SIZE)
    assert found is None or json.dumps(found.params, allow_nan=False)
