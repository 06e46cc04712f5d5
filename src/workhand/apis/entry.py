"""An API as a module of this machine: ``connect()`` gives the client that its operations take, ``raw`` calls one.

This file stands in every generated module as its ``__init__.py``.  It holds no key: the environment has a placeholder,
which becomes the key on the way to the API's host and nowhere else.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "libraries")
TIMEOUT_S = 60.0
if LIBRARIES not in sys.path:
    sys.path.append(LIBRARIES)  # at the end: what the machine has itself comes first


def connect(**options: Any) -> Any:
    """Give a client that signs in; options are those of ``Client``, such as ``raise_on_unexpected_status=True``."""
    import httpx  # type: ignore[import-not-found, unused-ignore]  # it is in the machine

    with open(os.path.join(HERE, "api.json"), encoding="utf-8") as file:
        stated = json.load(file)
    client = importlib.import_module(__name__ + ".client").Client
    key = _key(stated) if stated["secret"] else ""
    travels = stated["travels"] or {}
    name, place = travels.get("name"), travels.get("place") if key else None
    if travels.get("form") == "bearer":
        key = "Bearer " + key
    elif travels.get("form") == "basic":
        plain = stated["user"] + ":" + key if stated["user"] else key
        key = "Basic " + base64.b64encode(plain.encode()).decode()
    options.setdefault("timeout", httpx.Timeout(TIMEOUT_S))
    if place == "header":
        options["headers"] = {**options.get("headers", {}), name: key}
    elif place == "cookie":
        options["cookies"] = {**options.get("cookies", {}), name: key}
    return client(base_url=stated["base_url"], **options)


def raw(operation: Any, client: Any, **parameters: Any) -> Any:
    """Give the answer to an operation as it came, whatever its description says of it: an ``httpx.Response``."""
    return client.get_httpx_client().request(**operation._get_kwargs(**parameters))


def _key(stated: dict[str, Any]) -> str:
    try:
        return os.environ[stated["secret"]]
    except KeyError:
        raise RuntimeError(
            f"There is no variable {stated['secret']!r}: this session may not reach {stated['host']}; ask the user."
        ) from None
