"""The plan, recited at the end of the context.

What stands last is attended to most ("manipulate attention through recitation": Ji,
"Context Engineering for AI Agents: Lessons from Building Manus", 2025).
The recital lives in the prompt's tail, after the last cache breakpoint, and is not
kept: it costs its own few tokens on each call and never a cached one.
"""

from __future__ import annotations

from itertools import islice

from workhand.core.events import ModelAnswered, Plan, PlanChanged
from workhand.core.log import Log
from workhand.core.policy import Policy

PHASES_SHOWN = 6
TITLE_CHARS_MAX = 120
GOAL_CHARS_MAX = 300


def recite(log: Log, policy: Policy) -> str:
    """Give the recital that is due now; empty while the plan itself was just in view."""
    changed = log.latest(PlanChanged)
    if changed is None:
        return ""
    answers = (event for event in log.since(PlanChanged) if isinstance(event, ModelAnswered))
    calls = sum(1 for _ in islice(answers, policy.recite_after_calls))
    return describe(changed.plan) if calls == policy.recite_after_calls else ""


def describe(plan: Plan) -> str:
    """Say goal, progress, the current phase and those that follow, in bounded length."""
    total = len(plan.phases)
    if plan.current is None:
        return f"Goal: {_cut(plan.goal, GOAL_CHARS_MAX)}\nAll {total} phases are done: deliver with message_result."
    lines = [
        f"Goal: {_cut(plan.goal, GOAL_CHARS_MAX)}",
        f"Now: phase {plan.done + 1} of {total}: {_cut(plan.current.title, TITLE_CHARS_MAX)}",
    ]
    following = plan.phases[plan.done + 1 :]
    if following:
        titles = "; ".join(_cut(phase.title, TITLE_CHARS_MAX) for phase in following[:PHASES_SHOWN])
        more = f"; and {len(following) - PHASES_SHOWN} more" if len(following) > PHASES_SHOWN else ""
        lines.append(f"Then: {titles}{more}")
    return "\n".join(lines)


def _cut(text: str, chars_max: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"
