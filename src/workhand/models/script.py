"""A model that reads its answers from a file: for demonstrations, tests and measurements.

Each line of the file is a JSON object, in the order of the answers:

    {"tool": "file_read", "arguments": {"path": "a.txt"}, "text": "Looking."}   a call; ``text`` may be left out
    {"text": "Done."}                                                            words only
    {"error": "unavailable"}                          raised once, before the answer of the line that follows

``"repeat": N`` gives an answer, or raises an error, N times; in an answer's text and string arguments
``{i}`` is then its running number, from 1.  Errors are ``malformed``, ``overflow``, ``refused`` and
``unavailable``.  Empty lines, and lines that start with ``#``, are skipped.

A summary that is asked for is answered with one that says nothing but the goals, in the form that is asked for.
Which answer comes next is counted in the prompt: one for each answer of the model in it.  So a
session goes on where it was after a restart, and a fork answers as its parent would have.
Token counts are estimates, four bytes a token; as cached counts what the session's last prompt began with.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

from workhand.core.canonical import Json, digest, encode
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta, Watch
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelError, ModelRefused, ModelUnavailable

_REPEAT_MAX = 100_000
_KEYS = frozenset({"tool", "arguments", "text", "error", "repeat"})
ErrorName: TypeAlias = Literal["malformed", "overflow", "refused", "unavailable"]
_ERRORS = get_args(ErrorName)


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What is raised, once each, and then answered; there is no answer behind a script's last error."""

    errors: tuple[ErrorName, ...]
    answer: Answer | None


class ScriptModel:
    """A ``Model`` that gives the answers of a script, whatever it is asked."""

    def __init__(self, name: str, steps: tuple[Step, ...]) -> None:
        self.name = name
        self._steps = steps
        self._raised: Counter[tuple[str, int]] = Counter()
        self._bodies: dict[str, tuple[bytes, ...]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._bodies.clear()

    async def window(self) -> int | None:
        """Tell no context window: a script has none."""
        return None

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered:
        if not mask.tools:
            return self._summary(prompt, session)
        index = prompt.answers
        step = self._steps[index] if index < len(self._steps) else Step((), None)
        raised = self._raised[session, index]
        if raised < len(step.errors):
            self._raised[session, index] += 1
            raise _error(step.errors[raised], prompt)
        if step.answer is None:
            raise ModelRefused(f"The script {self.name!r} ends after {index} answers; add a line to it.")
        for call in step.answer.calls:
            watch(Delta("call", f"{call.tool} {call.arguments}"))
        if step.answer.text:
            watch(Delta("text", step.answer.text))
        return ModelAnswered(
            text=step.answer.text,
            calls=step.answer.calls,
            usage=self._usage(prompt, step.answer, session),
            model=f"script:{self.name}",
            prompt_bytes=prompt.size,
            prompt_digest=digest(b"".join(prompt.body)),
        )

    def _summary(self, prompt: Prompt, session: str) -> ModelAnswered:
        """Write the shortest summary that passes: the open goals, as the instruction lists them."""
        _, _, listed = prompt.tail.partition("Open goals:\n")
        goals: list[Json] = [line.removeprefix("- ") for line in listed.splitlines() if line.startswith("- ")]
        stated: Json = {"goals": goals, "state": f"After {prompt.answers} answers the script goes on."}
        answer = Answer(encode(stated).decode(), ())
        usage = self._usage(prompt, answer, session)
        return ModelAnswered(answer.text, (), usage, f"script:{self.name}", prompt.size, digest(b"".join(prompt.body)))

    def _usage(self, prompt: Prompt, answer: Answer, session: str) -> Usage:
        shared = _shared_bytes(self._bodies.get(session, ()), prompt.body)
        self._bodies[session] = prompt.body
        said = len(answer.text) + sum(len(call.tool) + len(call.arguments) for call in answer.calls)
        return Usage(prompt.size // 4, shared // 4, output_tokens=max(1, said // 4), cost_usd=0.0)


def read_script(path: Path) -> ScriptModel:
    """Read a script into a model of the file's name, as ``read_steps`` does."""
    return ScriptModel(path.name, read_steps(path))


def read_steps(path: Path) -> tuple[Step, ...]:
    """Read a script.  Raises ``ConfigError`` with the number of the line that cannot be used."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The script {str(path)!r} cannot be read ({error}); give the path of a text file."
        ) from error
    steps: list[Step] = []
    errors: tuple[ErrorName, ...] = ()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        block, repeat = _line(line, f"Line {number} of the script {str(path)!r}")
        if "error" in block:
            errors += (block["error"],) * repeat
            continue
        for i in range(1, repeat + 1):
            steps.append(Step(errors, _answer(block, i)))
            errors = ()
    if errors:
        steps.append(Step(errors, None))
    return tuple(steps)


def _line(line: str, where: str) -> tuple[dict[str, Any], int]:
    try:
        block = json.loads(line)
        encode(block)
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON ({error}); write one object a line.") from error
    if not isinstance(block, dict) or not block.keys() <= _KEYS or not block.keys() & {"tool", "text", "error"}:
        raise ConfigError(f"{where} is {line!r}; write an object with a tool, a text or an error.")
    repeat = block.get("repeat", 1)
    if not isinstance(repeat, int) or not 1 <= repeat <= _REPEAT_MAX:
        raise ConfigError(f"{where} repeats {repeat!r} times; write a number from 1 to {_REPEAT_MAX}.")
    if "error" in block and block["error"] not in _ERRORS:
        raise ConfigError(f"{where} names the error {block['error']!r}; there are {', '.join(_ERRORS)}.")
    shapes = (("tool", str), ("text", str), ("arguments", dict))
    wrong = next((key for key, kind in shapes if key in block and not isinstance(block[key], kind)), None)
    if wrong:
        raise ConfigError(f"{where} has {wrong} {block[wrong]!r}; tool and text are strings, arguments an object.")
    return block, repeat


def _answer(block: dict[str, Any], i: int) -> Answer:
    text, arguments = block.get("text", ""), block.get("arguments", {})
    if "repeat" in block:
        text, arguments = text.replace("{i}", str(i)), _numbered(arguments, i)
    return Answer(text, (ToolCall("", block["tool"], encode(arguments).decode()),) if "tool" in block else ())


def _numbered(value: Json, i: int) -> Json:
    match value:
        case str():
            return value.replace("{i}", str(i))
        case list():
            return [_numbered(each, i) for each in value]
        case dict():
            return {key: _numbered(each, i) for key, each in value.items()}
        case _:
            return value


def _error(name: str, prompt: Prompt) -> ModelError:
    match name:
        case "unavailable":
            return ModelUnavailable("The script says that the model is unavailable.")
        case "overflow":
            return ContextOverflow(prompt.size // 4, None)
        case "malformed":
            return MalformedAnswer("The script says that the answer is malformed.")
        case _:
            return ModelRefused("The script says that the model refuses.")


def _shared_bytes(before: tuple[bytes, ...], after: tuple[bytes, ...]) -> int:
    """Count the bytes with which both bodies begin."""
    shared = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            return shared + next(
                (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
            )
        shared += len(new)
    return shared
