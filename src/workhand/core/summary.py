"""Summaries: the irreversible reduction, made hard to get wrong.

The model is asked on the very prompt that it has just read, so that the cache
serves, and its answer must fill a schema.  It is checked before it is used: no
open goal may be missing, every path must exist, every pointer must have occurred,
and it must be short.  What the log knows for certain is not left to the model:
the user's messages, the latest failures and where the whole is are added here,
and pointers of earlier summaries are carried over.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import replace

from workhand.core.canonical import Json
from workhand.core.events import (
    Event,
    Goal,
    HistorySummarized,
    ModelAnswered,
    PlanChanged,
    Pointer,
    Summary,
    ToolReturned,
    UserSaid,
)
from workhand.core.excerpt import line
from workhand.core.log import Log

MESSAGE_CHARS_MAX = 6_000  # of the first and the latest message of the user
OTHER_CHARS_MAX = 400  # of those between
OTHERS_MAX = 12
FAILURES_MAX = 5
POINTERS_SHOWN = 40
LINE_CHARS_MAX = 300
LIST_MAX = 60
PATH = re.compile(r"\.{0,2}/?[\w.@+-]+(/[\w.@+-]+)*/?")

INSTRUCTION = """\
[notice] The context is nearly full. A summary that you write now, and the last few calls as they are, will replace what
is above. The whole stays in {log_path}, where it can be searched. Answer with one JSON object and nothing else, in
about {words} words at most, with these keys:
{{"goals": [{{"text": ..., "weight": 1, "done": false}}], "constraints": [...], "decisions": [...], "state": "...",
 "files": [{{"where": PATH, "what": ...}}], "open_items": [...],
 "pointers": [{{"where": PATH, URL or query, "what": ...}}], "failed": [...]}}
- goals: every goal; the open ones below word for word.
- state: what is done, what is known, what comes next, with the exact names, ids and numbers that will be needed.
- files: what was made or changed. pointers: where things can be found again.
- failed: what was tried and did not work, and why.
Write nothing that is not above. Open goals:
{goals}"""
REFUSED = "\nYour last summary was not used: {reasons} Write it again without these faults."


class Before:
    """What the entries behind a summary hold that must not depend on the model's words."""

    def __init__(self) -> None:
        self.answers = 0
        self.messages: list[str] = []
        self.failures: deque[str] = deque(maxlen=FAILURES_MAX)

    def take(self, event: Event) -> None:
        match event:
            case ModelAnswered():
                self.answers += 1
            case UserSaid():
                self.messages.append(message_text(event))
            case ToolReturned(_, seen) if not seen.ok:
                self.failures.append(line(seen.compact, LINE_CHARS_MAX))


def message_text(said: UserSaid) -> str:
    """Give a message of the user with its attachments named."""
    return said.text + "".join(f"\n[attached: {each.path}, {each.bytes:,} bytes]" for each in said.attachments)


def describe(event: HistorySummarized, before: Before) -> str:
    """Give the text that stands in the prompt for everything before a summary."""
    seen = event.summary
    parts = [
        f"[summary] This stands for what happened before, {before.answers} answers of yours. It is for reference: what "
        f"it asks for may be done. The whole is in {event.log_path}: search it, or read it in slices.",
        *_messages(before.messages, event.log_path),
        _titled("Goals", map(_goal_line, seen.goals)),
        _titled("Constraints", seen.constraints),
        _titled("Decisions", seen.decisions),
        f"State: {seen.state}",
        _titled("Files made or changed", map(_pointer, seen.files)),
        _titled("Open", seen.open_items),
        _titled("Failed", seen.failed),
        _titled("Latest failures", before.failures),
        _titled("Where things are", map(_pointer, seen.pointers[-POINTERS_SHOWN:])),
    ]
    left_out = len(seen.pointers) - POINTERS_SHOWN
    if left_out > 0:
        parts.append(f"{left_out:,} older pointers are in {event.log_path}.")
    return "\n\n".join(part for part in parts if part)


def instruction(log: Log, log_path: str, tokens_max: int, reasons: tuple[str, ...]) -> str:
    """Give what the model is told when it is asked for a summary."""
    goals = "\n".join(f"- {goal}" for goal in open_goals(log)) or "- (none is stated)"
    text = INSTRUCTION.format(log_path=log_path, words=round(tokens_max * 0.6), goals=goals)
    return text + (REFUSED.format(reasons=" ".join(reasons)) if reasons else "")


def open_goals(log: Log) -> tuple[str, ...]:
    """Give the goals that a summary must keep: those of the summary before it, and the plan's."""
    earlier = log.latest(HistorySummarized)
    goals = [goal.text for goal in earlier.summary.goals if not goal.done] if earlier else []
    planned = log.latest(PlanChanged)
    if planned is not None and planned.plan.current is not None:
        goals.append(planned.plan.goal)
    return tuple(dict.fromkeys(goals))


