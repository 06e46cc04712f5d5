"""Lists of messages, alone or as logged requests and responses: what OpenAI's and Anthropic's formats share.

A log of requests repeats the whole conversation in each of them.  A record that
begins with all that an earlier one holds goes on with the same session, so such a
log gives one trace with the counts of every call, and not one a request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from workhand.lab.formats.faults import Fault, Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import mapping, parse
from workhand.lab.formats.usage import usage
from workhand.lab.trace import Answer, Part, Returned, Trace

OPEN_SESSIONS_MAX = 50  # so many sessions may be interleaved in one log

Take: TypeAlias = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Exchange:
    id: str
    messages: tuple[Any, ...]
    answers: tuple[Any, ...] = ()  # what was answered to the messages, where that is logged
    counts: Any = None  # the provider's, of that answer
    model: str = ""
    tools: tuple[str, ...] = ()
    outcome: str = ""


def read_exchanges(
    text: str,
    name: str,
    source: str,
    opened: Callable[[dict[str, Any]], Exchange | None],
    taking: Callable[[Parts], Take],
) -> Read:
    """Read every record that ``opened`` finds messages in as a session, and all others together as the messages of one.

    ``taking`` gives what adds one message to parts.
    """
    records = parse(text)
    loose, sessions = Parts(), _Sessions()
    take = taking(loose)
    faults = list(records.faults)
    for number, value in records.values:
        try:
            exchange = Exchange("", tuple(value)) if isinstance(value, list) else opened(mapping(value, "it"))
            if exchange is None:
                take(value)
                continue
        except Unfit as unfit:
            faults.append(Fault(number, str(unfit)))
            continue
        parts = Parts()
        faults += [Fault(number, why) for why in _fill(parts, exchange, taking(parts))]
        id = exchange.id or (name if len(records.values) == 1 else f"{name}-{number}")
        facts = {"model": exchange.model, "tools": exchange.tools, "outcome": exchange.outcome}
        for trace in parts.trace(id, source, **facts):  # type: ignore[arg-type]  # a dictionary of keywords
            sessions.add(trace)
    faults.sort(key=lambda fault: fault.line)
    return Read((*loose.trace(name, source), *sessions.all), tuple(faults))


def _fill(parts: Parts, exchange: Exchange, take: Take) -> list[str]:
    """Add an exchange's messages; give what was wrong."""
    broken: list[str] = []
    for place, message in enumerate((*exchange.messages, *exchange.answers), 1):
        try:
            take(mapping(message, "it"))
        except Unfit as unfit:
            broken.append(f"message {place}: {unfit}")
    if exchange.answers:
        parts.billed(usage(exchange.counts))
    return broken


class _Sessions:
    """The traces so far, of which a longer one replaces the one it goes on with."""

    def __init__(self) -> None:
        self.all: list[Trace] = []

    def add(self, trace: Trace) -> None:
        for at in range(len(self.all) - 1, max(len(self.all) - OPEN_SESSIONS_MAX, 0) - 1, -1):
            known = self.all[at]
            if _goes_on(trace, known):
                ahead = tuple(_fuller(old, new) for old, new in zip(known.parts, trace.parts, strict=False))
                self.all[at] = replace(trace, id=known.id, parts=(*ahead, *trace.parts[len(ahead) :]))
                return
        self.all.append(trace)


def _goes_on(trace: Trace, known: Trace) -> bool:
    if len(trace.parts) < len(known.parts):
        return False
    return all(_bare(new) == _bare(old) for new, old in zip(trace.parts, known.parts, strict=False))


def _bare(part: Part) -> Part:
    match part:
        case Answer():
            return replace(part, usage=None, at=None)
        case Returned():
            return replace(part, at=None)
        case _:
            return part


def _fuller(old: Part, new: Part) -> Part:
    """Keep the counts and the time of an answer, which later requests repeat without them."""
    match old, new:
        case Answer(usage=counts, at=at), Answer():
            return replace(new, usage=counts or new.usage, at=new.at if at is None else at)
        case _:
            return old
