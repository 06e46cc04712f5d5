"""Logs that were written once must load for ever, and render to the same bytes."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.core.make_golden import GOLDEN, RECORD, prompt_lines
from workhand.core.events import Event
from workhand.core.log import Entry
from workhand.store.codec import decode_line, encode_line

FORMATS = sorted(path.stem for path in GOLDEN.glob("*.jsonl"))


def read(format: str) -> tuple[Entry, ...]:
    lines = (GOLDEN / f"{format}.jsonl").read_bytes().splitlines()
    return tuple(decode_line(line, format, position) for position, line in enumerate(lines))


@pytest.mark.parametrize("format", FORMATS)
def test_an_old_log_renders_to_the_same_bytes(format: str) -> None:
    assert prompt_lines(read(format)) == (GOLDEN / f"{format}.prompt").read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_an_old_log_is_written_to_the_same_bytes(format: str) -> None:
    lines = (GOLDEN / f"{format}.jsonl").read_bytes().splitlines()
    assert [encode_line(entry) for entry in read(format)] == lines


def test_the_log_of_this_format_is_the_one_that_its_script_makes() -> None:
    assert read("v2") == RECORD


def test_the_log_of_this_format_has_an_event_of_every_kind() -> None:
    assert {type(entry.event) for entry in RECORD} == set(get_args(Event))
