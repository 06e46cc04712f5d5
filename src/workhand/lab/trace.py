"""Recorded sessions as values: what was said, answered and returned, in the order in which the model saw it.

A ``Trace`` is what every importer makes and every replay reads.  It holds no
policy and no prompt: which part of it a model would have seen is what a replay
finds out.  One ``Answer`` is one call of a model; its prompt is everything
before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from workhand.core.events import Usage


@dataclass(frozen=True, slots=True)
class Said:
    role: Literal["system", "user"]
    text: str
    resets: bool = False  # the recorded agent dropped its context here, and this stands for it


@dataclass(frozen=True, slots=True)
class Call:
    id: str  # unique within its trace
    tool: str
    arguments: str  # as the model wrote them: most often a JSON object
    in_text: bool = False  # the answer's text already holds it: its tokens must not be counted again


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    calls: tuple[Call, ...] = ()
    usage: Usage | None = None  # the provider's own counts, where they were recorded
    at: float | None = None  # seconds since the Unix epoch, where it was recorded


@dataclass(frozen=True, slots=True)
class Returned:
    call: str  # the id of the call
    text: str
    ok: bool = True
    at: float | None = None


Part: TypeAlias = Said | Answer | Returned


@dataclass(frozen=True, slots=True)
class Trace:
    id: str
    source: str  # where it comes from; traces of one source can be joined
    parts: tuple[Part, ...]
    model: str = ""
    tools: tuple[str, ...] = ()  # names, as far as they are known
    outcome: str = ""  # as the source states it

    @property
    def answers(self) -> int:
        """Calls of the model."""
        return sum(isinstance(part, Answer) for part in self.parts)


def chained(traces: Iterable[Trace], *, answers_min: int = 150, answers_max: int = 300) -> Iterator[Trace]:
    """Join the traces of each source, in the order of their ids, to long sessions.

    A session is complete once it has ``answers_min`` calls of the model; a trace with which it would have
    more than ``answers_max`` starts the next one.  What stays shorter than ``answers_min`` is left out.
    """
    by_source: dict[str, list[Trace]] = {}
    for trace in sorted(traces, key=lambda each: (each.source, each.id)):
        by_source.setdefault(trace.source, []).append(trace)
    for source, listed in by_source.items():
        run: list[Trace] = []
        for trace in listed:
            answers = sum(each.answers for each in run)
            if run and (answers >= answers_min or answers + trace.answers > answers_max):
                yield from _joined(source, run, answers_min)
                run = []
            run.append(trace)
        yield from _joined(source, run, answers_min)


def _joined(source: str, run: list[Trace], answers_min: int) -> Iterator[Trace]:
    if sum(each.answers for each in run) < answers_min:
        return
    parts = (part for number, trace in enumerate(run) for part in _renamed(trace, f"{number}-"))
    tools = tuple(dict.fromkeys(name for trace in run for name in trace.tools))
    yield Trace(f"{run[0].id}+{len(run) - 1}", source, tuple(parts), run[0].model, tools)


def _renamed(trace: Trace, prefix: str) -> Iterator[Part]:
    """Give a trace's parts with call ids that no other trace has; a later system text is the user's."""
    for part in trace.parts:
        match part:
            case Answer(_, calls):
                yield replace(part, calls=tuple(replace(call, id=prefix + call.id) for call in calls))
            case Returned(call):
                yield replace(part, call=prefix + call)
            case Said("system", text) if prefix != "0-":
                yield Said("user", text)
            case _:
                yield part
