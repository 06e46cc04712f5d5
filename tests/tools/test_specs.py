"""The tools as the model sees them: their bytes, their size, and that they are what the functions take."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import get_type_hints

import pytest
from jsonschema import Draft202012Validator

from tests.tools.make_golden import HEADER, header
from workhand.core.canonical import encode
from workhand.core.events import ToolCall
from workhand.core.plan import TOOL
from workhand.core.policy import ToolSpec
from workhand.tools.arguments import KINDS, read_arguments
from workhand.tools.file import FileRead
from workhand.tools.message import MessageResult
from workhand.tools.shell import ShellRun
from workhand.tools.specs import specs

HEADER_TOKENS_MAX = 2_500
BYTES_PER_TOKEN_MIN = 3.5
"""Lower than any measured on this header, so that the estimate is higher than the truth: SmolLM2 has 3.8."""

SPECS = {spec.name: spec for spec in specs()}
TYPES = {str: "string", int: "integer", bool: "boolean", tuple[str, ...]: "array"}
FAMILIES = {"plan", "message", "file", "shell", "browser", "search"}


def test_the_header_of_every_prompt_is_the_golden_one() -> None:
    assert header() == HEADER.read_bytes()


def test_the_header_of_every_prompt_is_short() -> None:
    assert len(header()) / BYTES_PER_TOKEN_MIN <= HEADER_TOKENS_MAX


def test_every_tool_has_a_function_but_the_one_that_the_core_answers() -> None:
    assert set(KINDS) == set(SPECS) - {TOOL}


def test_every_tool_is_named_by_its_family() -> None:
    assert {name.partition("_")[0] for name in SPECS} == FAMILIES


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_schema_is_valid_canonical_and_closed(spec: ToolSpec) -> None:
    schema = json.loads(spec.parameters)
    Draft202012Validator.check_schema(schema)
    assert encode(schema).decode() == spec.parameters
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)


@pytest.mark.parametrize("name", KINDS)
def test_a_schema_says_what_the_function_takes(name: str) -> None:
    schema, kind = json.loads(SPECS[name].parameters), KINDS[name]
    hints = get_type_hints(kind)
    assert {field: value["type"] for field, value in schema["properties"].items()} == {
        each.name: TYPES[hints[each.name]] for each in fields(kind)
    }
    assert set(schema.get("required", [])) == {each.name for each in fields(kind) if each.default is MISSING}


@pytest.mark.parametrize("name", KINDS)
def test_a_default_that_is_described_is_the_one_that_holds(name: str) -> None:
    described = {
        field: value["description"].rpartition("default ")[2]
        for field, value in json.loads(SPECS[name].parameters)["properties"].items()
        if "default " in value.get("description", "")
    }
    defaults = {each.name: str(each.default) for each in fields(KINDS[name]) if each.name in described}
    assert {field: words for field, words in described.items() if words != "all files"} == {
        field: words for field, words in defaults.items() if words
    }


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("file_read", "{}", "arguments: 'path' is a required property"),
        ("file_read", '{"path":1}', "path: 1 is not of type 'string'"),
        ("file_read", '{"offset":"1","path":"a"}', "offset: '1' is not of type 'integer'"),
        ("file_read", '{"limit":1.5,"path":"a"}', "limit: 1.5 is not of type 'integer'"),
        ("file_read", '{"limit":0,"path":"a"}', "limit: 0 is less than the minimum of 1"),
        (
            "file_read",
            '{"lines":3,"path":"a"}',
            "arguments: Additional properties are not allowed ('lines' was unexpected)",
        ),
        ("message_result", '{"attachments":[1],"text":"a"}', "attachments.0: 1 is not of type 'string'"),
        (
            "file_edit",
            '{"every":1,"new":"c","old":"b"}',
            "arguments: 'path' is a required property; every: 1 is not of type 'boolean'",
        ),
        ("shell_run", "[]", "arguments: [] is not of type 'object'"),
    ],
)
def test_arguments_that_cannot_be_used_are_explained_in_one_sentence(tool: str, arguments: str, sentence: str) -> None:
    assert read_arguments(ToolCall("c1", tool, arguments)) == f"The arguments of {tool} cannot be used: {sentence}."


@pytest.mark.parametrize(
    "arguments",
    [
        encode({f"wrong{number}": number for number in range(500)}).decode(),
        encode({"path": "x" * 100_000}).decode(),
        encode({"path": "x\n" * 100_000}).decode(),
        encode({"path": ["x" * 100_000]}).decode(),
    ],
    ids=["many unknown names", "a long value", "a value of many lines", "a long value of the wrong type"],
)
def test_however_much_is_wrong_the_sentence_is_short(arguments: str) -> None:
    said = read_arguments(ToolCall("c1", "file_read", arguments))
    assert isinstance(said, str)
    assert "\n" not in said
    assert len(said) < 500


def test_arguments_are_read_into_the_value_that_the_function_takes() -> None:
    attached = '{"attachments":["a","b"],"text":"Here."}'
    assert read_arguments(ToolCall("c1", "message_result", attached)) == MessageResult("Here.", ("a", "b"))
    assert read_arguments(ToolCall("c1", "shell_run", '{"command":"ls"}')) == ShellRun("ls", "main", 60)


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    read = read_arguments(ToolCall("c1", "file_read", '{"offset":2.0,"path":"a"}'))
    assert isinstance(read, FileRead)
    assert isinstance(read.offset, int)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("file_read", '{"limit":-5,"path":"a"}'),
        ("file_read", '{"offset":0,"path":"a"}'),
        ("file_edit", '{"new":"b","old":"","path":"a"}'),
        ("shell_run", '{"command":"x","timeout_s":0}'),
        ("shell_run", '{"command":"x","timeout_s":100000}'),
        ("shell_view", '{"wait_s":-1}'),
    ],
)
def test_what_the_schema_bounds_is_bounded(tool: str, arguments: str) -> None:
    assert isinstance(read_arguments(ToolCall("c1", tool, arguments)), str)
