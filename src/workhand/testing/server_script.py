"""What a server says and when it fails, from a file of one JSON object a line.

    {"tool": "file_read", "arguments": {"path": "a.txt"}, "text": "Looking."}   a call; ``text`` may be left out
    {"text": "Done."}                                                            words only
    {"error": "unavailable", "retry_s": 2}            happens once, before the answer of the line that follows

Errors are ``malformed``, ``overflow``, ``refused`` and ``unavailable``; only the last takes ``retry_s``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workhand.errors import ConfigError
from workhand.testing.model import Say


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens once instead of the answer that follows in the script."""

    kind: Literal["malformed", "overflow", "refused", "unavailable"]
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
    """Read a script.  Raises ``ConfigError`` with the line that cannot be used."""
    script: list[Say | Fault] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            stated = json.loads(line or "null")
        except ValueError as error:
            raise ConfigError(f"The script {str(path)!r} has the line {line!r}, which is not JSON: {error}.") from error
        match stated:
            case None:
                continue
            case {"error": "unavailable", "retry_s": int() | float() as retry_s}:
                script.append(Fault("unavailable", retry_s))
            case {"error": "malformed" | "overflow" | "refused" | "unavailable" as kind}:
                script.append(Fault(kind))
            case {"text": str()} | {"tool": str()} as turn:
                script.append(Say(turn.get("tool", ""), turn.get("arguments", {}), turn.get("text", "")))
            case _:
                raise ConfigError(f"The script {str(path)!r} has the line {line!r}; write a tool, a text or an error.")
    return script
