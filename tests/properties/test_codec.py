"""Events as bytes: what is written is read back, and written again to the same bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import given, reject
from hypothesis import strategies as st

from tests.core.playbook import POLICY
from tests.properties.worlds import Turn, play
from workhand.core.events import Event, LimitHit, SessionStarted, UserSaid
from workhand.core.log import Entry
from workhand.core.policy import Limits, Policy
from workhand.store.codec import decode, decode_line, encode, encode_line

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(SessionStarted, policy=st.from_type(Policy)),
    *(st.from_type(kind) for kind in get_args(Event) if kind is not SessionStarted),
)


@given(EVENTS)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    try:
        body = encode(event)
    except ValueError:  # infinity and the like, which no event may hold
        reject()
    read = decode(body, "s", 0)
    assert (read, type(read), encode(read)) == (event, type(event), body)


@given(st.text(), st.integers(0), st.floats(0, 1e12))
def test_an_entry_is_read_as_it_was_written(text: str, position: int, at: float) -> None:
    entry = Entry(position, at, UserSaid(text))
    assert decode_line(encode_line(entry), "s", position) == entry


def test_what_decide_records_is_written_to_the_same_bytes_once_read() -> None:
    policy = replace(POLICY, limits=Limits(steps=3))
    record = play(policy, (Turn(inbox=(UserSaid("Go."),), number=1), *(Turn() for _ in range(4)))).record
    bodies = [encode(entry.event) for entry in record]
    assert LimitHit in {type(entry.event) for entry in record}
    assert [encode(decode(body, "s", position)) for position, body in enumerate(bodies)] == bodies
