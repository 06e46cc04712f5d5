"""Events as bytes: nothing is lost, and what cannot be read says why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from tests.store.strategies import events
from workhand.core.events import FORMAT, Event, Observation, Paused, SessionStarted, ToolReturned, UserSaid
from workhand.core.log import Entry
from workhand.core.policy import Policy
from workhand.errors import StoreError
from workhand.store.codec import decode, decode_line, encode, encode_line, named_blobs

STARTED = SessionStarted(Policy(model="m", system_prompt="s", tools=()), format=FORMAT + 1)


@given(events())
def test_every_event_is_read_back_as_it_was_written(event: Event) -> None:
    assert decode(encode(event), "s", 0) == event
    assert encode(decode(encode(event), "s", 0)) == encode(event)


@given(events())
def test_every_entry_is_read_back_from_its_line(event: Event) -> None:
    entry = Entry(7, 1.5, event)
    assert decode_line(encode_line(entry), "s", 7) == entry


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"kind":"Levitated"}', "unknown kind 'Levitated'; a newer version"),
        (b'{"kind":"Paused","until":5}', "something unknown at 'Paused.until'; a newer version"),
        (b'{"kind":"SessionEnded","reason":"bored","detail":""}', "'SessionEnded.reason'; a newer version"),
        (encode(STARTED), f"log format {FORMAT + 1}"),
        (b'{"kind":"Paused"', "Event 3 of session 'abc' is damaged"),
        (b'{"kind":"UserSaid"}', "Event 3 of session 'abc' is damaged"),
        (b'{"kind":"UserSaid","text":5}', "Event 3 of session 'abc' is damaged"),
        (b'{"kind":"UserSaid","text":"\xff"}', "Event 3 of session 'abc' is damaged"),
        (b"[]", "Event 3 of session 'abc' is damaged"),
        (b"", "Event 3 of session 'abc' is damaged"),
    ],
)
def test_what_cannot_be_read_says_what_and_where(body: bytes, complaint: str) -> None:
    with pytest.raises(StoreError) as raised:
        decode(body, "abc", 3)
    assert complaint in str(raised.value)
    assert "'abc'" in str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"7",
        b'{"at":1,"event":{"kind":"Paused"},"position":4}',
        b'{"at":1,"event":{"kind":"Paused"},"position":3,"more":1}',
        b'{"at":NaN,"event":{"kind":"Paused"},"position":3}',
        b'{"at":1,"event":"Paused","position":3}',
        b'{"event":{"kind":"Paused"},"position":3}',
    ],
)
def test_a_line_that_is_no_entry_is_refused(line: bytes) -> None:
    with pytest.raises(StoreError, match="Event 3 of session 'abc' is damaged"):
        decode_line(line, "abc", 3)


@pytest.mark.parametrize(
    ("event", "digests"),
    [
        (Paused(), ()),
        (UserSaid("a" * 64), ()),
        (ToolReturned("1", Observation("a", "b")), ()),
        (ToolReturned("1", Observation("a", "b", blob="c" * 64)), ("c" * 64,)),
    ],
)
def test_an_event_needs_the_blob_of_its_observation(event: Event, digests: tuple[str, ...]) -> None:
    assert named_blobs(event) == digests


def test_a_line_is_canonical() -> None:
    line = encode_line(Entry(0, 2.0, UserSaid("é")))
    assert line.decode() == json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
