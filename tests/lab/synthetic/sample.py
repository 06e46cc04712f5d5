"""What a set of sessions measures: the same figures as in the table of kinds, counted on the finished traces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from workhand.lab.trace import Answer, Call, Returned, Said, Trace

IDENTIFIER = re.compile(
    r"[a-z]+/[a-z]+-\d{6}\.[a-z]+|[A-Z]{3}-\d{6}|/[a-z]+/[a-z]+-[a-z]+-\d{6}|[a-z]+_[a-z]+_\d{4}|0x[0-9a-f]{8}"
)


@dataclass
class Sample:
    calls: list[int] = field(default_factory=list)  # by session
    results: list[int] = field(default_factory=list)  # in bytes
    errors: int = 0
    repeated_calls: int = 0
    silent: int = 0
    answers: int = 0
    read_bytes: int = 0
    written_bytes: int = 0


def measure(traces: Iterable[Trace]) -> Sample:
    sample = Sample()
    for trace in traces:
        context, seen = 0, set[tuple[str, str]]()
        for part in trace.parts:
            match part:
                case Said(_, text):
                    context += size(text)
                case Returned(_, text, ok):
                    sample.results.append(size(text))
                    sample.errors += not ok
                    context += size(text)
                case Answer(text, calls):
                    written = size(text) + sum(size(call.arguments) for call in calls if not call.in_text)
                    sample.answers += 1
                    sample.silent += bool(calls) and not text
                    sample.read_bytes += context
                    sample.written_bytes += written
                    context += written
                    sample.repeated_calls += repeated(calls, seen)
        sample.calls.append(sum(len(part.calls) for part in trace.parts if isinstance(part, Answer)))
    return sample


def repeated(calls: Iterable[Call], seen: set[tuple[str, str]]) -> int:
    before = len(seen)
    listed = [(call.tool, call.arguments) for call in calls]
    seen.update(listed)
    return len(listed) - (len(seen) - before)


@dataclass(frozen=True)
class Need:
    """A call that names what only an earlier result says."""

    result: tuple[str, int]  # the trace and the place of the result in it
    age: int  # in calling answers
    place: float  # of the identifier in the result, from 0 to 1
    bytes: int  # of the result


def needs(trace: Trace) -> list[Need]:
    """Find the calls whose arguments hold an identifier that stands in an earlier result and in no earlier call."""
    found: list[Need] = []
    where: dict[str, tuple[int, int, float, int]] = {}
    written: set[str] = set()
    step = 0
    for index, part in enumerate(trace.parts):
        if isinstance(part, Returned):
            for match in IDENTIFIER.finditer(part.text):
                where.setdefault(match[0], (index, step, match.start() / len(part.text), size(part.text)))
        elif isinstance(part, Answer) and part.calls:
            step += 1
            named = {name for call in part.calls for name in IDENTIFIER.findall(call.arguments)}
            for name in sorted(named & where.keys() - written):
                at, came, place, length = where[name]
                found.append(Need((trace.id, at), step - came, place, length))
            written |= named
    return found


def quantile(values: Iterable[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def size(text: str) -> int:
    return len(text.encode())
