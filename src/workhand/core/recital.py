"""The plan, recited at the end of the context.

What stands last is attended to most ("manipulate attention through recitation": Ji,
"Context Engineering for AI Agents: Lessons from Building Manus", 2025).
The recital lives in the prompt's tail, after the last cache breakpoint, and is not
kept: it costs its own few tokens on each call and never a cached one.
"""

from __future__ import annotations

from itertools import islice

from workhand.core.events import ModelAnswered, Phase, Plan, PlanChanged, ToolReturned, UserSaid
from workhand.core.excerpt import line
from workhand.core.log import Log
from workhand.core.policy import Policy

PHASES_SHOWN = 6
TITLE_CHARS_MAX = 120
GOAL_CHARS_MAX = 300
ERROR_CHARS_MAX = 240
ERROR_LOOK_BACK = 60  # events: what failed longer ago is no longer being mended


def recite(log: Log, policy: Policy) -> str:
    """Give the recital that is due now; empty while the plan itself was just in view."""
    changed = log.latest(PlanChanged)
    if changed is None:
        return ""
    answers = (event for event in log.since(PlanChanged) if isinstance(event, ModelAnswered))
    calls = sum(1 for _ in islice(answers, policy.recite_after_calls))
    if calls < policy.recite_after_calls:
        return ""
    failed = unresolved(log) if policy.recite_errors else ""
    return describe(changed.plan) + (f"\nNot mended yet: {failed}" if failed else "")


def unresolved(log: Log) -> str:
    """Give the latest failure if the same tool has not succeeded since; a line of bounded length."""
    succeeded: set[str] = set()
    failures: dict[str, str] = {}  # what each call's result says, if it is one
    for event in islice(log.newest_first(), ERROR_LOOK_BACK):
        match event:
            case UserSaid():
                return ""
            case ToolReturned(call_id, seen):
                failures[call_id] = "" if seen.ok else seen.full
            case ModelAnswered(calls=(call, *_)) if call.id in failures:
                if failures[call.id] and call.tool not in succeeded:
                    return f"{call.tool}: {line(failures[call.id], ERROR_CHARS_MAX)}"
                succeeded.add(call.tool)
    return ""


def describe(plan: Plan) -> str:
    """Say goal, progress, the current phase and those that follow, in bounded length."""
    total = len(plan.phases)
    if plan.current is None:
        return f"Goal: {line(plan.goal, GOAL_CHARS_MAX)}\nAll {total} phases are done: deliver with message_result."
    lines = [
        f"Goal: {line(plan.goal, GOAL_CHARS_MAX)}",
        f"Now: phase {plan.done + 1} of {total}: {line(plan.current.title, TITLE_CHARS_MAX)}",
    ]
    following = sorted(plan.phases[plan.done + 1 :], key=lambda phase: -phase.weight)
    if following:
        titles = "; ".join(_phase(phase) for phase in following[:PHASES_SHOWN])
        more = f"; and {len(following) - PHASES_SHOWN} more" if len(following) > PHASES_SHOWN else ""
        lines.append(f"Then: {titles}{more}")
    return "\n".join(lines)


def _phase(phase: Phase) -> str:
    weight = f" (weight {phase.weight})" if phase.weight != 1 else ""
    return line(phase.title, TITLE_CHARS_MAX) + weight
