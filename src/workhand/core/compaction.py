"""Reversible reduction: which results are shown in compact form, and when.

The rule: when the context reaches the trigger, every result older than the
last ``keep_full_results`` is compacted at once, in one recorded event, so that
the cache breaks once and the reduction stays.  Errors stay in full: they teach.
A result is compacted at most once, into a form that never changes again, and
only if its compact form leads back to the whole.
"""

from __future__ import annotations

from workhand.core.budget import saving_bytes
from workhand.core.events import ModelAnswered, ResultsCompacted, ToolReturned
from workhand.core.log import Log
from workhand.core.policy import Policy
from workhand.core.render import compacted_calls

SAVING_BYTES_MIN = 200  # below this a compact form is hardly shorter than the result


def compact(log: Log, policy: Policy, *, keep: int | None = None) -> ResultsCompacted | None:
    """Choose what to compact now; ``None`` if nothing can be."""
    kept = policy.keep_full_results if keep is None else keep
    done = compacted_calls(log)
    spoken = _spoken_calls(log)
    chosen: list[str] = []
    seen = 0
    for event in log.newest_first():
        if not isinstance(event, ToolReturned):
            continue
        seen += 1
        if seen > kept and event.call_id not in done | spoken and _worth_compacting(event):
            chosen.append(event.call_id)
    return ResultsCompacted(tuple(reversed(chosen))) if chosen else None


def _worth_compacting(event: ToolReturned) -> bool:
    seen = event.observation
    return seen.ok and seen.path is not None and seen.path in seen.compact and saving_bytes(event) >= SAVING_BYTES_MIN


def _spoken_calls(log: Log) -> frozenset[str]:
    """Give the calls that spoke to the user or planned: their results are never compacted."""
    return frozenset(
        call.id
        for event in log.events
        if isinstance(event, ModelAnswered)
        for call in event.calls
        if call.tool.startswith(("message_", "plan_"))
    )
