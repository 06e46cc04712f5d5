"""The grammar of a mask: every allowed tool, no other, and every string bounded."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.toolset import ALL, NAMES, TOOLS, head
from workhand.core.mask import Mask
from workhand.errors import ConfigError
from workhand.models.grammar import answer_grammar, bounded

PIECE = head()[0]
subsets = st.sets(st.sampled_from(NAMES), min_size=1).map(lambda names: tuple(sorted(names)))


@given(subsets, st.sampled_from(["auto", "required", "specified"]))
def test_the_names_are_those_of_the_mask_and_only_those(names: tuple[str, ...], mode: Any) -> None:
    grammar = answer_grammar(PIECE, Mask(mode, names), 100) or ""
    assert sorted(re.findall(r'\{\\"name\\": \\"(\w+)\\", \\"arguments\\": ', grammar)) == list(names)
    assert ("start: call | text" in grammar) == (mode == "auto")


@given(subsets)
def test_the_grammar_is_a_function_of_the_mask(names: tuple[str, ...]) -> None:
    mask = Mask("specified", names)
    assert answer_grammar(PIECE, mask, 100) == answer_grammar(bytes(PIECE), Mask("specified", tuple(names)), 100)


def test_where_nothing_is_allowed_words_are_or_it_is_a_mistake() -> None:
    assert answer_grammar(PIECE, Mask("auto", ()), 100) is None
    with pytest.raises(ConfigError, match="allows none"):
        answer_grammar(PIECE, Mask("specified", ("unknown_tool",)), 100)


def test_every_tool_of_the_list_is_bounded() -> None:
    for tool in TOOLS:
        parameters = tool["parameters"]
        assert isinstance(parameters, dict)
        assert unbounded(bounded(parameters, 80)) == []


def test_required_arguments_come_first_and_in_their_authors_order() -> None:
    schema = bounded({"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c", "b"]}, 80)
    assert list(schema["properties"] or ()) == ["c", "b", "a"]  # type: ignore[arg-type]  # an object


BOUNDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "string"}, {"type": "string", "maxLength": 80}),
    ({"type": "string", "maxLength": 5_000}, {"type": "string", "maxLength": 80}),
    ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 5}),
    ({"type": "string", "minLength": 200}, {"type": "string", "minLength": 200, "maxLength": 200}),
    ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ({"type": "string", "format": "uri", "pattern": "(?=x)"}, {"type": "string", "maxLength": 80}),
    ({"type": ["string", "null"]}, {"type": ["string", "null"], "maxLength": 80}),
    ({"type": "array", "items": {"type": "null"}}, {"type": "array", "items": {"type": "null"}, "maxItems": 4}),
    (
        {"type": "array", "minItems": 6, "items": {"type": "string"}},
        {"type": "array", "minItems": 6, "maxItems": 6, "items": {"type": "string", "maxLength": 20}},
    ),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}),
    ({"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string", "maxLength": 80}]}),
    ({"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}),
]


@pytest.mark.parametrize(("schema", "bound"), BOUNDS)
def test_a_schema_keeps_what_compiles_and_is_bounded(schema: Any, bound: Any) -> None:
    properties: Any = bounded({"properties": {"x": schema}}, 80)["properties"]
    assert properties["x"] == bound


def unbounded(schema: Any) -> list[Any]:
    """Give the parts of a schema that could go on for ever."""
    if not isinstance(schema, dict):
        return []
    found = [schema] if schema.get("type") == "string" and "maxLength" not in schema else []
    found += [schema] if schema.get("type") == "array" and "maxItems" not in schema else []
    found += [schema] if schema.get("type") == "object" and schema.get("additionalProperties") is not False else []
    parts = [*schema.get("properties", {}).values(), schema.get("items")]
    return found + [each for part in parts for each in unbounded(part)]


def test_a_grammar_is_one_line_for_each_rule() -> None:
    lines = (answer_grammar(PIECE, ALL, 100) or "").splitlines()
    assert lines[:2] == ["%llguidance {}", "start: call"]
    assert len(lines) == 3 + 2 * len(NAMES)
    schemas = [json.loads(line.split("%json ", 1)[1]) for line in lines if "%json " in line]
    assert [schema["type"] for schema in schemas] == ["object"] * len(NAMES)
