"""What a server says and when it fails: answers and faults in the order of a script.

A script's file has the form of ``workhand.models.script``; an error in it happens once, before the answer
of the line that follows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workhand.core.events import ToolCall
from workhand.models.script import ErrorName, read_steps
from workhand.testing.model import Say


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens once instead of the answer that follows in the script."""

    kind: ErrorName
    retry_s: float | None = None  # what a client is asked to wait, if it is unavailable


class Script:
    """Answers by their number in a session, and faults, which happen once each."""

    def __init__(self, turns: Sequence[Say | Fault]) -> None:
        self._answers: list[Say] = []
        self._faults: dict[int, list[Fault]] = {}  # by the number of the answer that follows
        self._happened: Counter[int] = Counter()
        for turn in turns:
            if isinstance(turn, Fault):
                self._faults.setdefault(len(self._answers), []).append(turn)
            else:
                self._answers.append(turn)

    def answer(self, number: int) -> Say | None:
        return self._answers[number] if number < len(self._answers) else None

    def fault(self, number: int) -> Fault | None:
        """Give what happens now instead of an answer."""
        faults = self._faults.get(number, ())
        if self._happened[number] == len(faults):
            return None
        self._happened[number] += 1
        return faults[self._happened[number] - 1]


def read_script(path: Path) -> list[Say | Fault]:
    """Read a script of ``workhand.models.script``.  Raises ``ConfigError`` with the line that cannot be used."""
    script: list[Say | Fault] = []
    for step in read_steps(path):
        script += map(Fault, step.errors)
        if step.answer is not None:
            called = step.answer.calls[0] if step.answer.calls else ToolCall("", "", "{}")
            script.append(Say(called.tool, json.loads(called.arguments), step.answer.text))
    return script
