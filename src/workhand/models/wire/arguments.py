"""Read the arguments that a model wrote, as they are or nearly so.

Repairs only what cannot change the meaning: a code fence around the object,
words behind it, Python's spelling of literals.  A broken-off object is never
closed: what was lost could have been the point.  What cannot be read stays
visible, so that the model can be told what it wrote.
"""

from __future__ import annotations

import ast
import json
import math
import re
from typing import Any

from workhand.core.canonical import Json, encode

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL)


def arguments_text(raw: str) -> str:
    """Give the canonical JSON of the object in ``raw``, or of ``{"_malformed": raw}``."""
    try:
        value = value_in(raw.strip() or "{}")
        if isinstance(value, dict):
            return encode(value).decode()
    except (ValueError, TypeError):  # also what has no canonical form
        pass
    return encode({"_malformed": well_formed(raw)}).decode()


def value_in(raw: str) -> Json:
    """Give the value that a model wrote as JSON, or nearly so.  Raises ``ValueError`` if there is none."""
    fenced = _FENCED.match(raw)
    text = (fenced[1] if fenced else raw).strip()
    for read in (_json, _python):
        try:
            value: Json = read(text)
            encode(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        return value
    raise ValueError("there is no JSON value in the text")


def well_formed(text: str) -> str:
    """Join surrogate pairs that were streamed apart, and replace halves that have no other."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sound(value: Any) -> Any:
    """Give a value as it is, but for what has no canonical form: halves of surrogate pairs, and no numbers."""
    match value:
        case str():
            return well_formed(value)
        case float() if not math.isfinite(value):
            return None
        case list():
            return [sound(each) for each in value]
        case dict():
            return {well_formed(key): sound(each) for key, each in value.items()}
        case _:
            return value


def _json(text: str) -> Json:
    """Read the JSON value that ``text`` starts with."""
    value: Json = json.JSONDecoder(strict=False).raw_decode(text)[0]
    return value


def _python(text: str) -> Json:
    value: Json = ast.literal_eval(text)
    return value
