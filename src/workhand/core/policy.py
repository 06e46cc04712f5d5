"""Every choice that shapes a session, as one frozen value stored with it.

Nothing that decides or renders reads a setting from anywhere else, so a log
can be replayed to the same bytes on any machine at any later time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Effect: TypeAlias = Literal["pure", "idempotent", "effect"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it.

    ``name`` is ``family_verb``: masks select families by their prefix.
    ``effect`` says what a repeat would do: ``pure`` reads only, ``idempotent``
    has the same outcome when run twice, ``effect`` must never run twice unasked.
    """

    name: str
    description: str
    parameters: str  # canonical JSON Schema of an object
    effect: Effect = "effect"


@dataclass(frozen=True, slots=True)
class Window:
    """The three thresholds of the context, in tokens.

    ``hard`` is what the model's server accepts, ``pre_rot`` the length past
    which quality falls, ``trigger`` the length at which compaction is forced.
    """

    hard: int = 128_000
    pre_rot: int = 128_000
    trigger: int = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may use.  ``None`` means no limit."""

    steps: int | None = 300
    tokens: int | None = None  # input and output together, cached input included
    cost_usd: float | None = None
    seconds: float | None = None  # of work: from waking to waiting, added up


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    model: str  # "provider:name"
    system_prompt: str
    tools: tuple[ToolSpec, ...]
    window: Window = Window()
    limits: Limits = Limits()
    variation_seed: str = ""
    answer_tokens_max: int = 4_096
    keep_full_results: int = 3
    observation_tokens_max: int = 1_200  # larger results enter as a preview and a path
    error_tokens_max: int = 8_000
    recite_after_calls: int = 0  # recite the plan when it was last in view this many calls ago
    fruitless_answers_max: int = 5  # in a row without an action that could run, before the session ends as stuck
