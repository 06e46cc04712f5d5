"""The mask of servers that decode under a structural tag, and which schemas are strict."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from tests.models.toolset import ALL, NAMES, TOOLS, head, only, prompt, said
from workhand.core.canonical import Json
from workhand.core.mask import Mask
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import OpenAIChat
from workhand.models.wire.strict import is_strict

PROMPT = prompt(*head(), said("Read a.txt."))
MASKS = [ALL, only("file_read"), only("file_read", "file_find"), Mask("auto", NAMES), Mask("auto", ("shell_run",))]


def sent(server: Literal["vllm", "sglang"], mask: Mask) -> dict[str, Any]:
    dialect = OpenAIChat(Server("openai-chat", "http://127.0.0.1:1/v1", "m"), form="native", tagged=server)
    asked: dict[str, Any] = json.loads(dialect.request(PROMPT, mask, session="s").body)
    return asked


@pytest.mark.parametrize("mask", MASKS)
def test_the_tag_lets_just_the_allowed_calls_through(mask: Mask) -> None:
    tag = json.loads(sent("vllm", mask)["structured_outputs"]["structural_tag"])
    tags = tag["format"]["tags"]
    names = [json.loads(each["begin"].removeprefix("<tool_call>\n") + "{}}")["name"] for each in tags]
    assert sorted(names) == sorted(mask.tools)
    assert tag["format"]["at_least_one"] is (mask.mode != "auto")
    assert {tool["name"]: tool["parameters"] for tool in TOOLS if tool["name"] in names} == {
        name: each["content"]["json_schema"] for name, each in zip(names, tags, strict=True)
    }


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("server", "field"), [("vllm", "structured_outputs"), ("sglang", "response_format")])
def test_nothing_but_the_tag_depends_on_the_mask(server: Literal["vllm", "sglang"], field: str, mask: Mask) -> None:
    asked, other = sent(server, mask), sent(server, ALL)
    asked.pop(field), other.pop(field)
    assert asked == other
    assert asked["tool_choice"] == "auto"


def test_both_servers_are_given_the_same_tag() -> None:
    tag = sent("sglang", MASKS[1])["response_format"]
    assert tag == json.loads(sent("vllm", MASKS[1])["structured_outputs"]["structural_tag"])
    assert tag["type"] == "structural_tag"


@pytest.mark.parametrize("server", ["vllm", "sglang"])
def test_where_words_are_wanted_no_tag_is_sent(server: Literal["vllm", "sglang"]) -> None:
    asked = sent(server, Mask("auto", ()))
    assert asked["tool_choice"] == "none" and not {"structured_outputs", "response_format"} & set(asked)


CLOSED: dict[str, Json] = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({**CLOSED, "required": ["a"]}, True),
        (CLOSED, False),
        ({**CLOSED, "required": ["a"], "additionalProperties": True}, False),
        ({"type": "object"}, False),
        ({"type": "array", "items": {**CLOSED, "required": ["a"]}}, True),
        ({"type": "array", "items": CLOSED}, False),
        ({"anyOf": [{"type": "null"}, CLOSED]}, False),
        ({"$defs": {"x": CLOSED}, "$ref": "#/$defs/x"}, False),
        ({"type": "string"}, True),
    ],
)
def test_a_schema_is_strict_where_every_object_is_closed_and_whole(schema: Json, strict: bool) -> None:
    assert is_strict(schema) is strict
