"""Sides of a log as Markdown files that the model can read and search: plan, goals, progress, failures, findings.

They are views: derived from the events in view alone, and nothing reads them back.
All are one fold, carried along with the log, that counts what changed each of
them, so that a step costs what is new and only what changed is written.  Each
view is bounded: what is old becomes a line or a number; the log has it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from workhand.core.calls import stated
from workhand.core.events import (
    Goal,
    HistorySummarized,
    ModelAnswered,
    Plan,
    PlanChanged,
    ToolCall,
    ToolReturned,
    UserSaid,
)
from workhand.core.excerpt import line
from workhand.core.log import Entry, Log

PLAN, GOALS, PROGRESS = ".workhand/plan.md", ".workhand/goals.md", ".workhand/progress.md"
ERRORS, FINDINGS = ".workhand/errors.md", ".workhand/findings.md"
VIEWS: Final = (PLAN, GOALS, PROGRESS, ERRORS, FINDINGS)

LINES_MAX = 500  # of actions in ``progress.md``
LINE_CHARS_MAX = 200
FAILURES_MAX = 40  # with their traces
FAILURE_CHARS_MAX = 4_000
ARGUMENTS_CHARS_MAX = 1_000
SAID_MAX = 200
SAID_CHARS_MAX = 2_000
LISTED_MAX = 200  # goals, messages of the user, decisions, pointers, older failures


def views_of(log: Log) -> Views:
    """Give the views of what is in view."""
    return log.fold("views", Views)


@dataclass(frozen=True, slots=True)
class Failure:
    """An action that failed."""

    position: int
    call: ToolCall
    how: str
    text: str  # as the model saw it


class Views:
    """All views, as far as the entries are taken."""

    def __init__(self) -> None:
        self.changes = dict.fromkeys(VIEWS, 0)  # how often each was changed
        self.plan: Plan | None = None
        self.planned: dict[str, bool] = {}  # goals of plans, and whether they were reached
        self.asked: list[tuple[int, str]] = []
        self.summarized: tuple[Goal, ...] = ()
        self.lines: deque[str] = deque(maxlen=LINES_MAX)
        self.failures: list[Failure] = []
        self.resolved: dict[str, str] = {}  # by the call that failed: the call after which it was no failure any more
        self.said: list[tuple[int, str, str]] = []
        self.decisions: dict[str, None] = {}
        self.pointers: dict[str, str] = {}
        self._open: dict[str, dict[str, list[str]]] = {}  # calls that failed, by tool and what they are about
        self._calls: dict[str, ToolCall] = {}

    def take(self, entry: Entry) -> None:
        match entry.event:
            case ModelAnswered(_, calls):
                self._calls.update((call.id, call) for call in calls)
            case ToolReturned() as result:
                self._returned(result, entry.position)
            case UserSaid(text):
                self.asked.append((entry.position, text))
                self.changes[GOALS] += 1
            case PlanChanged(plan):
                self._planned(plan)
            case HistorySummarized(_, summary):
                self.summarized = summary.goals
                self.decisions.update(dict.fromkeys(summary.decisions))
                self.pointers.update((pointer.where, pointer.what) for pointer in summary.pointers)
                self.changes[GOALS] += 1
                self.changes[FINDINGS] += 1

    def text(self, view: str) -> str:
        """Write one view down."""
        write = {
            PLAN: self._plan_lines,
            GOALS: self._goal_lines,
            PROGRESS: self._progress_lines,
            ERRORS: self._failure_parts,
            FINDINGS: self._finding_parts,
        }[view]
        return "\n".join(write()) + "\n"

    # -- taking what happened ----------------------------------------------------

    def _returned(self, result: ToolReturned, position: int) -> None:
        call = self._calls.pop(result.call_id, None)
        if call is None:
            return
        seen = result.observation
        outcome = result.how if result.how != "ran" else "ok" if seen.ok else "failed"
        words = seen.compact if seen.compact.startswith(call.tool) else f"{call.tool}: {seen.compact}"
        self.lines.append(f"- {position} {call.id} {outcome}: {line(words, LINE_CHARS_MAX)}")
        self.changes[PROGRESS] += 1
        if not seen.ok:
            self.failures.append(Failure(position, call, result.how, seen.full))
            self._open.setdefault(call.tool, {}).setdefault(_about(call), []).append(call.id)
            self.changes[ERRORS] += 1
            return
        if (unresolved := self._open.get(call.tool)) and (failed := unresolved.pop(_about(call), None)):
            self.resolved.update(dict.fromkeys(failed, call.id))
            self.changes[ERRORS] += 1
        if call.tool in ("message_info", "message_result"):
            self.said.append((position, "said" if call.tool == "message_info" else "delivered", _words(call)))
            self.changes[FINDINGS] += 1

    def _planned(self, plan: Plan) -> None:
        before = dict(self.planned)
        self.plan = plan
        self.planned[plan.goal] = plan.current is None
        self.changes[PLAN] += 1
        self.changes[GOALS] += self.planned != before

    # -- writing it down ---------------------------------------------------------

    def _plan_lines(self) -> list[str]:
        if self.plan is None:
            return ["# Plan", "", "There is none yet."]
        marks = ("x" if at < self.plan.done else " " for at in range(len(self.plan.phases)))
        current = self.plan.current
        phases = [
            f"{number}. [{mark}] {line(phase.title, LINE_CHARS_MAX)}{' (current)' if phase is current else ''}"
            for number, (mark, phase) in enumerate(zip(marks, self.plan.phases, strict=True), 1)
        ]
        return ["# Plan", "", f"Goal: {line(self.plan.goal, SAID_CHARS_MAX)}", "", *phases]

    def _goal_lines(self) -> list[str]:
        current = self.plan.goal if self.plan else None
        stated = [_goal(goal.text, goal.done) for goal in self.summarized]
        known = {goal.text for goal in self.summarized}
        for text, done in self.planned.items():
            if text not in known:
                stated.append(_goal(text, done) + ("" if done or text == current else " (of an earlier plan)"))
        asked = [f"- {position}: {line(text, LINE_CHARS_MAX)}" for position, text in self.asked]
        return ["# Goals", "", *_latest(stated), "", "## What the user said", "", *_latest(asked)]

    def _progress_lines(self) -> list[str]:
        older = self.changes[PROGRESS] - len(self.lines)
        left_out = [f"{older:,} earlier actions are left out.", ""] if older else []
        return ["# Progress: position, call, outcome, action", "", *left_out, *self.lines]

    def _failure_parts(self) -> list[str]:
        older, newest = self.failures[:-FAILURES_MAX], self.failures[-FAILURES_MAX:]
        lines = [f"- {self._title(failure)}: {line(failure.text, LINE_CHARS_MAX)}" for failure in older]
        parts = ["# Failures, and whether the same action has succeeded since", "", *_latest(lines)]
        for failure in newest:
            called = f"Call: {_cut(failure.call.arguments, ARGUMENTS_CHARS_MAX)}"
            parts += ["", f"## {self._title(failure)}", "", called, "", _cut(failure.text, FAILURE_CHARS_MAX)]
        return parts

    def _title(self, failure: Failure) -> str:
        by = self.resolved.get(failure.call.id)
        how = "failed" if failure.how == "ran" else failure.how
        return (
            f"{failure.position} {failure.call.id} {failure.call.tool} {how}, {f'resolved by {by}' if by else 'open'}"
        )

    def _finding_parts(self) -> list[str]:
        pointers = [f"- {where}: {what}" if what else f"- {where}" for where, what in self.pointers.items()]
        parts = ["# Findings"]
        if self.decisions:
            parts += ["", "## Decisions", "", *_latest([f"- {line(text, LINE_CHARS_MAX)}" for text in self.decisions])]
        if pointers:
            parts += ["", "## Where things are", "", *_latest(pointers)]
        if len(self.said) > SAID_MAX:
            parts += ["", f"{len(self.said) - SAID_MAX:,} earlier messages are left out."]
        for position, how, text in self.said[-SAID_MAX:]:
            parts += ["", f"## {position} {how}", "", _cut(text, SAID_CHARS_MAX)]
        return parts


def _about(call: ToolCall) -> str:
    """Say what an action is about: the same tool on the same file, or with the same command, is the same action."""
    arguments = stated(call)
    about = arguments.get("path") or arguments.get("command")
    return about if isinstance(about, str) else call.arguments


def _words(call: ToolCall) -> str:
    """Give what the model said in a message, with the files that came along."""
    arguments = stated(call)
    text, files = arguments.get("text"), arguments.get("attachments")
    lines = [f"- {each}" for each in files if isinstance(each, str)] if isinstance(files, list) else []
    return "\n".join([text if isinstance(text, str) else "", *lines])


def _goal(text: str, done: bool) -> str:
    return f"- [{'x' if done else ' '}] {line(text, SAID_CHARS_MAX)}"


def _latest(lines: list[str]) -> list[str]:
    left_out = len(lines) - LISTED_MAX
    return [f"- {left_out:,} earlier ones are left out.", *lines[left_out:]] if left_out > 0 else lines


def _cut(text: str, chars_max: int) -> str:
    """Show both ends of a long text: a trace says what went wrong at its end."""
    if len(text) <= chars_max:
        return text
    half = chars_max // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out]\n{text[-half:]}"
