"""Our own policy in a comparison: the executor's defaults, with figures and switches changed by name."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from workhand.core.policy import Limits, Policy, Prices, Rules, Window
from workhand.errors import ConfigError
from workhand.lab.policies.contexts import Workhand
from workhand.lab.request import Block
from workhand.lab.texts import Texts

TRIGGER_SHARE = 0.95  # of the limit, where we reduce at the latest: results still come before the next request
OF_POLICY = ("keep_full_results", "observation_tokens_max", "error_tokens_max")
SWITCHES = {"on": True, "off": False}


def read_changes(stated: str) -> dict[str, Any]:
    """Read ``theta=0.5,gate=off``.  Raises ``ConfigError`` with the names there are."""
    known: dict[str, object] = {each.name: each.default for each in fields(Rules)} | dict.fromkeys(OF_POLICY, 1)
    changes: dict[str, Any] = {}
    for each in filter(None, stated.split(",")):
        name, _, value = each.partition("=")
        if name not in known:
            raise ConfigError(f"Our policy has no {name!r}: it has {', '.join(sorted(known))}.")
        try:
            changes[name] = _read(value, known[name])
        except (KeyError, ValueError):
            raise ConfigError(f"{each!r} changes nothing: write NAME=NUMBER, NAME=on or NAME=off.") from None
    return changes


def _read(value: str, like: object) -> bool | int | float:
    if isinstance(like, bool):
        return SWITCHES[value]
    return int(value) if isinstance(like, int) else float(value)


def begun(texts: Texts, prefix: Block, *, limit: int, prices: Prices, changes: dict[str, Any]) -> Workhand:
    """Begin a session under our own policy; ``limit`` counts tokens without the fixed prefix."""
    window = limit + prefix.tokens
    of_policy = {name: value for name, value in changes.items() if name in OF_POLICY}
    chosen = Policy(
        model="lab",
        system_prompt=" the" * prefix.tokens,  # as long as the prefix that every policy carries
        tools=(),
        window=Window(window, window, prefix.tokens + int(limit * TRIGGER_SHARE)),
        limits=Limits(None),
        variation_seed="lab",
        answer_tokens_max=0,
        prices=prices,
        rules=replace(Rules(), **{name: value for name, value in changes.items() if name not in OF_POLICY}),
    )
    return Workhand(texts, prefix, replace(chosen, **of_policy))
