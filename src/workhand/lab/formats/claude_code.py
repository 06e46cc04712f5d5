"""Claude Code's sessions: the JSON Lines files below ``~/.claude/projects``, and what its ``stream-json`` prints.

The format has no published description.  Made from public descriptions of files of
the versions 1.0.35 to 2.1 by people who analysed theirs, and from samples in public
tests: lines of the types user, assistant, system and summary, joined by
``parentUuid`` to a tree; one answer split over several lines of the same message id,
each with the counts of the whole; subagents as side chains; a summary in place of
the context after ``compact_boundary``.

What a person took back is on a branch of the tree that leads nowhere, and is left
out.  Results of calls that ran side by side hang on different branches and stay.
Answers that the program itself made up, when the API failed, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from workhand.core.events import Usage
from workhand.lab.formats import anthropic
from workhand.lab.formats.faults import Fault, Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import inner, moment, objects, parse, string, tool_names
from workhand.lab.formats.usage import usage
from workhand.lab.trace import Trace

_SILENT = frozenset(
    {
        *("summary", "system", "file-history-snapshot", "file-history-delta", "queue-operation", "progress"),
        *("custom-title", "ai-title", "agent-name", "agent-color", "last-prompt", "tag", "mode", "permission-mode"),
        *("pr-link", "result", "stream_event", "rate_limit_event", "marble-origami-commit", "attribution-snapshot"),
    }
)
_Line = tuple[int, dict[str, Any]]


def knows(values: Iterable[object]) -> bool:
    return any(isinstance(each, dict) and _is_line(each) for each in values)


def read(text: str, name: str) -> Read:
    """Read the lines of one file: the session, and each of its side chains, as a trace of its own."""
    chains: dict[str, list[_Line]] = {}
    roots: dict[str, str] = {}  # of a side chain, by the id of a line
    faults: list[Fault] = []
    records = parse(text)
    for number, value in records.values:
        try:
            line = _checked(value)
            chains.setdefault(_chain(line, roots), []).append((number, line))
        except Unfit as unfit:
            faults.append(Fault(number, str(unfit)))
    traces: list[Trace] = []
    for chain, lines in chains.items():
        found, broken = _trace(lines, chain, name)
        traces += found
        faults += broken
    return Read(tuple(traces), tuple(sorted((*records.faults, *faults), key=lambda fault: fault.line)))


def _is_line(line: dict[str, Any]) -> bool:
    if line.get("type") == "summary":
        return "leafUuid" in line
    known = {"sessionId", "session_id", "parentUuid", "isSidechain"} & line.keys()
    return line.get("type") in ("user", "assistant") and isinstance(line.get("message"), dict) and bool(known)


def _checked(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unfit("it is not an object")
    kind = string(value, "type")
    if kind in ("user", "assistant"):
        if not isinstance(value.get("message"), dict):
            raise Unfit("it has no 'message'")
    elif kind not in _SILENT and kind != "attachment":
        raise Unfit(f"there is no line type {kind!r}")
    return value


def _chain(line: dict[str, Any], roots: dict[str, str]) -> str:
    """Name the side chain that a line is on, or give an empty name."""
    aside = line.get("parent_tool_use_id")
    if not line.get("isSidechain") and not aside:
        return ""
    id, parent = str(line.get("uuid")), str(line.get("parentUuid"))
    roots[id] = str(line.get("agentId") or aside or roots.get(parent) or id)
    return roots[id]


def _trace(lines: list[_Line], chain: str, name: str) -> tuple[tuple[Trace, ...], list[Fault]]:
    parts, faults = Parts(), []
    kept = list(_in_view(lines))
    answers = _whole_answers(kept)
    for number, line in kept:
        try:
            _take(parts, line, answers)
        except Unfit as unfit:
            faults.append(Fault(number, str(unfit)))
    said = [line for _, line in lines]
    session = next((str(id) for line in said if (id := line.get("sessionId") or line.get("session_id"))), name)
    model = next((str(each) for line in said if (each := inner(line, "message").get("model")) and _is_real(line)), "")
    tools = next((each for line in said if (each := tool_names(line.get("tools")))), ())
    return parts.trace(f"{session}-{chain}" if chain else session, "claude-code", model=model, tools=tools), faults


def _in_view(lines: list[_Line]) -> Iterator[_Line]:
    """Give the lines that lead to the last one, and what belongs to the answers among them."""
    places = {str(line["uuid"]): place for place, (_, line) in enumerate(lines) if line.get("uuid")}
    place = len(lines) - 1
    path: set[int] = set()
    while place >= 0:
        path.add(place)
        line = lines[place][1]
        parent = places.get(str(line.get("parentUuid") or line.get("logicalParentUuid")), place - 1)
        place = parent if parent < place else place - 1
    answers = {_message_id(lines[place][1]) for place in path} - {""}
    path |= {place for place, (_, line) in enumerate(lines) if _message_id(line) in answers}
    calls = {str(block.get("id")) for place in path for block in _blocks(lines[place][1], "tool_use")}
    for place, (number, line) in enumerate(lines):
        results = {str(block.get("tool_use_id")) for block in _blocks(line, "tool_result")}
        if place in path or results & calls:
            yield number, line


def _blocks(line: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    return (block for block in objects(inner(line, "message").get("content")) if block.get("type") == kind)


def _message_id(line: dict[str, Any]) -> str:
    id = inner(line, "message").get("id")
    return id if isinstance(id, str) else ""


def _whole_answers(lines: Iterable[_Line]) -> dict[str, dict[str, Any]]:
    """Put together the answers that are split over several lines, by message id."""
    whole: dict[str, dict[str, Any]] = {}
    for _, line in lines:
        message, id = inner(line, "message"), _message_id(line)
        if line.get("type") != "assistant" or not id:
            continue
        content = message.get("content")
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        known = whole.get(id, {"content": [], "usage": None})
        fresh = [block for block in blocks if block not in known["content"]]
        counts = _larger(known["usage"], usage(message.get("usage")))
        whole[id] = {"role": "assistant", "content": [*known["content"], *fresh], "usage": counts}
    return whole


def _larger(known: Usage | None, counts: Usage | None) -> Usage | None:
    """Give the later counts: those of an answer's first lines are at times taken while it was still written."""
    if known is None or counts is None:
        return counts or known
    return replace(counts, output_tokens=max(known.output_tokens, counts.output_tokens))


def _take(parts: Parts, line: dict[str, Any], answers: dict[str, dict[str, Any]]) -> None:
    message, at = inner(line, "message"), moment(line.get("timestamp"))
    queued = inner(line, "attachment")
    if line["type"] == "attachment":
        if queued.get("type") == "queued_command":
            anthropic.take(parts, {"role": "user", "content": queued.get("prompt")})
    elif line["type"] == "user":
        anthropic.take(parts, {"role": "user", **message}, at=at, resets=bool(line.get("isCompactSummary")))
    elif line["type"] == "assistant" and _is_real(line):
        id = _message_id(line)
        if not id:
            anthropic.take(parts, {"role": "assistant", **message}, at=at)
        elif id in answers:  # its first line: the others are in it
            whole = answers.pop(id)
            anthropic.take(parts, whole, usage_of=whole["usage"], at=at)


def _is_real(line: dict[str, Any]) -> bool:
    return not line.get("isApiErrorMessage") and inner(line, "message").get("model") != "<synthetic>"
