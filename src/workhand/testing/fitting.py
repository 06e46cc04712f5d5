"""Make up a value that follows a JSON Schema: what a constrained decoder would be held to."""

from __future__ import annotations

from typing import Any

from workhand.core.canonical import Json


def fitting(schema: Any, root: Any = None) -> Json:
    """Give a small value that follows a schema; patterns and formats are not read."""
    root = schema if root is None else root
    match schema:
        case {"const": value} | {"enum": [value, *_]}:
            found: Json = value
            return found
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return fitting(first, root)
        case {"$ref": str(place)}:
            named: Any = root
            for step in place.split("/")[1:]:
                named = named[step]
            return fitting(named, root)
        case {"type": [kind, *_]}:
            return fitting({**schema, "type": kind}, root)
        case {"type": "object", "properties": dict(properties)}:
            required = schema.get("required")
            return {name: fitting(properties[name], root) for name in required} if isinstance(required, list) else {}
        case {"type": "array"}:
            few = schema.get("minItems")
            return [fitting(schema.get("items"), root)] * (few if isinstance(few, int) else 0)
        case {"type": "string"}:
            short = schema.get("minLength")
            return "x" * (short if isinstance(short, int) else 1)
        case {"type": "integer" | "number"}:
            least: Json = max(0, schema.get("minimum", 0))
            return least
        case {"type": "boolean"}:
            return False
        case {"type": "null"}:
            return None
        case _:
            return {}
