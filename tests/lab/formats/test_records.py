"""JSON is found however it is laid out, and what is no JSON is named by its number and costs no more than itself."""

from __future__ import annotations

from typing import Any

import pytest

from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.faults import Fault
from workhand.lab.formats.records import moment, parse


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": 1}\n{"a": 2}\n', [(1, {"a": 1}), (2, {"a": 2})]),
        ('{"a": 1}\r\n\r\n{"a": 2}\r\n', [(1, {"a": 1}), (3, {"a": 2})]),
        ('\ufeff{"a": 1}\n{"a": 2}', [(1, {"a": 1}), (2, {"a": 2})]),
        ('\n\n{"a": "\u2028"}\n', [(3, {"a": "\u2028"})]),
        ('[{"a": 1}, {"a": 2}]', [(1, {"a": 1}), (2, {"a": 2})]),
        ('[\n  {\n    "a": 1\n  },\n  {"a": 2}\n]\n', [(1, {"a": 1}), (2, {"a": 2})]),
        ('{\n  "a": 1\n}\n', [(1, {"a": 1})]),
        ('{\n  "a": 1\n}\n{\n  "a": 2\n}\n', [(1, {"a": 1}), (2, {"a": 2})]),
        ('[{"a": 1}]\n[{"a": 2}]\n', [(1, [{"a": 1}]), (2, [{"a": 2}])]),
        ("", []),
        ("[]", []),
    ],
)
def test_every_layout_gives_its_records(text: str, values: list[tuple[int, Any]]) -> None:
    found = parse(text)
    assert (list(found.values), found.faults) == (values, ())


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ('{"a": 1}\n{"a": \n{"a": 3}\n', [1, 3], {2: "it is not JSON (expecting value: character 7)"}),
        ('{"a": 1}\n{"a": "cut', [1], {2: "it is not JSON (unterminated string starting at: character 7)"}),
        ('nonsense\n{"a": 2}\n', [2], {1: "it is not JSON (expecting value: character 1)"}),
        ('[{"a": 1}, {"a": 2}', [1, 2], {3: "the array is cut before its end"}),
        (
            '[\n{"a": 1},\n{"a": ',
            [1],
            {2: "it is not JSON (expecting value: character 19); the rest cannot be told apart"},
        ),
        ('{"a": 1}\n' + "[" * 100_000 + '\n{"a": 3}', [1, 3], {2: "it is nested too deeply"}),
        ('{"a": 1}\n\0\0\0', [1], {2: "it is not JSON (expecting value: character 1)"}),
    ],
)
def test_what_is_no_json_costs_no_more_than_itself(text: str, good: list[int], bad: dict[int, str]) -> None:
    found = parse(text)
    assert [number for number, _ in found.values] == good
    assert found.faults == tuple(Fault(line, why) for line, why in bad.items())


def test_a_line_of_fifty_megabytes_is_read_whole() -> None:
    text = '{"a": "' + "x" * 50_000_000 + '"}\n{"a": "y"}\n'
    assert [len(value["a"]) for _, value in parse(text).values] == [50_000_000, 1]


@pytest.mark.parametrize(
    ("recorded", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00.500000", 60.5),
        ("1970-01-01T01:01:00+01:00", 60.0),
        (1_700_000_000, 1_700_000_000.0),
        (1_700_000_000_500, 1_700_000_000.5),
        (float("nan"), None),
        (10**400, 1e15),
        ("yesterday", None),
        (True, None),
        (None, None),
    ],
)
def test_times_of_all_kinds_are_seconds(recorded: object, seconds: float | None) -> None:
    assert moment(recorded) == seconds


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (None, ""),
        ([{"type": "text", "text": "one"}, {"type": "input_text", "text": "two"}, "three"], "one\ntwo\nthree"),
        ({"type": "image", "source": {"media_type": "image/png", "data": "QUJDRA=="}}, "[image/png, 4 bytes]"),
        ({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QUJD"}}, "[image/jpeg, 3 bytes]"),
        ({"type": "input_image", "image_url": "https://example.org/a.png"}, "[input_image, at https://example.org/a.png]"),
        ({"type": "image", "image_urls": ["data:image/png;base64," + "A" * 16_460]}, "[image/png, 12,345 bytes]"),
        ({"type": "image", "data": "QUJD", "mimeType": "image/webp"}, "[image/webp, 3 bytes]"),
        ({"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}, "[audio/wav, 3 bytes]"),
        ({"type": "image", "source": {"media_type": "image/png", "path": "a/1.png"}}, "[image/png, at a/1.png]"),
        ({"type": "document", "source": {"type": "text", "data": "a page"}}, "a page"),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, ""),
        ({"type": "novelty", "x": 1}, "[novelty, 27 bytes]"),
    ],
)  # fmt: skip
def test_content_becomes_text_and_what_is_no_text_a_few_words(content: object, text: str) -> None:
    assert text_of(content) == text
