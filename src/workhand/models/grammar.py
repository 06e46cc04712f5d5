r"""Turn a mask into a grammar that no decoder can leave.

The tool list in the prompt never changes; what may be *chosen* is constrained
while the answer is decoded.  The grammar is llguidance's Lark with the JSON
Schema of each allowed tool embedded, for an answer of exactly this form:

    <tool_call>
    {"name": "file_read", "arguments": {"path": "a.txt"}}
    </tool_call>

Two facts shape it.  llama.cpp *ignores* a grammar that llguidance cannot compile
and decodes freely, so schemas are rebuilt from keywords that are known to compile
(the toolbox checks the others).  And a small model fills whatever it may leave open, so
every string, list and number is bounded, tighter than by its schema if need be.
"""

from __future__ import annotations

import json
from functools import lru_cache

from workhand.core.canonical import Json
from workhand.core.mask import Mask
from workhand.errors import ConfigError
from workhand.models.wire.pieces import definitions, properties

OPENING = "<tool_call>\n"
CLOSING = "\n</tool_call>"

_ITEMS_MAX = 4
_INTEGER_MAX = 1_000_000_000
_KEPT = ("type", "enum", "const", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "$ref")
_COMPACT: dict[str, Json] = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}


@lru_cache(maxsize=256)
def answer_grammar(tools: bytes, mask: Mask, string_chars_max: int) -> str | None:
    """Give the grammar of an answer under ``mask``, or ``None`` where any text is allowed.

    ``tools`` is the first piece of the body.  Raises ``ConfigError`` if a call is required and none is allowed.
    """
    allowed = [tool for tool in definitions(tools) if mask.allows(tool.name)]
    if not allowed:
        if mask.mode == "auto":
            return None
        raise ConfigError(f"The mask {mask!r} allows none of the tools in the prompt; name at least one of them.")
    lines = ["%llguidance {}", "start: call | text" if mask.mode == "auto" else "start: call"]
    lines.append(f"call: {_literal(OPENING)} (" + " | ".join(f"call_{i}" for i in range(len(allowed))) + ")")
    for i, tool in enumerate(allowed):
        opening = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": '
        lines.append(f"call_{i}: {_literal(opening)} arguments_{i} {_literal('}' + CLOSING)}")
        lines.append(f"arguments_{i}: %json {json.dumps(bounded(tool.parameters, string_chars_max))}")
    if mask.mode == "auto":
        lines.append(r"text: /[^<](.|\n)*/")
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=64)
def schema_grammar(schema: str, string_chars_max: int) -> str:
    """Give the grammar of JSON that follows ``schema``, the text of a JSON Schema."""
    stated: dict[str, Json] = _bounded(json.loads(schema), string_chars_max)
    return f"%llguidance {{}}\nstart: value\nvalue: %json {json.dumps({**stated, 'x-guidance': dict(_COMPACT)})}\n"


def bounded(parameters: dict[str, Json], string_chars_max: int) -> dict[str, Json]:
    """Give a schema of arguments that compiles and whose answers end."""
    schema = _bounded({**parameters, "type": "object"}, string_chars_max)
    return {**schema, "x-guidance": dict(_COMPACT)}


def _bounded(schema: dict[str, Json], chars: int) -> dict[str, Json]:
    kept: dict[str, Json] = {key: schema[key] for key in _KEPT if key in schema}
    for key in ("anyOf", "oneOf"):
        if isinstance(branches := schema.get(key), list):
            kept["anyOf"] = [_bounded(each, chars) for each in branches if isinstance(each, dict)]
    for key in ("$defs", "definitions"):
        if isinstance(named := schema.get(key), dict):
            kept[key] = {name: _bounded(each, chars) for name, each in named.items() if isinstance(each, dict)}
    types = schema.get("type")
    for kind in types if isinstance(types, list) else [types]:
        match kind:
            case "string" if "enum" not in kept and "const" not in kept:
                kept["maxLength"] = _within(chars, kept.get("minLength"), kept.get("maxLength"))
            case "integer" | "number":
                kept["maximum"] = _within(_INTEGER_MAX, kept.get("minimum"), kept.get("maximum"))
                kept.setdefault("minimum", -_INTEGER_MAX)
            case "array":
                kept["maxItems"] = _within(_ITEMS_MAX, kept.get("minItems"), kept.get("maxItems"))
                if isinstance(each := schema.get("items"), dict):
                    kept["items"] = _bounded(each, chars // _ITEMS_MAX)
            case "object":
                kept |= _object(schema, chars)
            case _:
                pass
    return kept


def _object(schema: dict[str, Json], chars: int) -> dict[str, Json]:
    named: dict[str, Json] = {
        name: _bounded(each, chars) if isinstance(each, dict) else each for name, each in properties(schema)
    }
    rest, required = schema.get("additionalProperties"), schema.get("required")
    return {
        "properties": named,
        "required": [name for name in required if name in named] if isinstance(required, list) else [],
        "additionalProperties": _bounded(rest, chars) if isinstance(rest, dict) else False,
    }


def _within(bound: int, least: Json, most: Json) -> Json:
    """Keep a bound of ours within those of the schema: no grammar may be impossible, or allow more."""
    at_most = min(bound, most) if isinstance(most, int | float) else bound
    return max(at_most, least) if isinstance(least, int | float) else at_most


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
