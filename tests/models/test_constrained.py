"""Answers that follow a schema: from a decoder that keeps to it, and from models that have to be told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from tests.models.toolset import head, prompt, said, unwatched
from workhand.core.canonical import Json
from workhand.core.events import ModelAnswered, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Watch
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, MalformedAnswer
from workhand.models.constrained import answer_in
from workhand.models.local import LocalModel

pytestmark = pytest.mark.anyio

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "kind": {"enum": ["town", "village"]}},
        "required": ["city", "kind"],
        "additionalProperties": False,
    }
)
GOOD: Json = {"city": "Ulm", "kind": "town"}
PROMPT = prompt(*head(), said("Where is the minster?"), tail="Goal: know it.", answer_tokens_max=60)


@dataclass
class Says:
    """A model that says what it is told to, one text after the other."""

    texts: list[str]
    asked: list[tuple[Prompt, Mask, str | None]] = field(default_factory=list)

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered:
        self.asked.append((prompt, mask, schema))
        text = self.texts[len(self.asked) - 1]
        return ModelAnswered(text, (), Usage(10, output_tokens=1), "says", prompt.size, "", opaque='{"says":1}')


@pytest.mark.parametrize(
    "text",
    [json.dumps(GOOD), f"```json\n{json.dumps(GOOD)}\n```", f"{json.dumps(GOOD)}\nThat is it.", str(GOOD)],
    ids=["bare", "fenced", "with words behind it", "in the spelling of Python"],
)
async def test_the_value_is_given(text: str) -> None:
    result = await answer_in(SCHEMA, Says([text]), PROMPT, session="s", watch=unwatched)
    assert (result.value, len(result.answers)) == (GOOD, 1)


async def test_the_model_is_told_the_schema_without_a_call_in_view() -> None:
    model = Says([json.dumps(GOOD)])
    await answer_in(SCHEMA, model, PROMPT, session="s", watch=unwatched)
    ((asked, mask, schema),) = model.asked
    assert (asked.body, mask, schema) == (PROMPT.body, Mask("auto", ()), SCHEMA)
    assert asked.tail.startswith("Goal: know it.\nAnswer with nothing but JSON") and asked.tail.endswith(SCHEMA)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("In Ulm.", "it is not JSON"),
        ('{"city": "Ulm"}', "at $: 'kind' is a required property"),
        ('{"city": "Ulm", "kind": "city"}', "at $.kind: 'city' is not one of ['town', 'village']"),
        ("[]", "at $: [] is not of type 'object'"),
        ('{"city": "Ulm", "kind"', "it is not JSON"),
    ],
)
async def test_a_wrong_answer_is_shown_with_its_fault_behind_what_was_asked(text: str, fault: str) -> None:
    model = Says([text, json.dumps(GOOD)])
    result = await answer_in(SCHEMA, model, PROMPT, session="s", watch=unwatched)
    assert (result.value, [answer.text for answer in result.answers]) == (GOOD, [text, json.dumps(GOOD)])
    again = model.asked[1][0]
    assert again.body[: len(PROMPT.body)] == PROMPT.body and again.tail == model.asked[0][0].tail
    answered, told = (json.loads(piece) for piece in again.body[len(PROMPT.body) :])
    assert (answered["text"], answered["opaque"]) == (text, '{"says":1}')
    assert f"does not follow the schema: {fault}." in told["text"]


async def test_after_the_last_attempt_the_fault_is_raised() -> None:
    model = Says(["no"] * 5)
    with pytest.raises(MalformedAnswer, match="in 2 answers; the last one: it is not JSON"):
        await answer_in(SCHEMA, model, PROMPT, session="s", watch=unwatched, attempts_max=2)
    assert len(model.asked) == 2


@pytest.mark.parametrize("schema", ["{", '{"type": "thing"}', "[]"])
async def test_what_is_no_schema_is_refused_before_anybody_is_asked(schema: str) -> None:
    model = Says([])
    with pytest.raises(ConfigError, match="is no JSON Schema"):
        await answer_in(schema, model, PROMPT, session="s", watch=unwatched)
    assert model.asked == []


async def test_the_embedded_model_cannot_leave_the_schema(local: LocalModel) -> None:
    result = await answer_in(SCHEMA, local, PROMPT, session="constrained", watch=unwatched, attempts_max=1)
    assert isinstance(result.value, dict) and set(result.value) == {"city", "kind"}
    assert result.value["kind"] in ("town", "village")
