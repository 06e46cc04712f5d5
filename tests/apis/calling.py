"""Import every module of an API, and call what can be called without a body: a program for the machine.

It says in JSON how many modules there are, and what each call came to.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import pkgutil
import sys
import typing
import uuid
from typing import Any

CALLS_MAX = 60
PLAIN = {str: "text", int: 1, float: 1.5, bool: True, uuid.UUID: uuid.UUID(int=7)}


def main(name: str) -> dict[str, Any]:
    api = importlib.import_module(f"apis.{name}")
    found = [each.name for each in pkgutil.walk_packages(api.__path__, f"apis.{name}.")]
    modules = [importlib.import_module(each) for each in found]
    client = api.connect()
    calls: dict[str, list[Any]] = {}
    for module in modules:
        if hasattr(module, "sync_detailed") and len(calls) < CALLS_MAX:
            given = arguments(module)
            if given is not None:
                try:
                    answer = module.sync_detailed(client=client, **given)
                    calls[module.__name__] = [answer.status_code.value, answer.parsed is not None]
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    calls[module.__name__] = [api.raw(module, client, **given).status_code, repr(error)]
    return {"modules": len(modules), "calls": calls}


def arguments(module: Any) -> dict[str, Any] | None:
    """Give a value for each parameter that is needed, or nothing where one is no plain value."""
    hints = typing.get_type_hints(module.sync_detailed, vars(module))
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(module.sync_detailed).parameters.items():
        if name == "client" or (parameter.default is not inspect.Parameter.empty and name != "body"):
            continue
        kind = hints[name]
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            given[name] = next(iter(kind))
        elif name == "body" or kind not in PLAIN:
            return None
        else:
            given[name] = PLAIN[kind]
    return given


if __name__ == "__main__":
    json.dump(main(sys.argv[1]), sys.stdout)