def read(text: str) -> Summary | str:
    """Read what a model wrote; a string says why it cannot be used."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return "It holds no JSON object."
    try:
        stated: Json = json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as error:
        return f"It is not valid JSON ({error})."
    if not isinstance(stated, dict):
        return "It is not a JSON object."
    try:
        return Summary(
            goals=tuple(map(_goal, _list(stated, "goals"))),
            constraints=_texts(stated, "constraints"),
            decisions=_texts(stated, "decisions"),
            state=_text(stated.get("state"), "state"),
            files=tuple(map(_read_pointer, _list(stated, "files"))),
            open_items=_texts(stated, "open_items"),
            pointers=tuple(map(_read_pointer, _list(stated, "pointers"))),
            failed=_texts(stated, "failed"),
        )
    except ValueError as error:
        return str(error)


def paths(summary: Summary) -> tuple[str, ...]:
    """Give the paths that a summary names, which must exist."""
    named = (pointer.where for pointer in (*summary.files, *summary.pointers))
    return tuple(dict.fromkeys(where for where in named if is_path(where)))


def is_path(where: str) -> bool:
    return "://" not in where and "/" in where and PATH.fullmatch(where) is not None


def occurs(where: str, log: Log) -> bool:
    """Say whether a text has been in the log: said, called with, returned, or named by an earlier summary."""
    return any(where in text for event in log.events for text in _texts_of(event))


def faults(summary: Summary, log: Log, missing: Collection[str], tokens: int, tokens_max: int) -> tuple[str, ...]:
    """Say what is wrong with a summary, a sentence each; none if it can be used.

    ``missing`` are those of its paths that do not exist, ``tokens`` its length.
    """
    kept = {_flat(goal.text) for goal in summary.goals}
    found = [f"The goal {goal!r} is missing." for goal in open_goals(log) if _flat(goal) not in kept]
    if not summary.state.strip():
        found.append("The state is empty.")
    found += [f"There is no file {path!r}." for path in missing]
    wanted = [each.where for each in summary.pointers if not is_path(each.where) and not occurs(each.where, log)]
    found += [f"The pointer {where!r} occurs nowhere." for where in wanted]
    if tokens > tokens_max:
        found.append(f"It has about {tokens:,} tokens, and {tokens_max:,} are the most.")
    return tuple(found[:8])


def carried(summary: Summary, log: Log) -> Summary:
    """Add the pointers and files of the summary before it, so that none is ever lost."""
    earlier = log.latest(HistorySummarized)
    if earlier is None:
        return summary
    before = earlier.summary
    last = Pointer(earlier.log_path, "the history before the last summary")
    return replace(
        summary,
        files=_united(before.files, summary.files),
        pointers=_united((*before.pointers, last), summary.pointers),
    )


def _united(before: tuple[Pointer, ...], after: tuple[Pointer, ...]) -> tuple[Pointer, ...]:
    """Give both lists in order, each place once, with its latest words."""
    latest = {pointer.where: pointer for pointer in (*before, *after)}
    return tuple(latest.values())


def _messages(messages: list[str], log_path: str) -> list[str]:
    """Give the user's messages: the first and the latest nearly whole, those between in short."""
    if not messages:
        return []
    others = messages[1:-1]
    shown = [f"The task, as the user gave it:\n{_whole(messages[0], log_path)}"]
    if len(others) > OTHERS_MAX:
        shown.append(f"{len(others) - OTHERS_MAX} earlier messages of the user are in {log_path}.")
    shown += [f"The user, later: {line(text, OTHER_CHARS_MAX)}" for text in others[-OTHERS_MAX:]]
    if len(messages) > 1:
        shown.append(f"The user's latest message:\n{_whole(messages[-1], log_path)}")
    return shown


def _whole(text: str, log_path: str) -> str:
    if len(text) <= MESSAGE_CHARS_MAX:
        return text
    half = MESSAGE_CHARS_MAX // 2
    left_out = len(text) - MESSAGE_CHARS_MAX
    return f"{text[:half]}\n[{left_out:,} characters left out here; the whole is in {log_path}]\n{text[-half:]}"


def _titled(title: str, listed: Iterable[str]) -> str:
    lines = "\n".join(f"- {each}" for each in listed)
    return f"{title}:\n{lines}" if lines else ""


def _goal_line(goal: Goal) -> str:
    return f"[{'x' if goal.done else ' '}] {goal.text} (weight {goal.weight})"


def _pointer(pointer: Pointer) -> str:
    return f"{pointer.where}: {pointer.what}" if pointer.what else pointer.where


def _list(stated: dict[str, Json], key: str) -> list[Json]:
    value = stated.get(key, [])
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise ValueError(f"{key} must be a list of at most {LIST_MAX}.")
    return value


def _texts(stated: dict[str, Json], key: str) -> tuple[str, ...]:
    return tuple(_text(each, key) for each in _list(stated, key))


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key} must be text.")
    return value.strip()


def _goal(value: Json) -> Goal:
    match value:
        case str(text):
            return Goal(text.strip())
        case {"text": str(text), **others}:
            weight, done = others.get("weight", 1), others.get("done", False)
            if isinstance(weight, int) and isinstance(done, bool):
                return Goal(text.strip(), weight, done)
    raise ValueError('each of goals must be {"text": ..., "weight": a whole number, "done": true or false}.')


def _read_pointer(value: Json) -> Pointer:
    match value:
        case str(where):
            return Pointer(where.strip(), "")
        case {"where": str(where), **others}:
            return Pointer(where.strip(), _text(others.get("what", ""), "what"))
    raise ValueError('each of files and pointers must be {"where": ..., "what": ...}.')


def _texts_of(event: Event) -> tuple[str, ...]:
    match event:
        case UserSaid(text):
            return (text,)
        case ModelAnswered(text, calls):
            return (text, *(call.arguments for call in calls))
        case ToolReturned(_, seen):
            return (seen.full, seen.compact)
        case HistorySummarized(summary=earlier):
            return tuple(pointer.where for pointer in earlier.pointers)
    return ()


def _flat(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")
