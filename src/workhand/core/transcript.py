"""A log as a Markdown text that a person can read and a model can search.

It is written before a summary stands for what happened: nothing of it is lost,
it is only further away.  Every entry has a heading with its position, so that a
line that was found says where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workhand.core.events import (
    HistorySummarized,
    LimitHit,
    ModelAnswered,
    ModelFailed,
    NoticeGiven,
    PlanChanged,
    SummaryRejected,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Entry
from workhand.core.summary import message_text


def transcript(entries: Iterable[Entry]) -> str:
    """Write down everything that was said, done and returned, in order."""
    tools: dict[str, str] = {}
    parts: list[str] = ["# What happened, in order"]
    for entry in entries:
        if isinstance(entry.event, ModelAnswered):
            tools.update((call.id, call.tool) for call in entry.event.calls)
        parts.extend(f"## {entry.position} {title}\n\n{text}" for title, text in _said(entry, tools))
    return "\n\n".join(parts) + "\n"


def _said(entry: Entry, tools: dict[str, str]) -> Iterator[tuple[str, str]]:
    match entry.event:
        case UserSaid() as said:
            yield "user", message_text(said)
        case NoticeGiven(text):
            yield "notice", text
        case ModelAnswered(text, calls):
            if text:
                yield "said", text
            for call in calls:
                yield f"call {call.id} {call.tool}", call.arguments
        case ToolReturned(call_id, seen, how):
            place = f"\n[the whole is in {seen.path}]" if seen.path else ""
            outcome = how if how != "ran" else "ok" if seen.ok else "failed"
            yield f"result {call_id} {tools.get(call_id, '')} {outcome}", seen.full + place
        case PlanChanged(plan):
            marks = ("x" if index < plan.done else " " for index in range(len(plan.phases)))
            phases = "\n".join(f"- [{mark}] {phase.title}" for mark, phase in zip(marks, plan.phases, strict=True))
            yield "plan", f"{plan.goal}\n{phases}"
        case HistorySummarized(until, summary, log_path):
            yield "summary", f"Entries before {until} are in {log_path}. State: {summary.state}"
        case SummaryRejected(reasons):
            yield "summary refused", " ".join(reasons)
        case LimitHit(limit, used, allowed):
            yield "limit", f"{limit}: {used:,.10g} of {allowed:,.10g}"
        case ModelFailed(error, message):
            yield "model failed", f"{error}: {message}"
