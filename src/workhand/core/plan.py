"""The plan: how the model states it, and how it is read.

``plan_update`` is the one tool that needs nothing of the world, so the core
answers it by itself: the arguments become a ``Plan``, or a sentence that says
what is wrong with them.
"""

from __future__ import annotations

import json

from workhand.core.canonical import Json
from workhand.core.events import Phase, Plan

TOOL = "plan_update"
PHASES_MAX = 30
WEIGHT_MAX = 9


def read_plan(arguments: str) -> Plan | str:
    """Read the arguments of ``plan_update``; a string says why they cannot be used."""
    try:
        stated: Json = json.loads(arguments)
    except json.JSONDecodeError as error:
        return f"The arguments are not valid JSON ({error})."
    if not isinstance(stated, dict):
        return "The arguments must be an object with goal, phases and done."
    goal, titles, done = stated.get("goal"), stated.get("phases"), stated.get("done", 0)
    if not isinstance(goal, str) or not goal.strip():
        return "goal must say in one sentence what is to be delivered."
    if not isinstance(titles, list) or not 1 <= len(titles) <= PHASES_MAX:
        return f"phases must be a list of 1 to {PHASES_MAX} short titles."
    named = [title.strip() for title in titles if isinstance(title, str) and title.strip()]
    if len(named) != len(titles):
        return "each phase must be a short title in text."
    if isinstance(done, bool) or not isinstance(done, int) or not 0 <= done <= len(titles):
        return f"done must be the number of finished phases, from 0 to {len(titles)}, not {done!r}."
    weights = stated.get("weights") or [1] * len(titles)
    if not isinstance(weights, list) or len(weights) != len(titles) or not all(map(_is_weight, weights)):
        return f"weights must be a whole number from 1 to {WEIGHT_MAX} for each of the {len(titles)} phases."
    phases = (Phase(title, int(str(weight))) for title, weight in zip(named, weights, strict=True))
    return Plan(goal.strip(), tuple(phases), done)


def _is_weight(stated: Json) -> bool:
    return isinstance(stated, int) and not isinstance(stated, bool) and 1 <= stated <= WEIGHT_MAX
