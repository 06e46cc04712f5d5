"""How many examples are tried: few and always the same ones, unless somebody looks for new ones.

``WORKHAND_PROPERTIES=search scripts/test tests/properties`` draws new examples,
and many more of them.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("search", settings.get_profile("ci"), derandomize=False, max_examples=1_000)
settings.load_profile(os.environ.get("WORKHAND_PROPERTIES", "ci"))
