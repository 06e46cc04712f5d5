"""Ask a model for JSON that follows a schema, and get nothing else.

Where the provider can decode under a schema, or the decoder is ours, it does;
everywhere the answer is checked, and a wrong one is shown to the model with
what is wrong, a few times.  The question only grows, so a cache serves it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Protocol

from workhand.core import canonical
from workhand.core.canonical import Json
from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask
from workhand.core.ports import Watch
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, MalformedAnswer
from workhand.models.wire.arguments import value_in

ASKED = "Answer with nothing but JSON that follows this JSON Schema: "
REPAIR = "That does not follow the schema: {fault}. Answer again with the whole JSON, and nothing else."
WORDS = Mask("auto", ())  # no call is wanted
FAULT_CHARS_MAX = 300


class ConstrainedModel(Protocol):
    """A ``Model`` that can be told a schema.  It may be better at it or worse: the answer is checked."""

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered: ...


@dataclass(frozen=True, slots=True)
class Result:
    value: Json
    answers: tuple[ModelAnswered, ...]  # all that were needed, the last one good: each has its usage


async def answer_in(
    schema: str, model: ConstrainedModel, prompt: Prompt, *, session: str, watch: Watch, attempts_max: int = 3
) -> Result:
    """Ask for JSON that follows ``schema``, the text of a JSON Schema (draft 2020-12), behind what ``prompt`` asks.

    Raises ``ConfigError`` if the schema is none, ``MalformedAnswer`` if no attempt gave what was
    asked, and whatever the model raises.
    """
    check = _checker(schema)
    asked = replace(prompt, tail="\n".join(filter(None, (prompt.tail, ASKED + schema))))
    answers: list[ModelAnswered] = []
    fault = ""
    while len(answers) < attempts_max:
        answer = await model.answer(asked, WORDS, session=session, watch=watch, schema=schema)
        answers.append(answer)
        value, fault = check(answer.text)
        if not fault:
            return Result(value, tuple(answers))
        asked = replace(asked, body=(*asked.body, *_shown(answer, fault)))
    raise MalformedAnswer(f"The model did not follow the schema in {attempts_max} answers; the last one: {fault}.")


def _shown(answer: ModelAnswered, fault: str) -> tuple[bytes, bytes]:
    """Give a wrong answer, and what is wrong with it, as pieces that are appended to the prompt."""
    block: dict[str, object] = {"calls": [], "role": "assistant", "text": answer.text}
    said = {"role": "user", "text": f"[notice] {REPAIR.format(fault=fault)}"}
    return canonical.encode(block if answer.opaque is None else block | {"opaque": answer.opaque}), canonical.encode(
        said
    )


class _Check(Protocol):
    def __call__(self, text: str) -> tuple[Json, str]:
        """Give the value in a text, and what is wrong with it."""
        ...


def _checker(schema: str) -> _Check:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match

    try:
        stated = json.loads(schema)
        Draft202012Validator.check_schema(stated)
    except (ValueError, SchemaError) as error:
        raise ConfigError(f"The schema {schema[:80]!r} is no JSON Schema: {str(error)[:FAULT_CHARS_MAX]}.") from error
    validator = Draft202012Validator(stated)

    def check(text: str) -> tuple[Json, str]:
        try:
            value = value_in(text)
        except ValueError:
            return None, "it is not JSON"
        wrong = best_match(validator.iter_errors(value))
        return value, f"at {wrong.json_path}: {wrong.message[:FAULT_CHARS_MAX]}" if wrong else ""

    return check
