"""Small recordings, written by hand, as the texts that files hold."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings

STEADY = settings(  # the same examples every time, however slow the machine is
    derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def jsonl(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)
