"""Putting a trace together: which recorded call id means which call, and which lines are one answer.

Recorded ids repeat, are empty or are missing.  The first call with an id keeps it,
every other one is given an id of its own.  A result belongs to the open call of its
id in the latest answer that has one, in the order of the calls there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from workhand.core.events import Usage
from workhand.lab.formats.faults import Unfit
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


class Parts:
    """The parts of one trace so far."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._answers: dict[str, int] = {}  # index by key
        self._latest = -1  # index of the latest answer
        self._ids: set[str] = set()
        self._open: list[tuple[int, str, str]] = []  # index of the answer, recorded id, id

    def said(self, role: Literal["system", "user"], text: str, *, resets: bool = False) -> None:
        self._parts.append(Said(role, clean(text), resets))

    def answered(self, text: str, *, key: str = "", usage: Usage | None = None, at: float | None = None) -> None:
        """Add an answer; with the key of an earlier one, add to that."""
        text = clean(text)
        if not key or key not in self._answers:
            self._latest = self._answers[key] = len(self._parts)
            self._parts.append(Answer(text, (), usage, at))
            return
        self._latest = self._answers[key]
        answer = self._answer()
        joined = "\n".join(each for each in (answer.text, text) if each)
        self._parts[self._latest] = Answer(joined, answer.calls, usage or answer.usage, answer.at)

    def billed(self, usage: Usage | None) -> None:
        """State what the latest answer used, unless that is known."""
        if usage is not None and self._latest >= 0 and self._answer().usage is None:
            self._parts[self._latest] = replace(self._answer(), usage=usage)

    def called(self, recorded: object, tool: str, arguments: str, *, in_text: bool = False) -> None:
        """Add a call to the latest answer."""
        if self._latest < 0:
            raise Unfit("no answer of the model comes before this call")
        answer = self._answer()
        id = self._own_id(clean(recorded) if isinstance(recorded, str) else "")
        call = Call(id, clean(tool), clean(arguments), in_text)
        self._parts[self._latest] = replace(answer, calls=(*answer.calls, call))
        self._open.append((self._latest, recorded if isinstance(recorded, str) else "", id))

    def returned(self, recorded: object, text: str, *, ok: bool = True, at: float | None = None) -> None:
        """Add a result to the call it names, or, if it names none, to the first open one of the latest answer."""
        waiting = [each for each in self._open if not recorded or each[1] == recorded]
        if not waiting:
            raise Unfit(f"no open call has the id {recorded!r}" if recorded else "it names no call, and none is open")
        latest = max(each[0] for each in waiting)
        found = next(each for each in waiting if each[0] == latest)
        self._open.remove(found)
        self._parts.append(Returned(found[2], clean(text), ok, at))

    def trace(
        self, id: str, source: str, *, model: str = "", tools: tuple[str, ...] = (), outcome: str = ""
    ) -> tuple[Trace, ...]:
        """Give the trace, if there is anything in it."""
        if not self._parts:
            return ()
        names = tuple(clean(name) for name in tools)
        return (Trace(clean(id), clean(source), tuple(self._parts), clean(model), names, clean(outcome)),)

    def __contains__(self, key: str) -> bool:
        """Tell whether there is an answer with a key."""
        return key in self._answers

    def _answer(self) -> Answer:
        answer = self._parts[self._latest]
        assert isinstance(answer, Answer)
        return answer

    def _own_id(self, recorded: str) -> str:
        id, number = recorded, len(self._ids)
        while not id or id in self._ids:
            number += 1
            id = f"{recorded}~{number}"
        self._ids.add(id)
        return id
