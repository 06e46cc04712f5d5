"""Any event there can be, derived from the types themselves: a kind that is added is tested at once."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from workhand.core.events import FORMAT, Event, SessionStarted

_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),  # never a lone surrogate
    int: st.integers(0, 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}


def events() -> st.SearchStrategy[Event]:
    return st.one_of([of(kind) for kind in get_args(Event)])


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Give values of a type, as far as events need types."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of([of(each) for each in get_args(kind)])
    if get_origin(kind) is tuple:
        if get_args(kind)[-1] is not Ellipsis:
            return st.tuples(*map(of, get_args(kind)))
        return st.lists(of(get_args(kind)[0]), max_size=3).map(tuple)
    assert is_dataclass(kind) and isinstance(kind, type), kind
    hints = get_type_hints(kind)
    known = {"format": st.just(FORMAT)} if kind is SessionStarted else {}
    return st.builds(kind, **{each.name: known.get(each.name, of(hints[each.name])) for each in fields(kind)})
