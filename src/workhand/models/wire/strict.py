"""Whether a JSON Schema may be sent as a strict one.

OpenAI decodes under a schema exactly only where each object names all its properties
as required and allows no others (OpenAI, "Structured Outputs", supported schemas); it
refuses a request that says otherwise.
"""

from __future__ import annotations

from workhand.core.canonical import Json


def is_strict(schema: Json) -> bool:
    """Say whether every object in a schema is closed, with all its properties required."""
    if not isinstance(schema, dict):
        return True
    named, required = schema.get("properties"), schema.get("required")
    if isinstance(named, dict):
        closed = schema.get("additionalProperties") is False
        whole = isinstance(required, list) and set(named) == {str(each) for each in required}
        return closed and whole and all(map(is_strict, named.values())) and _is_strict_below(schema)
    return schema.get("type") != "object" and _is_strict_below(schema)


def _is_strict_below(schema: dict[str, Json]) -> bool:
    below: list[Json] = [schema[key] for key in ("items", "not") if key in schema]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        branches = schema.get(key)
        below += branches if isinstance(branches, list) else []
    for key in ("$defs", "definitions"):
        named = schema.get(key)
        below += named.values() if isinstance(named, dict) else []
    return all(map(is_strict, below))
