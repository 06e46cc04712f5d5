"""Compact forms of the model's own calls, and that nobody mistakes them for content."""

from __future__ import annotations

import json

import pytest

from tests.core.playbook import BEGUN, POLICY, answered, call, log, returned
from workhand.core.canonical import digest
from workhand.core.compact import MARK, arguments, holds_mark, path, saving
from workhand.core.decide import PLACEHOLDER, Record, decide
from workhand.core.events import Observation, ResultsCompacted, ToolReturned, ToolStarted
from workhand.core.render import render

TEXT = "line\n" * 200
WROTE = call("c9", "file_write", json.dumps({"content": TEXT, "path": "out/a.txt"}))


def test_a_long_text_is_replaced_by_its_size_its_digest_and_where_it_is() -> None:
    note = f"{MARK}1,000 bytes, sha256 {digest(TEXT.encode())[:12]}; read out/a.txt; as written: {path(WROTE)}] "
    assert json.loads(arguments(WROTE)) == {"content": note + TEXT[:80] + "…", "path": "out/a.txt"}
    assert saving(WROTE) == len(WROTE.arguments.encode()) - len(arguments(WROTE).encode())


@pytest.mark.parametrize(
    "written",
    [
        pytest.param('{"path":"a.txt"}', id="short"),
        pytest.param("not JSON " * 100, id="no JSON"),
        pytest.param("[" * 100_000, id="nested without end"),
        pytest.param(json.dumps({"texts": ["ab"] * 400}), id="many short texts"),
    ],
)
def test_what_has_no_long_text_saves_nothing(written: str) -> None:
    assert saving(call("c1", "shell_run", written)) == 0


def test_long_texts_are_found_at_any_depth() -> None:
    nested = call("c1", "shell_run", json.dumps({"a": [{"b": TEXT}], "n": 7}))
    ((inner,),) = (json.loads(arguments(nested))["a"],)
    assert inner["b"].startswith(MARK)


def test_a_compacted_call_is_shown_without_its_content_and_its_result_follows() -> None:
    wrote = (answered(WROTE), ToolStarted("c9"), returned("c9", "wrote out/a.txt"))
    shown = render(log(*BEGUN, wrote).then(ResultsCompacted((), arguments=("c9",))), POLICY).body
    assert json.loads(shown[-2])["calls"][0]["arguments"] == arguments(WROTE)
    assert json.loads(shown[-1])["text"].endswith("wrote out/a.txt")


def test_a_call_that_copies_a_compact_form_is_not_run() -> None:
    copied = call("c10", "file_write", arguments(WROTE).replace("c9", "c10"))
    assert holds_mark(copied)
    refused = ToolReturned("c10", Observation(PLACEHOLDER, PLACEHOLDER, ok=False), how="refused")
    assert decide(log(*BEGUN, answered(copied)), POLICY) == Record((refused,))


def test_a_result_that_only_looks_like_a_compact_form_is_content() -> None:
    looks = (answered(call("c1", "shell_run")), ToolStarted("c1"), returned("c1", f"{MARK}5 bytes; x] [compacted] y"))
    assert MARK.encode() in render(log(*BEGUN, looks), POLICY).body[-1]
