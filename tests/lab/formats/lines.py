"""Small recordings, written by hand, as the texts that files hold."""

from __future__ import annotations

import json
from typing import Any


def jsonl(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)
