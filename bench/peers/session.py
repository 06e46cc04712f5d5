"""A recorded session as the steps that the stand-in model takes and the results that the stand-in tools give.

It is made once from traces, and written to a file of plain JSON that the server
and every driver read.  A driver runs in an environment in which only the package
under test is installed, so this module needs nothing but the standard library;
traces are only read by ``from_traces``.

What a package can take sets the form:

- Names of tools are made identifiers, and arguments objects.
- An answer without a call ends a turn.  At the end of a trace that is what it did; in
  the middle of one it becomes a call of ``speak``, so that the turn goes on.
- Traces that were joined are turns, each opened by its own task.  A trace that ends in
  the middle of its work is closed with a word.
- A call that was only parsed out of a text is made like any other, and the text stays.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workhand.lab.trace import Call as RecordedCall
    from workhand.lab.trace import Trace

SPEAK = "speak"
GO_ON = "Go on."
NO_RESULT = "No result was recorded."
LAST_WORDS = "The task is done."


@dataclass(frozen=True, slots=True)
class Call:
    tool: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True, slots=True)
class Step:
    text: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    task: str
    steps: tuple[Step, ...]  # the last one makes no call


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    system: str
    turns: tuple[Turn, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for turn in self.turns for step in turn.steps)

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        """Give a JSON schema for the arguments of each tool, as far as the recording shows them."""
        seen: dict[str, dict[str, set[str]]] = {}
        for call in (call for step in self.steps for call in step.calls):
            types = seen.setdefault(call.tool, {})
            for key, value in call.arguments.items():
                types.setdefault(key, set()).add(_json_type(value))
        return {
            tool: {
                "type": "object",
                "properties": {key: _schema(types[key]) for key in sorted(types)},
                "additionalProperties": True,
            }
            for tool, types in sorted(seen.items())
        }


def described(tool: str) -> str:
    """Give the description of a stand-in tool: nobody recorded the real one."""
    return f"Do what {tool.replace('_', ' ')} says."


class Results:
    """The recorded results: each is given once, to the call it belongs to as far as that can be told."""

    def __init__(self, session: Session) -> None:
        self._left = [call for step in session.steps for call in step.calls]
        self._lock = threading.Lock()

    def give(self, tool: str, arguments: dict[str, Any]) -> str:
        """Give the first result left for these arguments, or else for this tool."""
        with self._lock:
            same_tool = [call for call in self._left if call.tool == tool]
            same_call = [call for call in same_tool if call.arguments == arguments]
            if not same_tool:
                return NO_RESULT
            found = (same_call or same_tool)[0]
            self._left = [call for call in self._left if call is not found]
            return found.result


def write(session: Session, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(session), ensure_ascii=False), "utf-8")


def read(path: Path) -> Session:
    held = json.loads(path.read_text("utf-8"))
    turns = tuple(Turn(turn["task"], tuple(_step(step) for step in turn["steps"])) for turn in held["turns"])
    return Session(held["id"], held["system"], turns)


def _step(held: dict[str, Any]) -> Step:
    return Step(held["text"], tuple(Call(**call) for call in held["calls"]))


def from_traces(id: str, traces: Iterable[Trace]) -> Session:
    """Make one session of traces, each of them a turn; only the system text of the first is kept."""
    from workhand.lab.trace import Said

    listed = list(traces)
    system = [part.text for part in listed[0].parts if isinstance(part, Said) and part.role == "system"]
    return Session(id, "\n\n".join(system), tuple(_turn(trace) for trace in listed))


def _turn(trace: Trace) -> Turn:
    """Turn a trace into steps; what the user said after its last answer is left out."""
    from workhand.lab.trace import Answer, Returned, Said

    results = {part.call: part.text for part in trace.parts if isinstance(part, Returned)}
    said: list[str] = []
    task = ""
    steps: list[Step] = []
    for part in trace.parts:
        match part:
            case Said("user", text):
                said.append(text)
            case Answer(text, calls):
                if steps:
                    steps[-1] = _heard(steps[-1], "\n\n".join(said))
                else:
                    task = "\n\n".join(said)
                said = []
                steps.append(Step(text, tuple(_calls(calls, results))))
    if steps[-1].calls:
        steps.append(Step(LAST_WORDS, ()))
    return Turn(task, tuple(steps))


def _heard(step: Step, text: str) -> Step:
    """Let a turn go on after a step: the model reads what the user said behind the last result."""
    if not step.calls:
        return Step(step.text, (Call(SPEAK, {}, text or GO_ON),))
    *before, last = step.calls
    result = f"{last.result}\n\n{text}" if text else last.result
    return Step(step.text, (*before, Call(last.tool, last.arguments, result)))


def _calls(calls: tuple[RecordedCall, ...], results: dict[str, str]) -> Iterator[Call]:
    for call in calls:
        name = re.sub(r"\W", "_", call.tool, flags=re.ASCII).strip("_")[:60] or "tool"
        yield Call(name if name[0].isalpha() else f"t_{name}", _object(call.arguments), results.get(call.id, NO_RESULT))


def _object(written: str) -> dict[str, Any]:
    try:
        arguments = json.loads(written)
    except ValueError:
        return {"input": written}
    return arguments if isinstance(arguments, dict) else {"input": written}


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _schema(types: set[str]) -> dict[str, Any]:
    match sorted(types):
        case ["array"]:
            return {"type": "array", "items": {}}
        case [one]:
            return {"type": one}
        case _:
            return {}
