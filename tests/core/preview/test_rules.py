"""What holds for a preview of any bytes: its size, its note, and that nothing breaks it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workhand.core.preview import preview
from workhand.core.preview.lines import Line, fit, number

PATH = ".workhand/results/c12-shell_run.txt"

PIECES = st.sampled_from([
    *('{', '}', '[', ']', '"', "\\", ":", ",", "|", "\t", "\n", "\r", "\0", "é", " " * 30, "x" * 300, "1,2,3"),
    *("<a href='/x'>", "</a>", "<!--", "<script>", "@@ -1 +1 @@", "diff --git a/x b/x", "def f(x):", "src/a.py:12:"),
    *("  12\t", "ERROR ", "Traceback (most recent call last):", "├── ", "-rw-r--r-- 1 a a 1 Jan  1 10:00 x"),
    *('{"a": 1}', "\x1b[31m", "עברית", "\u202e", "\U0001f469\u200d\U0001f467", '"\\ud800"', "word Name_1 "),
])  # fmt: skip
CONTENTS = st.one_of(
    st.binary(max_size=2_000),
    st.lists(PIECES, max_size=80).map(lambda pieces: "".join(pieces).encode()),
    st.lists(PIECES, max_size=40).map(lambda pieces: "\n".join(pieces * 3).encode()),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
        max_leaves=60,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(CONTENTS, st.integers(min_value=0, max_value=3_000))
def test_a_preview_of_any_bytes_is_bounded_valid_and_always_the_same(content: bytes, bytes_max: int) -> None:
    shown = preview(content, path=PATH, bytes_max=bytes_max)
    assert len(shown.text.encode()) <= bytes_max  # encoding is strict: a lone surrogate would raise
    assert shown == preview(content, path=PATH, bytes_max=bytes_max)


@given(CONTENTS, st.integers(min_value=120, max_value=3_000))
def test_the_first_line_says_what_is_left_out_and_where_all_bytes_are(content: bytes, bytes_max: int) -> None:
    shown = preview(content, path=PATH, bytes_max=bytes_max)
    note = rf"\[{shown.kind}, \d+ % left out; all {len(content):,} bytes are in {re.escape(PATH)}\]"
    assert re.fullmatch(note, shown.text.split("\n", 1)[0])


@given(CONTENTS)
@example(b'{"\\b": 1, "\\n": 2}')
def test_a_preview_holds_no_control_characters(content: bytes) -> None:
    shown = preview(content, path=PATH, bytes_max=1_000).text
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f]", shown) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"x" * 5_000_000, "text", id="one line"),
        pytest.param(b"[" * 100_000, "text", id="brackets that nobody closes"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "text", id="brackets in brackets"),
        pytest.param(b'{"a":' * 100_000, "text", id="objects in objects"),
        pytest.param(b"[" + b"9" * 100_000 + b"]", "text", id="a number that the interpreter refuses"),
        pytest.param(b'{"a":"' + b"\\" * 1_000_000, "text", id="escapes"),
        pytest.param(b"<script>" * 200_000, "xml", id="scripts that nobody closes"),
        pytest.param(b"<div><!--" * 200_000, "html", id="comments that nobody closes"),
        pytest.param("│   ".encode() * 200_000, "text", id="branches without a tree"),
        pytest.param((b" " * 400 + b"\n") * 10_000, "text", id="blank lines"),
        pytest.param(b"\0" * 5_000_000, "binary", id="zeros"),
        pytest.param("héllo\n".encode("utf-16") * 1_000, "text", id="another encoding"),
        pytest.param(json.dumps(["\ud800"] * 500).encode(), "json", id="lone surrogates"),
    ],
)
def test_hostile_input_is_only_input(content: bytes, kind: str) -> None:
    shown = preview(content, path=PATH, bytes_max=800)
    assert (shown.kind, len(shown.text.encode()) <= 800) == (kind, True)


def test_a_huge_text_is_read_by_its_head_its_end_and_samples_under_their_true_numbers() -> None:
    text = "\n".join(f"line {at}" for at in range(1, 500_001))
    read = number(text)
    whole = [(at, line) for at, line in read if line == f"line {at}"]
    assert (len(read) < 20_000, len(whole) > 0.98 * len(read), read[0], read[-1]) == (
        True,
        True,
        (1, "line 1"),
        (500_000, "line 500000"),
    )


@pytest.mark.parametrize(
    ("lines", "bytes_max", "written"),
    [
        ([Line(1, "a"), Line(2, "b")], 3, "a\nb"),
        ([Line(1, "a"), Line(2, "bbbb", 1), Line(3, "c")], 7, "a\n…\nc"),
        ([Line(1, "a", 1), Line(2, "b", 0)], 1, "b"),
        ([Line(1, "é" * 100)], 102, "é" * 49 + "…"),
        ([], 10, ""),
    ],
)
def test_lines_are_taken_by_rank_and_written_by_place(lines: list[Line], bytes_max: int, written: str) -> None:
    assert fit(lines, bytes_max) == written
