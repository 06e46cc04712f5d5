"""The simulator's prediction against the cache of the real model, call by call, a compaction included."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import POLICY
from workhand.core.policy import Policy, Rules, Window
from workhand.lab.live import LiveCall, live
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace
from workhand.models.local import LocalModel

pytestmark = pytest.mark.anyio

SMALL: Policy = replace(
    POLICY,
    window=Window(1_280, 1_280, 800),
    answer_tokens_max=16,
    keep_full_results=1,
    rules=Rules(gate=False, summaries=False, rent_or_buy=False, repeats=False),
)


def parts() -> list[Part]:
    found: list[Part] = [Said("user", "Look at every room.")]
    for number in range(8):
        found.append(Answer("", (Call(f"c{number}", "file_read", f'{{"path":"{number}"}}'),)))
        found.append(Returned(f"c{number}", f"Room {number} has a table, and a chair. " * 20))
    return [*found, Answer("Done.")]


async def test_a_real_cache_serves_what_was_predicted_at_every_call(local: LocalModel) -> None:
    trace = Trace("live", "test", tuple(parts()))
    calls: list[LiveCall] = [call async for call in live(trace, SMALL, local, calls_max=9)]
    assert len(calls) == 9
    assert any(call.reduced for call in calls)
    assert all(call.agrees for call in calls)
    assert [call.predicted > 0 for call in calls] == [False] + [True] * 8
