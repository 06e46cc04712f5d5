"""The context policies that a replay can compare, by name: other systems' as models, and our own as it is.

A name may carry numbers: ``clear-5`` keeps 5 results, and ``clear-3-10000`` clears
only what wins 10,000 tokens; ``workhand:theta=0.5,gate=off`` changes our own.  All
hold the same limit, in tokens without the fixed prefix, in the way of the system
that they model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from workhand.core.policy import Prices
from workhand.errors import ConfigError
from workhand.lab.policies.clearing import KEPT_FULL, Clear, Drop, Moving, OldestHalf
from workhand.lab.policies.contexts import AppendOnly, Begin, Context
from workhand.lab.policies.offloading import DeepAgents, Strands
from workhand.lab.policies.ours import begun, read_changes
from workhand.lab.policies.summarising import Codex, LangChain, OpenHands

NAME = re.compile(r"([a-z]+(?:-[a-z]+)*)((?:-\d+)*)")

FIXED: dict[str, Callable[..., Context]] = {
    "oldest-half": OldestHalf,
    "drop": Drop,
    "deepagents": DeepAgents,
    "openhands": OpenHands,
    "codex": Codex,
    "langchain": LangChain,
    "strands": Strands,
}
NAMES = ("append-only", "workhand", "clear-N", "clear-N-TOKENS", "moving-N", *FIXED)


def named(name: str, *, limit: int, prices: Prices) -> Begin:
    """Give what makes the context of one session under the policy of that name."""
    ours, _, changes = name.partition(":")
    if ours == "workhand":
        return partial(begun, limit=limit, prices=prices, changes=read_changes(changes))
    match = NAME.fullmatch(name)
    word, numbers = (match[1], tuple(map(int, match[2].split("-")[1:]))) if match else ("", ())
    match word, numbers:
        case "append-only", ():
            return AppendOnly
        case "clear", ():
            return partial(Clear, limit=limit, keep=KEPT_FULL)
        case "clear", (keep,):
            return partial(Clear, limit=limit, keep=keep)
        case "clear", (keep, at_least):
            return partial(Clear, limit=limit, keep=keep, clear_at_least=at_least)
        case "moving", () | (_,):
            return partial(Moving, limit=limit, keep=numbers[0] if numbers else KEPT_FULL)
        case _, () if word in FIXED:
            return partial(FIXED[word], limit=limit)
    raise ConfigError(f"There is no context policy {name!r}: choose one of {', '.join(NAMES)}.")
