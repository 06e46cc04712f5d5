"""Whether a value follows the types that a vendor publishes for its requests, and has no field that they lack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict


def problem(value: object, form: Any, at: str = "$") -> str:
    """Say where a value departs from a type; nothing if it follows it."""
    origin, inner = get_origin(form), get_args(form)
    if is_typeddict(form):
        return _fields(value, form, at)
    if form in (Any, object):
        return ""
    if origin in (Required, Annotated):
        return problem(value, inner[0], at)
    if origin in (Union, UnionType):
        return _any(value, inner, at)
    if origin is Literal:
        return "" if value in inner else f"{at}: {value!r} is none of {inner}"
    if origin in (list, Iterable, Sequence):
        if not isinstance(value, list):
            return f"{at}: {type(value).__name__} is no list"
        return next(filter(None, (problem(each, inner[0], f"{at}[{i}]") for i, each in enumerate(value))), "")
    if origin in (dict, Mapping):
        return "" if isinstance(value, dict) else f"{at}: {type(value).__name__} is no object"
    return "" if type(value) is form or (form in (None, NoneType) and value is None) else f"{at}: no {form}"


def _fields(value: object, form: Any, at: str) -> str:
    if not isinstance(value, dict):
        return f"{at}: {type(value).__name__} is no object"
    hints = _hints(form)
    unknown = sorted(value.keys() - hints.keys())
    missing = sorted(key for key, hint in hints.items() if get_origin(hint) is Required and key not in value)
    if unknown or missing:
        return f"{at}: {form.__name__} has no {unknown} and needs {missing}"
    return next(filter(None, (problem(each, hints[key], f"{at}.{key}") for key, each in value.items())), "")


def _any(value: object, forms: tuple[Any, ...], at: str) -> str:
    """Try each form; of the problems show the deepest."""
    problems = [problem(value, form, at) for form in forms]
    return "" if "" in problems else max(problems, key=lambda each: each.count(".") + each.count("["))


@cache
def _hints(form: Any) -> dict[str, Any]:
    return get_type_hints(form, include_extras=True)
