"""Whatever is wrong inside a recording, reading it ends with what is good and what is not, never with a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.formats import test_anthropic, test_atif, test_claude_code, test_codex, test_openai, test_openhands
from tests.lab.formats import test_trajectory as test_kept
from tests.lab.formats.lines import STEADY, jsonl
from workhand.core import canonical
from workhand.errors import ConfigError
from workhand.lab.formats.sources import read_text
from workhand.lab.formats.trajectory import write

RECORDINGS: dict[str, list[Any]] = {
    "codex": [*test_codex.LINES, test_codex.line("compacted", message="", replacement_history=[])],
    "claude-code": [test_claude_code.ASKED, *test_claude_code.SPLIT],
    "atif": [test_atif.trajectory(test_atif.STEPS, subagent_trajectories=[{"steps": test_atif.STEPS}])],
    "openhands": test_openhands.EVENTS,
    "openhands records": [{"instance_id": "one", "history": test_openhands.EVENTS}],
    "openhands sdk": [test_openhands.totals(9, 1), test_openhands.tool("a", "r", "t"), test_openhands.totals(20, 2)],
    "openai": test_openai.MESSAGES,
    "openai log": [test_openai.logged(test_openai.MESSAGES, {"choices": [{"message": test_openai.SAID}], "usage": {}})],
    "anthropic": [{"system": "x", "messages": [test_anthropic.ASKED, test_anthropic.CALLED, test_anthropic.RETURNED]}],
    "trajectory-v1": [test_kept.HEADER, {"type": "assistant", "text": ""}, test_kept.CALL, test_kept.RESULT],
}  # fmt: skip
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 10**30, 1e308, "", "\ud800", "tool_result", [], [None], [[]], {}, {"type": []}]
)


def damaged(draw: st.DrawFn, value: Any, depth: int = 0) -> Any:
    """Replace something somewhere inside."""
    if not isinstance(value, dict | list) or not value or (depth and draw(st.integers(0, 5)) == 0):
        return draw(JUNK)
    key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    changed = value.copy()
    changed[key] = damaged(draw, value[key], depth + 1)
    return changed


@st.composite
def recordings(draw: st.DrawFn, name: str) -> str:
    value = damaged(draw, damaged(draw, RECORDINGS[name]))
    return json.dumps(value, indent=draw(st.sampled_from([None, 1])))


@pytest.mark.parametrize("name", RECORDINGS)
def test_damage_inside_a_recording_is_survived(name: str) -> None:
    @STEADY
    @given(recordings(name))
    def survives(text: str) -> None:
        try:
            read = read_text(text, "x", "x")
        except ConfigError:
            return
        canonical.encode(read.faults)
        assert all(write(trace) for trace in read.traces)

    survives()


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_that_is_cut_anywhere_is_survived(name: str) -> None:
    text = jsonl(*RECORDINGS[name])

    @STEADY
    @given(st.integers(0, len(text)))
    def survives(length: int) -> None:
        try:
            assert read_text(text[:length], "x", "x").traces or length < len(text) - 1
        except ConfigError:
            assert length < len(text) - 1

    survives()
